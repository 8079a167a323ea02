"""Raw tensors ↔ arrays. Source: Triton's binary tensor data extension (docs/protocol/extension_binary_data.md).

Little-endian (as every processor is that ONNX Runtime is built for), row-major, no padding; BOOL a byte each, 0 or 1;
BYTES a 4-byte length before each element.
"""

import math
import struct
from typing import Any, Final

import numpy as np

from despliegue.errors import InvalidRequest, shorten
from despliegue.models import Datatype
from despliegue.models.model import Array

_LENGTH: Final = struct.Struct("<I")


def decode(data: memoryview, datatype: Datatype, shape: tuple[int, ...], name: str) -> Array:
    """The array in `data`, without a copy where numpy can do without one.

    Args:
        data: the tensor's own bytes, no more.
        datatype: the tensor's type.
        shape: the tensor's, all dimensions ≥ 0.
        name: the input's, for messages.

    Raises:
        InvalidRequest: the bytes do not fit datatype or shape; the message names the input.
    """
    size = math.prod(shape)
    if datatype.kind == "O":
        return np.array(_decode_strings(data, size, name), np.object_).reshape(shape)
    expected = size * datatype.dtype.itemsize
    if len(data) != expected:
        raise InvalidRequest(
            f"input '{name}': shape {shorten(list(shape))} of {datatype.name} is {shorten(expected)} bytes;"
            f" binary_data_size is {len(data):,}",
            subject=name,
        )
    if datatype.kind == "b":
        flags = np.frombuffer(data, np.uint8)
        if flags.size and flags.max() > 1:
            raise InvalidRequest(f"input '{name}': a BOOL is the byte {flags.max()}; expected 0 or 1", subject=name)
        return flags.view(np.bool_).reshape(shape)
    array: Array = np.ndarray(shape, datatype.dtype, data)
    # Behind a JSON header of any length, numbers rarely lie at a multiple of their size, which ONNX Runtime counts on.
    return array if array.flags.aligned else array.copy()


def encode(array: Array) -> Any:
    """`array` as bytes, or as something that `bytes.join` takes for them."""
    if array.dtype.kind != "O":
        return array.tobytes()
    packed = bytearray()  # joining parts would take 200 bytes an element
    for text in array.ravel().tolist():
        raw = text.encode()
        packed += _LENGTH.pack(len(raw))
        packed += raw
    return packed


def _decode_strings(data: memoryview, count: int, name: str) -> list[str]:
    texts: list[str] = []
    position = 0
    try:
        while position < len(data):
            (length,) = _LENGTH.unpack_from(data, position)
            position += _LENGTH.size
            if length > len(data) - position:
                raise InvalidRequest(
                    f"input '{name}': element {len(texts):,} has {length:,} bytes; {len(data) - position:,} are left",
                    subject=name,
                )
            texts.append(str(data[position : position + length], "utf-8"))
            position += length
    except struct.error as error:
        raise InvalidRequest(
            f"input '{name}': {len(data) - position} bytes are left over; a length takes {_LENGTH.size}", subject=name
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"input '{name}': element {len(texts):,} is not UTF-8: {error.reason}", subject=name
        ) from error
    if len(texts) != count:
        raise InvalidRequest(
            f"input '{name}': its shape needs {shorten(count)} elements; the binary data holds {len(texts):,}",
            subject=name,
        )
    return texts
