"""CSV: its dialect and columns are found, its rows scored as they stand; input columns pass through byte for byte."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, Final, Self

import numpy as np
from arro3.core import DataType, Field
from arro3.core import Schema as ArrowSchema
from arro3.io import read_csv
from simdjson import Parser

from despliegue.errors import InvalidRequest, UnscorableFile
from despliegue.features import Column, Schema
from despliegue.models.model import Array
from despliegue.scoring.columns import match_columns, match_position
from despliegue.scoring.compression import BOM
from despliegue.scoring.counts import MAX_RECORD, BadRow
from despliegue.scoring.options import Options
from despliegue.scoring.predictions import PredictionColumns, texts
from despliegue.scoring.records import Splitter
from despliegue.scoring.text_table import TextTable

_DELIMITERS: Final = (",", ";", "\t", "|")
_LOOKED_AT: Final = 20
"""So many records at the beginning tell the dialect."""
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)
_NUMBER_FIELD: Final = rb"(?:[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?)?"
_INTEGER: Final = re.compile(r"[+-]?\d{1,4000}", re.ASCII)
_MISSING: Final = frozenset({"", "na", "n/a", "nan", "-nan", "null", "none"})
"""What stands for no number, whatever its case; pandas, R and SQL write these."""
_BOOLEANS: Final = {"true": True, "false": False}
_SINGLE_QUOTES: Final = re.compile(rb"(?:^|[,;\t|\n])'[^'\n]*'(?:[,;\t|\r\n]|$)")

# Numbers between the rows and in the place of empty fields, while simdjson reads a block as one array. They are found
# again by value, and a block that holds one of them itself is read the other way.
_BETWEEN: Final = b"-8.1234567890123457e300"
_EMPTY: Final = b"-8.7654321098765432e300"
_BETWEEN_VALUE: Final = float(_BETWEEN)
_EMPTY_VALUE: Final = float(_EMPTY)


class CsvTable(TextTable):
    """Rows of CSV.

    Attributes:
        schema: the model's columns.
        splitter: finds the records.
        names: the input's columns; without a header, the features' names.
        header: the record that names the columns; None where there is none.
    """

    extension = ".csv"
    extensions = (".csv", ".tsv", ".txt")
    content_type = "text/csv"

    def __init__(
        self, schema: Schema, delimiter: str, quote: str, options: Options, records: list[bytes], *, bom: bool
    ) -> None:
        self.splitter = Splitter(quote.encode(), delimiter.encode())
        self._delimiter, self._quote = delimiter, quote
        self._separator = delimiter.encode()
        self._bom = bom
        self._newline = b"\n"
        csv.field_size_limit(2 * MAX_RECORD)  # more than any record has
        first = self._fields(records[0])
        named = _is_header(first, schema) if options.header is None else options.header
        self.header = records[0] if named else None
        self._width = len(first)
        self.names = first if named else [f"column {number}" for number in range(1, self._width + 1)]
        self._join = options.join and options.id is None
        self._id = None if options.id is None else match_position(options.id, first if named else None, self._width)
        places = [place for place in range(self._width) if place != self._id]
        self.schema = schema if schema.columns else schema.positional([self.names[place] for place in places])
        if named and schema.columns:
            self._positions = match_columns(schema, first)
        else:
            self._positions = self._by_position(places)
        self._regular = re.compile(self._pattern())
        self._parser = Parser()
        self._has_gaps = False
        self._arrow = ArrowSchema(self._arrow_fields())
        kinds = {column.datatype.kind for column in self.schema.columns.values()}
        self._numeric = kinds == {"f"} and all(map(self._looks_numeric, records[1 if named else 0 :]))

    @classmethod
    def open(cls, schema: Schema, head: bytes, options: Options, *, whole: bool) -> Self:
        """The table that begins with `head`.

        Args:
            schema: the model's columns.
            head: the beginning of the file.
            options: what was said of it.
            whole: nothing follows `head`.

        Raises:
            UnscorableFile: it is empty or no CSV, or its columns are not the model's.
        """
        bom = head.startswith(BOM)
        head = head.removeprefix(BOM)
        quote = "'" if b'"' not in head and _SINGLE_QUOTES.search(head) else '"'
        candidates = [options.delimiter] if options.delimiter else _DELIMITERS
        ranked = [
            (
                _plausibility(found := _records(head, quote, candidate, whole), quote, candidate, schema),
                candidate,
                found,
            )
            for candidate in candidates
        ]
        _, delimiter, records = max(ranked, key=lambda each: each[0])
        if not records:
            raise UnscorableFile(
                "the file is empty: expected rows of CSV, with or without a header"
                if whole
                else f"its first line has no end within {len(head):,} bytes; expected CSV, JSON Lines or Parquet"
            )
        try:
            table = cls(schema, delimiter, quote, options, records, bom=bom)
        except (UnicodeDecodeError, csv.Error) as error:
            raise UnscorableFile(f"its first line is no CSV in UTF-8: {error}") from error
        end = head.find(records[0]) + len(records[0])
        if head[end : end + 2] == b"\r\n":
            table._newline = b"\r\n"
        table.rows_from = len(BOM) * bom + (end if table.header is not None else 0)
        return table

    def facts(self) -> dict[str, Any]:
        """What was found, for the report."""
        return {
            "format": "csv",
            "delimiter": self._delimiter,
            "quote": self._quote,
            "header": self.header is not None,
            "columns": self._width,
        }

    def arrays(self, rows: Sequence[bytes]) -> dict[str, Array]:
        """The model's inputs; see `rows.Table`."""
        if self._numeric and (matrix := self._matrix(rows)) is not None:
            order = list(self._positions.values())
            features = matrix if order == list(range(self._width)) else matrix[:, order]
            return self.schema.arrays_from_matrix(features, tuple(self._positions))
        return self.schema.arrays_from_columns(self._columns(rows))

    def values(self, rows: Sequence[bytes], at: int) -> dict[str, Any]:
        """The values of one row; see `rows.Table`."""
        try:
            fields = self._fields(rows[at])
        except UnicodeDecodeError as error:
            raise BadRow(f"the row is not valid UTF-8: byte {rows[at][error.start]:#04x} at {error.start:,}") from error
        except csv.Error as error:
            raise BadRow(f"the row is not valid CSV: {error}") from error
        if len(fields) != self._width:
            raise BadRow(f"the row has {len(fields):,} fields; expected {self._width:,}")
        return {name: _value(fields[position], self.schema.columns[name]) for name, position in self._positions.items()}

    def suspects(self, rows: Sequence[bytes]) -> list[int]:
        """Rows that are not made of fields of the right kinds; see `rows.Table`."""
        return [at for at, row in enumerate(rows) if not self._regular.fullmatch(row)]

    def beginning(self, predictions: Sequence[str]) -> bytes:
        """What stands before the rows: a header, if the input has one."""
        bom = BOM if self._bom else b""
        if self.header is None:
            return bom
        kept = [self.header] if self._join else [] if self._id is None else [self._text(self.names[self._id])]
        return bom + self._separator.join([*kept, *map(self._text, predictions)]) + self._newline

    def encode(self, rows: Sequence[bytes], predictions: PredictionColumns) -> bytes:
        """The rows with their predictions, every line ended."""
        columns = [self._texts(array) for array in predictions.arrays]
        if self._join:
            columns.insert(0, list(rows))
        elif self._id is not None:
            columns.insert(0, [self._text(self._fields(row)[self._id]) for row in rows])
        if len(columns) == 1:
            # A line with nothing in it would be read as none.
            columns = [[text or self._quote.encode() * 2 for text in columns[0]]]
        lines = self._newline.join(map(self._separator.join, zip(*columns, strict=True)))
        return lines + self._newline

    def _fields(self, row: bytes) -> list[str]:
        return next(csv.reader([row.decode()], delimiter=self._delimiter, quotechar=self._quote, strict=True), [])

    def _looks_numeric(self, record: bytes) -> bool:
        """Whether a record holds nothing but numbers and gaps: a guess, by which nothing but time is lost."""
        fields = record.decode(errors="replace").split(self._delimiter)
        return all(not text or _NUMBER.fullmatch(text) for text in fields)

    def _pattern(self) -> bytes:
        """What a row looks like that the fast ways can read: numbers or nothing where numbers belong."""
        quote, delimiter = re.escape(self._quote).encode(), re.escape(self._delimiter).encode()
        text = rb"(?:%b(?:[^%b]|%b%b)*+%b|[^%b%b\r\n\0]*+)" % (quote, quote, quote, quote, quote, quote, delimiter)
        kinds = {place: self.schema.columns[name].datatype.kind for name, place in self._positions.items()}
        fields = [_NUMBER_FIELD if kinds.get(place, "O") in "iuf" else text for place in range(self._width)]
        return delimiter.join(fields)

    def _by_position(self, places: list[int]) -> dict[str, int]:
        """The features' places where no header names them: every column but the id, in the model's order."""
        if len(places) != len(self.schema.columns):
            raise UnscorableFile(
                f"the file has {len(places):,} columns and no header that names the model's features; without one,"
                f" expected just its {len(self.schema.columns):,} features in order"
            )
        return dict(zip(self.schema.columns, places, strict=True))

    def _arrow_fields(self) -> list[Field]:
        types = {"f": DataType.float64(), "i": DataType.int64(), "u": DataType.uint64(), "b": DataType.bool()}
        kinds = {place: self.schema.columns[name].datatype.kind for name, place in self._positions.items()}
        return [Field(f"{place}", types.get(kinds.get(place, "O"), DataType.string())) for place in range(self._width)]

    def _matrix(self, rows: Sequence[bytes]) -> Array | None:
        """All fields as float64 [N, columns], NaN where empty; None where that is not all there is to the rows."""
        between = self._separator + _BETWEEN + self._separator
        text = b"%b%b%b" % (self._separator, between.join(rows), self._separator)
        filled = 0
        # Looking for gaps takes a tenth of parsing, so they are looked for where a block could not do without.
        values = None if self._has_gaps else self._parse(text)
        if values is None:
            size, gap, mark = len(text), self._separator * 2, self._separator + _EMPTY + self._separator
            # Twice: the first time, every other one of several in a row is left.
            text = text.replace(gap, mark).replace(gap, mark)
            filled, odd = divmod(len(text) - size, len(_EMPTY))
            self._has_gaps = filled > 0
            values = None if odd else self._parse(text)
        if values is None or len(values) != len(rows) * (self._width + 1):
            return None
        grid = values.reshape(len(rows), self._width + 1)
        marks = grid == _BETWEEN_VALUE
        # As many marks as were put in, and each where a row ends: so every row has as many fields as the header.
        if marks.sum() != len(rows) - 1 or not marks[:-1, -1].all():
            return None
        matrix = grid[:, :-1]
        if filled:
            gaps = matrix == _EMPTY_VALUE
            if gaps.sum() != filled:
                return None
            matrix = np.where(gaps, np.nan, matrix)
        return matrix

    def _parse(self, text: bytes) -> Array | None:
        """Numbers between separators, float64 [N]; None where there is anything else."""
        if self._delimiter != ",":
            if b"," in text:
                return None
            text = text.replace(self._separator, b",")
        if b"[" in text or b"\r" in text:  # simdjson would flatten the one and skip the other
            return None
        try:
            parsed: Any = self._parser.parse(b"[0%b0]" % text)
            return np.frombuffer(parsed.as_buffer(of_type="d"), np.float64)[1:]
        except (ValueError, TypeError, RuntimeError):
            return None

    def _columns(self, rows: Sequence[bytes]) -> dict[str, Any]:
        """The features' columns, read by arro3."""
        text = b"\n".join([*rows, b""])
        # arro3 is lenient with quotes, ends a record at any carriage return, leaves out a byte order mark, and ends the
        # process where it cannot read a NUL byte as a number.
        if b"\0" in text or text.startswith(BOM) or not self.splitter.holds(text, rows):
            raise InvalidRequest("a row may be read in several ways")
        data = io.BytesIO(text)
        try:
            # The batch is allocated before it is read, so its size is that of the rows.
            batches = list(
                read_csv(
                    data,
                    self._arrow,
                    has_header=False,
                    batch_size=len(rows),
                    delimiter=self._delimiter,
                    quote=self._quote,
                )
            )
        except Exception as error:  # arro3 raises Exception itself
            raise InvalidRequest(f"a row is not as expected: {error}") from error
        if len(batches) != 1 or batches[0].num_rows != len(rows):
            raise InvalidRequest("a row holds another")
        return {
            name: _from_arrow(batches[0].column(place), self.schema.columns[name])
            for name, place in self._positions.items()
        }

    def _texts(self, array: Array) -> Iterable[bytes]:
        if array.dtype.kind != "O":
            return texts(array, null=b"", infinity=b"inf")
        values = array.tolist()
        written = {value: self._text(value) for value in set(values)}
        return map(written.__getitem__, values)

    def _text(self, value: str) -> bytes:
        """A field, quoted where it must be."""
        if any(character in value for character in (self._delimiter, self._quote, "\n", "\r")):
            value = self._quote + value.replace(self._quote, self._quote * 2) + self._quote
        return value.encode(errors="backslashreplace")


