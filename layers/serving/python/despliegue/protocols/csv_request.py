"""CSV → named arrays: rows with a header that names the features, as MLflow sends, or without, as SageMaker does.

Commas, double quotes, decimal points. An empty field is a missing value, and so are pandas' and R's words for one in a
column of numbers. Source: RFC 4180; SageMaker's developer guide, "Common data formats for inference".
"""

import csv
import io
import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from despliegue.errors import InvalidRequest, shorten
from despliegue.features import Column, Schema
from despliegue.features.column import Values
from despliegue.features.schema import listed, repeated
from despliegue.features.text import read_text
from despliegue.models.model import Array
from despliegue.protocols import tensors
from despliegue.protocols.document import decode_text, parse_lazily
from despliegue.protocols.instances import check_size

type Row = list[str]

_NUMBERS: Final = b"0123456789+-.eE,\n"
"""What stands in plain numbers and between them."""
_HEADERS: Final = {"": None, "present": True, "absent": False}


def decode_csv(body: bytes, schema: Schema, header: str = "") -> dict[str, Array]:
    """The model's inputs.

    Args:
        body: the request's.
        schema: the model's.
        header: RFC 4180's parameter of the content type: `present`, `absent`, or empty where it is not said. Then the
            first line is a header if it holds nothing but names of features, the first of which pandas may have put an
            index without a name before.

    Raises:
        InvalidRequest: `body` is not CSV in UTF-8, or does not fit the model; rows are numbered from 0, the header and
            blank lines not counted.
        PayloadTooLarge: the rows leave out more values than are filled in.
    """
    if header not in _HEADERS:
        raise InvalidRequest(f"the content type says header={shorten(header)}; expected present or absent")
    named = _HEADERS[header]
    if (arrays := _decode_numbers(body, schema, named)) is not None:
        return arrays
    text = _text(body)
    rows = _read_rows(text)
    if not rows:
        raise InvalidRequest("the body is empty; expected CSV: a line for each row")
    if named is None:
        named = bool(schema.columns) and {*_without_index(rows[0])} <= {*schema.columns}
    try:
        return _decode_named(rows, schema, text, body) if named else _decode_positional(rows, schema, text, body)
    except InvalidRequest as error:
        if named or not str(error).startswith("row 0") or not schema.columns:
            raise
        message = f"{error}; the first line is a header only if it names the features: {listed(schema.columns)}"
        others = [name for name in rows[0] if name not in schema.columns]
        if others and len(others) < len(rows[0]):
            message = f"{message}; {shorten(', '.join(others))} is not among them"
        raise InvalidRequest(message, subject=error.subject) from error


def _decode_numbers(body: bytes, schema: Schema, named: bool | None) -> dict[str, Array] | None:
    """A matrix of nothing but numbers that are JSON's too, as fast as JSON; None where fields must be looked at."""
    spec = schema.matrix
    if spec is None or not schema.columns:
        return None
    lines = body.replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n"
    first, _, rest = lines.partition(b"\n")
    if named is not False and first == ",".join(schema.columns).encode():
        lines = rest
    elif named:
        return None
    rows, width = lines.count(b"\n"), len(schema.columns)
    if lines.translate(None, _NUMBERS) or b"-0," in lines or b"-0\n" in lines or not spec.fits((rows, width)):
        return None  # -0 is the integer 0 to JSON
    signs = np.frombuffer(lines, np.uint8)
    ends = signs[(signs == ord(",")) | (signs == ord("\n"))]
    if ends.size != rows * width or (ends.reshape(rows, width)[:, -1] != ord("\n")).any():
        return None
    try:
        values = parse_lazily(b"[%b]" % lines[:-1].replace(b"\n", b","))
        array, _ = tensors.decode(values, spec.datatype, (rows, width), spec.name)
    except (InvalidRequest, ValueError, RuntimeError):  # a number as JSON does not write it, or out of range
        return None
    return {spec.name: array}


def _text(body: bytes) -> str:
    text = decode_text(body)
    if (at := text.find("\0")) >= 0:
        raise InvalidRequest(f"the body is not valid CSV: it holds a NUL at position {at:,}")
    return text


_FIELD: Final = 131_072
"""Characters of a field, the limit of the module csv."""


_OTHER_SIGNS: Final = {";": "semicolons", "\t": "tabs"}
"""What spreadsheets write between fields in other places; files are read so, and requests are not."""


def _read_rows(text: str) -> list[Row]:
    """The records, blank lines left out; how many fields each has is not looked at."""
    rows: list[Row] = []
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in lines:
            # The module's own limit is one for a process, and scoring files raises it.
            if len(text) > _FIELD and any(len(field) > _FIELD for field in row):
                raise csv.Error(f"field larger than field limit ({_FIELD})")
            if row:
                rows.append(row)
    except csv.Error as error:
        raise InvalidRequest(f"line {lines.line_num:,} is not valid CSV: {error}") from error
    return rows


def _without_index(names: Row) -> Row:
    """The names, without the empty one that `DataFrame.to_csv` writes over the index."""
    return names[1:] if len(names) > 1 and not names[0] else names


def _decode_named(rows: list[Row], schema: Schema, text: str, body: bytes) -> dict[str, Array]:
    first, rows = rows[0], rows[1:]
    names = _without_index(first)
    if (twice := repeated(names)) is not None:
        raise InvalidRequest(f"the header names {shorten(twice)} twice")
    if not schema.columns:
        schema = schema.positional(names)
    for name in names:
        if name not in schema.columns:
            raise InvalidRequest(schema.unknown(name))
    _check_widths(rows, len(first))
    if len(names) < len(first):
        rows = [row[1:] for row in rows]
    return _arrays(rows, names, schema, text, body)


def _decode_positional(rows: list[Row], schema: Schema, text: str, body: bytes) -> dict[str, Array]:
    if not schema.columns:
        schema = schema.positional([f"column {number}" for number in range(1, len(rows[0]) + 1)])
    _check_widths(rows, len(schema.columns))
    return _arrays(rows, schema.names, schema, text, body)


def _check_widths(rows: list[Row], width: int) -> None:
    for number, row in enumerate(rows):
        if len(row) != width:
            parted = next((word for sign, word in _OTHER_SIGNS.items() if len(row) == 1 and sign in row[0]), "")
            wanted = f", with commas between them, not {parted}" if parted else ""
            raise InvalidRequest(f"row {number:,} has {len(row):,} fields; expected {width:,}{wanted}")


def _arrays(rows: list[Row], names: Sequence[str], schema: Schema, text: str, body: bytes) -> dict[str, Array]:
    check_size(len(rows), schema, body)
    # What Python's float takes and `read_text` does not: underscores, and the digits of other scripts.
    plain = text.isascii() and "_" not in text
    columns = zip(*rows, strict=True) if rows else (() for _ in names)
    return schema.arrays_from_columns(
        {name: _values(column, schema.columns[name], plain=plain) for name, column in zip(names, columns, strict=True)}
    )


def _values(texts: Sequence[str], column: Column, *, plain: bool) -> Values:
    """The values of a column; numbers that Python reads at once are the same as read one by one, only faster."""
    if plain and column.datatype.kind == "f":
        try:
            numbers = np.array([float(text) if text else math.nan for text in texts], np.float64)
        except ValueError:
            pass
        else:
            if np.count_nonzero(np.isnan(numbers)) == texts.count(""):
                return numbers
    return [read_text(text, column) for text in texts]
