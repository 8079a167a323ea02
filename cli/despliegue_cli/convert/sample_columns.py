"""The names of a sample's columns: all that a conversion wants to know of it."""

import csv
import io
import json
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

from despliegue.errors import DespliegueError, UnscorableFile, shorten
from despliegue.features.text import NUMBER
from despliegue.models.model import Array
from despliegue.scoring.compression import Decompressed, found_in

_HEAD = 1 << 20
_DELIMITERS = (",", ";", "\t", "|")
_MOST_BYTES = 160_000_000
"""Of an npz when it is unpacked, which it may be a thousand times larger: 20 million numbers of 64 bits."""
_ARRAY_HEAD = 1 << 14
"""More than numpy takes for an array's header."""


def sample_columns(path: Path) -> tuple[str, ...]:
    """The names of the columns of a table: CSV with a header, JSON Lines, Parquet, or the arrays of an npz.

    CSV and JSON Lines may be packed by gzip or zstd. An npz with an array that is no column, such as images, has none;
    nor have JSON Lines that are arrays, nor a folder of images.

    Raises:
        DespliegueError: it cannot be read, has no header, or names a column twice.
    """
    if path.is_dir():
        return ()
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if packing := found_in(head):
                file.seek(0)
                head = Decompressed(file, packing).read(_HEAD)
        names = _names(path, head)
    except UnscorableFile as error:
        raise DespliegueError(f"the sample {path}: {error}") from error
    except OSError as error:
        raise DespliegueError(f"the sample {path} cannot be read: {error.strerror or error}") from error
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DespliegueError(f"the sample {path} names column '{twice}' twice")
    return names


def _names(path: Path, head: bytes) -> tuple[str, ...]:
    if head.startswith(b"PAR1"):
        from arro3.io import read_parquet

        try:
            return tuple(read_parquet(path).schema.names)
        except Exception as error:  # arro3 raises Exception itself
            raise DespliegueError(f"the sample {path} is not readable as Parquet: {error}") from error
    if head.startswith(b"PK\3\4"):
        with _opened_npz(path) as (_, shapes):
            return tuple(shapes) if all(shape[1:] in ((), (1,)) for shape in shapes.values()) else ()
    try:
        text = head.decode("utf-8-sig", errors="strict" if len(head) < _HEAD else "ignore")
    except UnicodeDecodeError:
        raise DespliegueError(
            f"the sample {path} is no CSV in UTF-8 (from Excel, save it as CSV UTF-8), no JSON Lines, no Parquet and no"
            " npz"
        ) from None
    # Excel tells itself the delimiter by a line of its own.
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("sep=")), "")
    if first.startswith(("{", "[")):
        return _keys(first)
    readings = [tuple(next(csv.reader([first], delimiter=each), ())) for each in _DELIMITERS]
    names = max(readings, key=len)
    # Counted names are what a table without names of its own is written with.
    counted = [f"{number}" for number in range(len(names) + 1)]
    if names and all(map(NUMBER.fullmatch, names)) and list(names) not in (counted[:-1], counted[1:]):
        raise DespliegueError(
            f"the sample {path} has no header: its first line is {shorten(first)}; name its columns there"
        )
    return names


def load_npz(path: Path) -> dict[str, Array]:
    """The arrays of an npz, none of them unpickled.

    Raises:
        DespliegueError: it is damaged, too large, or holds Python's own objects.
    """
    import numpy as np

    with _opened_npz(path) as (file, shapes), np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in shapes}


@contextmanager
def _opened_npz(path: Path) -> Iterator[tuple[IO[bytes], dict[str, tuple[int, ...]]]]:
    """An npz, and the shapes of its arrays, of which no more than the headers are read."""
    try:
        # By an open file: numpy closes none of its own if it cannot read it.
        with path.open("rb") as file:
            with zipfile.ZipFile(file) as packed:
                headers = [(each.filename.removesuffix(".npy"), *_header(packed, each)) for each in packed.infolist()]
            size = sum(size for _, _, size in headers)
            if size > _MOST_BYTES:
                raise DespliegueError(
                    f"the sample {path} holds {size / 1e6:,.0f} MB of arrays; expected at most"
                    f" {_MOST_BYTES / 1e6:,.0f} MB: save fewer rows in it, some hundreds or thousands are enough"
                )
            file.seek(0)
            yield file, {name: shape for name, shape, _ in headers}
    except (ValueError, EOFError, RuntimeError, MemoryError, TokenError, zipfile.BadZipFile, zlib.error) as error:
        raise DespliegueError(f"the sample {path} is not readable as npz: {error}") from error


def _header(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[tuple[int, ...], int]:
    """An array's shape, and its size in bytes."""
    from numpy.lib import format as npy

    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{shorten(member.filename)} is packed as numpy never packs it")
    with packed.open(member) as file:
        head = io.BytesIO(file.read(_ARRAY_HEAD))
    version = npy.read_magic(head)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{shorten(member.filename)} is no array of numbers or texts")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(head)
    if dtype.hasobject:
        raise ValueError(f"{shorten(member.filename)} holds Python's own objects, which are never unpickled")
    if min(shape, default=0) < 0:
        raise ValueError(f"{shorten(member.filename)} is of shape {list(shape)}")
    return shape, math.prod(shape) * max(1, dtype.itemsize)


def _keys(line: str) -> tuple[str, ...]:
    """The keys of an object, twice where they are there twice; none of what is none, as who reads the rows will say."""
    try:
        found: Any = json.loads(line, object_pairs_hook=lambda pairs: tuple(key for key, _ in pairs))
    except (ValueError, RecursionError):
        return ()
    return found if isinstance(found, tuple) else ()
