"""Inputs of any rank in JSON, a row being the first dimension's → arrays: images, token ids, bare matrices."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np

from despliegue.errors import InvalidRequest, shorten
from despliegue.features import Schema
from despliegue.features.schema import listed
from despliegue.models import TensorSpec
from despliegue.models.model import Array
from despliegue.protocols import tensors
from despliegue.protocols.document import occurrences, plain, type_name

_MAX_RANK: Final = 32
"""Most dimensions that a tensor whose rank the graph leaves open may have; numpy stops at 64."""


def no_rows(schema: Schema) -> dict[str, Array]:
    """The inputs of no rows at all; whether the model takes that is for it to say."""
    specs = [spec for spec in schema.inputs.values() if not spec.optional]
    return {spec.name: np.empty((0, *(abs(size) for size in spec.shape[1:])), spec.datatype.dtype) for spec in specs}


def decode_single(value: Any, schema: Schema, body: bytes) -> dict[str, Array]:
    """The only input, row by row: each is a tensor of one rank less."""
    spec = schema.single
    if spec is None:
        expected = listed(schema.columns or schema.inputs)
        raise InvalidRequest(f"row 0 is {type_name(value[0])}; expected an object with {expected}")
    if spec.name in schema.columns:
        return schema.arrays_from_columns({spec.name: plain(value)})
    shape = _shape(value, spec)
    try:
        array, arrays = tensors.decode(value, spec.datatype, shape, spec.name)
        if arrays is not None and occurrences(body, "[") != arrays:
            array = tensors.decode_carefully(value, spec.datatype, shape, spec.name)
    except InvalidRequest as error:
        for number, row in enumerate(value if len(shape) > 1 else ()):
            try:
                tensors.decode_carefully(row, spec.datatype, shape[1:], spec.name)
            except InvalidRequest as reason:
                raise InvalidRequest(f"row {number:,}: {reason}", subject=spec.name) from error
        raise
    return {spec.name: array}


def decode_tensors(given: dict[str, Any], schema: Schema) -> dict[str, Array]:
    """Inputs of any rank, by name."""
    arrays = {}
    for name, value in given.items():
        spec = schema.inputs[name]
        arrays[name] = tensors.decode_carefully(value, spec.datatype, _shape(value, spec), name)
    if missing := [name for name, spec in schema.inputs.items() if not spec.optional and name not in given]:
        raise InvalidRequest(f"missing input {listed(missing)}; came {listed(given) or 'none'}", subject=missing[0])
    rows = count_rows(arrays, schema)
    for name, array in arrays.items():
        if schema.inputs[name].shape[:1] == (-1,) and len(array) != rows:
            raise InvalidRequest(f"input '{name}' has {len(array):,} rows, but others have {rows:,}", subject=name)
    return arrays


def count_rows(arrays: Mapping[str, Array], schema: Schema) -> int:
    """How many rows the inputs are: the first dimension that the graph leaves open, else the first there is, else 1."""
    batches = [array for name, array in arrays.items() if schema.inputs[name].shape[:1] == (-1,)]
    return next((array.shape[0] for array in [*batches, *arrays.values()] if array.ndim), 1)


def _shape(value: Any, spec: TensorSpec) -> tuple[int, ...]:
    """The shape of a nested array, by the first item at each depth; whether it is regular is for `tensors` to find."""
    sizes: list[int] = []
    inner = value
    while type_name(inner) == "an array" and len(sizes) <= _MAX_RANK:
        sizes.append(len(inner))
        inner = inner[0] if len(inner) else None
    shape = tuple(sizes)
    if len(shape) == 1 and len(spec.shape) == 2 and spec.shape[1] == 1:
        shape = (*shape, 1)  # a value a row
    if not spec.fits(shape) or len(shape) > _MAX_RANK:
        raise InvalidRequest(
            f"input '{spec.name}': the data's shape {shorten(list(shape))} does not fit the model's {list(spec.shape)}"
            " (-1 stands for any size)",
            subject=spec.name,
        )
    return shape


def rows_of_tensors(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """A tensor of rows for each input that is in every record; one that is in none is left out."""
    given = {}
    for name, values in columns.items():
        absent = [number for number, value in enumerate(values) if value is msgspec.UNSET]
        if 0 < len(absent) < len(values):
            raise InvalidRequest(f"row {absent[0]:,}: input '{name}' is missing, but other rows have it", subject=name)
        if not absent:
            given[name] = values
    return given
