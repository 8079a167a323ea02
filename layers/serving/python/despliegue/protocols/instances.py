"""Rows, records and columns in JSON → named arrays: what the V1 protocol and its kin share.

Rows of numbers go through simdjson's buffer, as in `tensors`. Everything else is read value by value, which gives the
arrays or says what is wrong, by row (from 0) and feature. Both give the same numbers.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from despliegue.errors import InvalidRequest, shorten
from despliegue.features import Schema
from despliegue.features.schema import listed
from despliegue.models import TensorSpec
from despliegue.models.model import Array
from despliegue.protocols import tensors
from despliegue.protocols.document import JsonObject, pick, plain, type_name

_MAX_RANK: Final = 32
"""Most dimensions that a tensor whose rank the graph leaves open may have; numpy stops at 64."""


def decode_instances(value: Any, schema: Schema, body: bytes) -> dict[str, Array]:
    """The model's inputs from `instances`: a record, a row or a single value for each row.

    Args:
        value: an array of the request's document.
        schema: the model's.
        body: the whole request: its brackets are counted where simdjson flattened an array.

    Raises:
        InvalidRequest: it is no array, mixes forms, or does not fit the schema.
    """
    if type_name(value) != "an array":
        raise InvalidRequest(f"instances is {type_name(value)}; expected an array", subject="instances")
    if not len(value):
        return _nothing(schema)
    if schema.matrix is not None and type_name(value[0]) == "an array":
        array = _decode_matrix(value, schema, body)
        if array is not None:
            return {schema.matrix.name: array}
    rows = list(value)
    form = type_name(rows[0])
    for number, row in enumerate(rows):
        if (came := type_name(row)) != form and "an object" in (form, came):
            raise InvalidRequest(f"row {number:,} is {came}, but row 0 is {form}; expected all rows alike")
    if form == "an object":
        return _decode_records(rows, schema)
    if schema.columns and (form == "an array" or schema.matrix is not None):
        return schema.arrays_from_columns(_columns_of_rows(rows, schema))
    return _decode_single(value, schema, body)


def decode_inputs(value: Any, schema: Schema, body: bytes) -> dict[str, Array]:
    """The model's inputs from `inputs`: a column for each feature, a tensor for each input, or the only input's tensor.

    Args:
        value: an object or array of the request's document.
        schema: the model's.
        body: the whole request, as for `decode_instances`.

    Raises:
        InvalidRequest: it is neither, or does not fit the schema.
    """
    form = type_name(value)
    if form == "an array" and schema.single is not None:
        if len(value) and type_name(value[0]) == "an object":
            raise InvalidRequest("inputs is an array of objects; expected records under instances", subject="inputs")
        return decode_instances(value, schema, body)
    if form != "an object":
        expected = listed(schema.columns or schema.inputs)
        raise InvalidRequest(f"inputs is {form}; expected an object with {expected}", subject="inputs")
    given = pick(value, tuple(value.keys()))
    matrix = schema.matrix.name if schema.matrix is not None and list(given) == [schema.matrix.name] else ""
    by_column = bool(schema.columns) and (not matrix or matrix in schema.columns)
    for name, data in given.items():
        if name not in (schema.columns if by_column else schema.inputs):
            raise InvalidRequest(schema.unknown(name))
        if type_name(data) != "an array" and (by_column or schema.inputs[name].shape):
            raise InvalidRequest(f"'{name}' is {shorten(plain(data))}; expected an array, a value a row", subject=name)
    if matrix and not by_column:
        return decode_instances(given[matrix], schema, body)
    if by_column:
        return schema.arrays_from_columns({name: _flat(plain(data), name) for name, data in given.items()})
    return _decode_tensors(given, schema)


def _nothing(schema: Schema) -> dict[str, Array]:
    """No rows: whether the model takes that is for it to say."""
    specs = [spec for spec in schema.inputs.values() if not spec.optional]
    return {spec.name: np.empty((0, *(abs(size) for size in spec.shape[1:])), spec.datatype.dtype) for spec in specs}


def _decode_matrix(value: Any, schema: Schema, body: bytes) -> Array | None:
    """The matrix that the rows are; None where they must be looked at one by one, to be read or refused by feature."""
    spec = schema.matrix
    if spec is None or not schema.columns:
        return None
    shape = (len(value), len(schema.columns))
    if not spec.fits(shape):
        return None
    try:
        array, arrays = tensors.decode(value, spec.datatype, shape, spec.name)
    except InvalidRequest:
        return None
    return array if arrays is not None and _brackets(body) == arrays else None


def _decode_single(value: Any, schema: Schema, body: bytes) -> dict[str, Array]:
    """The only input: a tensor, of which each row is one."""
    spec = schema.single
    if spec is None:
        expected = listed(schema.columns or schema.inputs)
        raise InvalidRequest(f"row 0 is {type_name(value[0])}; expected an object with {expected}")
    if spec.name in schema.columns:
        return schema.arrays_from_columns({spec.name: plain(value)})
    shape = _shape(value, spec)
    try:
        array, arrays = tensors.decode(value, spec.datatype, shape, spec.name)
        if arrays is not None and _brackets(body) != arrays:
            array = tensors.decode_carefully(value, spec.datatype, shape, spec.name)
    except InvalidRequest as error:
        for number, row in enumerate(value if len(shape) > 1 else ()):
            try:
                tensors.decode_carefully(row, spec.datatype, shape[1:], spec.name)
            except InvalidRequest as reason:
                raise InvalidRequest(f"row {number:,}: {reason}", subject=spec.name) from error
        raise
    return {spec.name: array}


def _decode_tensors(given: dict[str, Any], schema: Schema) -> dict[str, Array]:
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


def _decode_records(records: Sequence[JsonObject], schema: Schema) -> dict[str, Array]:
    names: Iterable[str] = schema.columns or schema.inputs
    if schema.matrix is not None and not schema.columns:
        raise InvalidRequest("row 0 is an object, but the model has no named features; expected an array of numbers")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for number, record in enumerate(records):
        given = _unique(record, f"row {number:,}")
        for name in given:
            if name not in columns:
                raise InvalidRequest(f"row {number:,}: {schema.unknown(name)}")
        for name, values in columns.items():
            values.append(given.get(name, msgspec.UNSET))
    if schema.matrix is not None:
        return schema.arrays_from_columns(columns)
    if schema.columns:
        return schema.arrays_from_columns({name: _flat(values, name) for name, values in columns.items()})
    return _decode_tensors(_given_columns(columns), schema)


def _flat(values: list[Any], name: str) -> list[Any]:
    """A column [N, 1] as [N]; one that is [N] as it is."""
    if not values or type(values[0]) is not list:
        return values
    for number, value in enumerate(values):
        if type(value) is not list or len(value) != 1:
            came = f"an array of {len(value):,} values" if type(value) is list else shorten(value)
            raise InvalidRequest(
                f"row {number:,}: feature '{name}' is {came}; expected [value], as row 0 is an array", subject=name
            )
    return [value[0] for value in values]


def _given_columns(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Those of tensors: each is in every record or in none."""
    given = {}
    for name, values in columns.items():
        absent = [number for number, value in enumerate(values) if value is msgspec.UNSET]
        if 0 < len(absent) < len(values):
            raise InvalidRequest(f"row {absent[0]:,}: input '{name}' is missing, but other rows have it", subject=name)
        if not absent:
            given[name] = values
    return given


def _columns_of_rows(rows: list[Any], schema: Schema) -> dict[str, Sequence[Any]]:
    expected = f"an array of {len(schema.columns):,} values"
    plain_rows = []
    for number, lazy in enumerate(rows):
        row = plain(lazy)
        if not isinstance(row, list):
            raise InvalidRequest(f"row {number:,} is {shorten(row)}; expected {expected}")
        if len(row) != len(schema.columns):
            raise InvalidRequest(f"row {number:,} has {len(row):,} values; expected {len(schema.columns):,}")
        plain_rows.append(row)
    return dict(zip(schema.columns, zip(*plain_rows, strict=True), strict=True))


def _unique(record: JsonObject, where: str) -> dict[str, Any]:
    """The members of an object.

    Raises:
        InvalidRequest: a key is there twice: parsers differ in which value they take.
    """
    keys = list(record.keys())
    given: dict[str, Any] = plain(record)
    if len(given) < len(keys):
        twice = Counter(keys).most_common(1)[0][0]
        raise InvalidRequest(f"{where}: the key {shorten(twice)} is there twice in one object")
    return given


def _brackets(body: bytes) -> int:
    """How many arrays begin in `body`, brackets in strings included; one is that of `instances` or `inputs` itself."""
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord("[")))