def _records(head: bytes, quote: str, delimiter: str, whole: bool) -> list[bytes]:
    """The first records; the last one in `head` may be cut short, unless it is the whole file."""
    found = Splitter(quote.encode(), delimiter.encode()).records(head)
    if not whole and not (len(found) > 1 or head.endswith(b"\n")):
        return []
    return (found if whole else found[: max(1, len(found) - 1)])[: _LOOKED_AT + 1]


def _plausibility(records: list[bytes], quote: str, delimiter: str, schema: Schema) -> tuple[int, bool, float, int]:
    """How well a delimiter explains the records: features named, features counted, fields alike, fields at all."""
    try:
        lines = [record.decode() for record in records]
        rows = [next(csv.reader([line], delimiter=delimiter, quotechar=quote), []) for line in lines]
    except (UnicodeDecodeError, csv.Error):
        return (0, False, 0.0, 0)
    if not rows:
        return (0, False, 0.0, 0)
    known = {name.strip().casefold() for name in schema.columns}
    named = sum(text.strip().casefold() in known for text in rows[0])
    alike = sum(map(lambda row, fields: len(row) == fields, rows, repeat(len(rows[0])))) / len(rows)
    return (named, len(rows[0]) == len(known), alike if len(rows[0]) > 1 else 0.0, len(rows[0]))


