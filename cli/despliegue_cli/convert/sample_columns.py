"""The names of a sample's columns: all that a conversion wants to know of it."""

import csv
from pathlib import Path

from despliegue.errors import DespliegueError

_HEAD = 1 << 20
_DELIMITERS = (",", ";", "\t", "|")


def sample_columns(path: Path) -> tuple[str, ...]:
    """The names of the columns of a table: CSV with a header, Parquet, or the arrays of an npz.

    Raises:
        DespliegueError: it cannot be read, or names a column twice.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        names = _names(path, head)
    except OSError as error:
        raise DespliegueError(f"the sample {path} cannot be read: {error.strerror or error}") from error
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DespliegueError(f"the sample {path} names column '{twice}' twice")
    return names


def _names(path: Path, head: bytes) -> tuple[str, ...]:
    if head.startswith(b"PAR1"):
        from arro3.io import read_parquet

        return tuple(read_parquet(path).schema.names)
    if head.startswith(b"PK\3\4"):
        import numpy as np

        with np.load(path, allow_pickle=False) as arrays:
            return tuple(arrays.files)
    try:
        first = head.decode("utf-8-sig", errors="strict" if len(head) < _HEAD else "ignore").partition("\n")[0]
    except UnicodeDecodeError:
        raise DespliegueError(f"the sample {path} is no CSV in UTF-8, no Parquet and no npz") from None
    readings = [tuple(next(csv.reader([first.rstrip("\r")], delimiter=each), ())) for each in _DELIMITERS]
    return max(readings, key=len)
