"""What a model file is, by its content and never by its name. Nothing is loaded here, and little is read."""

import bz2
import io
import lzma
import pickletools
import re
import zipfile
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, Literal, NamedTuple, Protocol

from despliegue.errors import DespliegueError


class Decompressor(Protocol):
    """The part of the decompressors of zlib, bz2 and lzma that is used here."""

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...  # noqa: D102


type Kind = Literal["onnx", "skops", "pickle", "xgboost", "lightgbm"]

EXPECTED: Final = (
    "expected ONNX, scikit-learn (skops; joblib or pickle with --trust), XGBoost (json or ubj of save_model)"
    " or LightGBM (the text of save_model)"
)
_HEAD: Final = 64 * 1024
_XGBOOST_JSON: Final = re.compile(rb'\s*\{\s*"(learner|version)"\s*:')
_XGBOOST_UBJ: Final = re.compile(rb"\{L.{8}(learner|version)", re.DOTALL)
_MODEL_FIELDS: Final = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
"""The wire type of each field of ONNX's ModelProto (onnx.proto): 0 is a varint, 2 a length and so many bytes."""
_OPSET_IMPORT, _GRAPH = 8, 7
# joblib's compressors; the beginning of what they write, and how to read it.
_COMPRESSED: Final[dict[bytes, Callable[[], Decompressor]]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(31),
    b"\x78": zlib.decompressobj,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lzma.LZMADecompressor,
    b"\x5d\0\0": lzma.LZMADecompressor,
}


class Source(NamedTuple):
    """A model file.

    Attributes:
        path: the file; of a folder, the one ONNX file in it.
        kind: what it is; `pickle` is joblib's too.
    """

    path: Path
    kind: Kind


def recognise(path: Path) -> Source:
    """What lies at `path`: a model file, or a folder that holds one ONNX file and its external data.

    Raises:
        DespliegueError: it is not there, is no model, or is cut short.
    """
    if path.is_dir():
        return _in_folder(path)
    try:
        with path.open("rb") as file:
            kind = _kind(file, path)
    except FileNotFoundError:
        raise DespliegueError(f"there is no file {path}") from None
    except OSError as error:
        raise DespliegueError(f"{path} cannot be read: {error.strerror}") from error
    return Source(path, kind)


def _in_folder(folder: Path) -> Source:
    found = sorted(folder.glob("*.onnx"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise DespliegueError(
            f"{folder} is a folder: expected one .onnx file in it, with its external data; found {names}"
        )
    source = recognise(found[0])
    if source.kind != "onnx":
        raise DespliegueError(f"{found[0]} is no ONNX but {source.kind}; name the file itself")
    return source


def _kind(file: BinaryIO, path: Path) -> Kind:
    head = file.read(_HEAD)
    if not head:
        raise DespliegueError(f"{path} is empty; {EXPECTED}")
    if head.startswith(b"PK\3\4"):
        return _zip(file, path)
    if head.startswith((b"tree\nversion=", b"tree\r\nversion=")):
        return "lightgbm"
    if _XGBOOST_JSON.match(head) or _XGBOOST_UBJ.match(head):
        return "xgboost"
    if _is_pickle(_decompressed(head)):
        return "pickle"
    if _is_onnx(file, path):
        return "onnx"
    raise DespliegueError(f"{path} is no model that is known here; {EXPECTED}")


def _zip(file: BinaryIO, path: Path) -> Kind:
    try:
        with zipfile.ZipFile(file) as archive:
            if "schema.json" in archive.namelist():
                return "skops"
    except zipfile.BadZipFile as error:
        raise DespliegueError(f"{path} is a zip archive that is cut short or damaged: {error}") from error
    raise DespliegueError(f"{path} is a zip archive without schema.json, so not of skops; {EXPECTED}")


def decompressing(head: bytes) -> Decompressor | None:
    """What reads a file that begins with `head`, if one of joblib's compressors wrote it; else None."""
    return next((make() for magic, make in _COMPRESSED.items() if head.startswith(magic)), None)


def _decompressed(head: bytes) -> bytes:
    """The beginning of what `head` was compressed from; `head` itself where it was not."""
    decompressor = decompressing(head)
    if decompressor is None:
        return head
    try:
        return decompressor.decompress(head, _HEAD)
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return head


def _is_pickle(head: bytes) -> bool:
    """Whether `head` begins with opcodes; those of protocol 0 and 1 are letters, so that much text looks like them."""
    if not head.startswith((b"\x80", b"c", b"(")):
        return False
    try:
        names = [opcode.name for opcode, _, _ in islice(pickletools.genops(io.BytesIO(head)), 12)]
    except (ValueError, UnicodeDecodeError):
        return False
    return names[0] == "PROTO" or "GLOBAL" in names


def _is_onnx(file: BinaryIO, path: Path) -> bool:
    """Whether the file is a ModelProto, by walking over its outermost fields without reading them.

    Raises:
        DespliegueError: it begins like one, but is cut short.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    seen: set[int] = set()
    while (at := file.tell()) < size:
        tag = _varint(file)
        number, wire_type = (tag or 0) >> 3, (tag or 0) & 7
        if tag is not None and _MODEL_FIELDS.get(number) != wire_type:
            return False
        length = _varint(file)
        if tag is None or length is None or (wire_type == 2 and file.tell() + length > size):
            if not seen:
                return False
            raise DespliegueError(
                f"{path} is ONNX that is cut short: it has {size:,} bytes, and field {number} at {at:,} needs more"
            )
        if wire_type == 2:
            file.seek(length, io.SEEK_CUR)
        seen.add(number)
    if _GRAPH not in seen or _OPSET_IMPORT not in seen:
        if seen & {_GRAPH, _OPSET_IMPORT}:
            raise DespliegueError(f"{path} is ONNX that is cut short: it has no graph, or does not say its opset")
        return False
    return True


def _varint(file: BinaryIO) -> int | None:
    """A base-128 number; None where the file ends first, or it has more than 64 bits."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    return None