def _is_header(fields: list[str], schema: Schema) -> bool:
    """Whether the first record names columns: it names a feature, or holds no number where a number is expected."""
    known = {name.strip().casefold() for name in schema.columns}
    if any(text.strip().casefold() in known for text in fields):
        return True
    numbers = not schema.columns or any(column.datatype.kind in "iuf" for column in schema.columns.values())
    return numbers and not any(
        _NUMBER.fullmatch(text.strip()) or text.strip().casefold() in _MISSING for text in fields
    )


def _value(text: str, column: Column) -> Any:
    """A field as JSON would have it; a text that is none of its kind stays a text, and is refused as one."""
    kind = column.datatype.kind
    if kind == "O":
        return text if text or column.missing is None else None
    stripped = text.strip()
    if stripped.casefold() in _MISSING:
        return None
    if kind == "b":
        return _BOOLEANS.get(stripped.casefold(), text)
    if kind in "iu" and _INTEGER.fullmatch(stripped):
        return int(stripped)
    return float(stripped) if _NUMBER.fullmatch(stripped) else text


def _from_arrow(array: Any, column: Column) -> Any:
    """A column's values: an array, or a list where some are missing."""
    kind = column.datatype.kind
    if kind == "O":
        values = array.to_pylist()
        return values if column.missing is not None or not array.null_count else [value or "" for value in values]
    if not array.null_count:
        return array.to_numpy()
    values = array.to_pylist()
    return np.array(values, np.float64) if kind == "f" else values
