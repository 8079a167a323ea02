"""A body that is a `.npy` file → the model's only input. Source: numpy.org, "NEP 1 / numpy.lib.format"."""

import io
import math
from typing import Final

import numpy as np
from numpy.lib import format as npy

from despliegue.errors import InvalidRequest, shorten
from despliegue.features import Schema
from despliegue.features.schema import listed
from despliegue.models import TensorSpec
from despliegue.models.model import Array
from despliegue.protocols import tensors
from despliegue.protocols.infer_form import MAX_EMPTY_SIZE, MAX_RANK

_MAX_HEADER: Final = 10_000
_KINDS: Final = "biuf"
_READERS: Final = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def decode_npy(body: bytes, schema: Schema) -> dict[str, Array]:
    """The model's only input: rows of features in the model's order, or a tensor whose first dimension is the rows.

    Raises:
        InvalidRequest: `body` is not such a file of numbers, or does not fit the model.
    """
    spec = schema.single
    if spec is None:
        raise InvalidRequest(
            f"a npy body is one array, but the model has several inputs: {listed(schema.columns or schema.inputs)}"
        )
    array = _read(body)
    if array.ndim == 1 and len(spec.shape) == 2 and spec.shape[1] == 1:
        array = array.reshape(-1, 1)  # a value a row
    if not spec.fits(array.shape):
        raise InvalidRequest(
            f"the array's shape {shorten(list(array.shape))} does not fit the model's {list(spec.shape)} (-1 stands for"
            " any size)",
            subject=spec.name,
        )
    if schema.matrix is not None and schema.columns:
        if array.shape[1] != len(schema.columns):
            raise InvalidRequest(f"the array has {array.shape[1]:,} columns; expected {len(schema.columns):,}")
        if array.dtype.kind == "f":
            return schema.arrays_from_matrix(array.astype(np.float64), schema.names)
        return schema.arrays_from_columns(dict(zip(schema.names, array.T, strict=True)))
    if spec.name in schema.columns:
        return schema.arrays_from_columns({spec.name: array.reshape(-1)})
    return {spec.name: _tensor(array, spec)}


def _read(body: bytes) -> Array:
    """The array; nothing is allocated that the body does not hold, and no pickle is ever read."""
    if not body:
        raise InvalidRequest("the body is empty; expected a npy file")
    file = io.BytesIO(body)
    try:
        version = npy.read_magic(file)
        shape, by_column, dtype = _READERS[version](file, max_header_size=_MAX_HEADER)
    except Exception as error:  # the header is Python's own notation, and its parsers raise all they have
        raise InvalidRequest("the body is not a npy file of version 1.0 or 2.0") from error
    if dtype.kind not in _KINDS:
        raise InvalidRequest(f"the array's dtype is {shorten(str(dtype))}; expected numbers or booleans")
    held, needed = len(body) - file.tell(), math.prod(shape) * dtype.itemsize
    if held != needed or any(size < 0 for size in shape):
        raise InvalidRequest(f"shape {shorten(list(shape))} needs {shorten(needed)} bytes, but the body holds {held:,}")
    if len(shape) > MAX_RANK:
        raise InvalidRequest(f"the array has {len(shape):,} dimensions; expected at most {MAX_RANK}")
    if 0 in shape and math.prod(size or 1 for size in shape) > MAX_EMPTY_SIZE:
        raise InvalidRequest(
            f"shape {shorten(list(shape))} is empty but large; its other dimensions may multiply to {MAX_EMPTY_SIZE:,}"
        )
    flat = np.frombuffer(body, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if by_column else "C")


def _tensor(array: Array, spec: TensorSpec) -> Array:
    """As the input's datatype, as JSON's values would be: range checked, booleans only where they belong."""
    wanted = spec.datatype.dtype
    if (array.dtype.kind == "b") == (wanted.kind == "b") and np.can_cast(array.dtype, wanted, "safe"):
        return array.astype(wanted, order="C", copy=False)
    if array.dtype.kind == wanted.kind == "f":
        try:
            with np.errstate(over="raise"):
                return array.astype(wanted, order="C")
        except FloatingPointError:
            pass  # the careful way finds out which value it is
    return tensors.decode_carefully(array.tolist(), spec.datatype, array.shape, spec.name)
