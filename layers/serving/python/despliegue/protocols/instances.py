"""Rows, records and columns in JSON → named arrays: what the V1 protocol and its kin share.

Rows of numbers go through simdjson's buffer, as in `tensors`. Everything else is read value by value, which gives the
arrays or says what is wrong, by row (from 0) and feature. Both give the same numbers.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from despliegue.errors import InvalidRequest, PayloadTooLarge, shorten
from despliegue.features import Schema
from despliegue.features.schema import listed
from despliegue.models.model import Array
from despliegue.protocols import tensors
from despliegue.protocols.document import JsonObject, occurrences, pick, plain, type_name
from despliegue.protocols.row_tensors import decode_single, decode_tensors, no_rows, rows_of_tensors

MAX_VALUES: Final = 1_000_000
"""Most values, those left out included, that rows may come to where the body is short: `{}` stands for a whole row."""


def max_values(body: bytes) -> int:
    """Most values, those left out included, that the rows in `body` may come to."""
    return max(MAX_VALUES, 4 * len(body))


def decode_instances(value: Any, schema: Schema, body: bytes, beside: int = 0) -> dict[str, Array]:
    """The model's inputs from `instances`: a record, a row or a single value for each row.

    Args:
        value: an array of the request's document.
        schema: the model's.
        body: the whole request: its brackets are counted where simdjson flattened an array.
        beside: opening brackets that it has beside those of `value`.

    Raises:
        InvalidRequest: it is no array, mixes forms, or does not fit the schema.
        PayloadTooLarge: its records leave out more values than are filled in.
    """
    if type_name(value) != "an array":
        raise InvalidRequest(f"instances is {type_name(value)}; expected an array", subject="instances")
    if not len(value):
        return no_rows(schema)
    if schema.matrix is not None and type_name(value[0]) == "an array":
        array = _decode_matrix(value, schema, body, beside)
        if array is not None:
            return {schema.matrix.name: array}
    rows = list(value)
    form = type_name(rows[0])
    for number, row in enumerate(rows):
        if (came := type_name(row)) != form and "an object" in (form, came):
            raise InvalidRequest(f"row {number:,} is {came}, but row 0 is {form}; expected all rows alike")
    if form == "an object":
        check_size(len(rows), schema, body)
        return _decode_records(rows, schema)
    if schema.columns and (form == "an array" or schema.matrix is not None):
        return schema.arrays_from_columns(_columns_of_rows(rows, schema))
    return decode_single(value, schema, body)


def decode_inputs(value: Any, schema: Schema, body: bytes) -> dict[str, Array]:
    """The model's inputs from `inputs`: a column for each feature, a tensor for each input, or the only input's tensor.

    Args:
        value: an object or array of the request's document.
        schema: the model's.
        body: the whole request, as for `decode_instances`.

    Raises:
        InvalidRequest: it is neither, or does not fit the schema.
        PayloadTooLarge: it leaves out more values than are filled in.
    """
    form = type_name(value)
    if form == "an array" and schema.single is not None:
        if len(value) and type_name(value[0]) == "an object":
            raise InvalidRequest("inputs is an array of objects; expected records under instances", subject="inputs")
        return decode_instances(value, schema, body)
    if form != "an object":
        expected = listed(schema.columns or schema.inputs)
        raise InvalidRequest(f"inputs is {form}; expected an object with {expected}", subject="inputs")
    names = list(value.keys())
    matrix = schema.matrix.name if schema.matrix is not None and names == [schema.matrix.name] else ""
    by_column = bool(schema.columns) and (not matrix or matrix in schema.columns)
    # Before anything is looked up: in a lazy object that takes as long as the object has keys.
    for name in names:
        if name not in (schema.columns if by_column else schema.inputs):
            raise InvalidRequest(schema.unknown(name))
    given = pick(value, tuple(names))
    for name, data in given.items():
        if type_name(data) != "an array" and (by_column or schema.inputs[name].shape):
            raise InvalidRequest(f"'{name}' is {shorten(plain(data))}; expected an array, a value a row", subject=name)
    if matrix and not by_column:
        return decode_instances(given[matrix], schema, body)
    if by_column:
        check_size(max(map(len, given.values()), default=0), schema, body)
        return schema.arrays_from_columns({name: _flat(plain(data), name) for name, data in given.items()})
    return decode_tensors(given, schema)


def check_size(rows: int, schema: Schema, body: bytes) -> None:
    """Refuse rows that come to more values than their body may stand for.

    Raises:
        PayloadTooLarge: they do.
    """
    if rows * len(schema.columns) > (limit := max_values(body)):
        raise PayloadTooLarge(
            f"{rows:,} rows of {len(schema.columns):,} features are over the {limit:,} values that a body of"
            f" {len(body):,} bytes may stand for; send fewer rows in a request"
        )


def _decode_matrix(value: Any, schema: Schema, body: bytes, beside: int) -> Array | None:
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
    return array if arrays is not None and occurrences(body, "[") - beside == arrays else None


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
    return decode_tensors(rows_of_tensors(columns), schema)


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
