"""CSV: its dialect and columns are found, its rows scored as they stand; input columns pass through byte for byte."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

import numpy as np
from arro3.core import DataType, Field
from arro3.core import Schema as ArrowSchema
from arro3.io import read_csv

from despliegue.errors import InvalidRequest, UnscorableFile, shorten
from despliegue.features import Column, Schema
from despliegue.features.text import NUMBER, read_text
from despliegue.models.model import Array
from despliegue.scoring.columns import match_columns, match_position
from despliegue.scoring.compression import BOM
from despliegue.scoring.counts import BadRow
from despliegue.scoring.csv_dialect import DECIMAL_COMMA, Dialect
from despliegue.scoring.csv_numbers import NumberReader
from despliegue.scoring.options import Options
from despliegue.scoring.predictions import PredictionColumns, texts
from despliegue.scoring.records import Lines, joined
from despliegue.scoring.text_table import TextTable, filled

_NUMBER_FIELD: Final = rb"(?:[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?)?"


class CsvTable(TextTable):
    """Rows of CSV.

    Attributes:
        schema: the model's columns.
        splitter: finds the records.
        names: the input's columns; without a header, the features' names.
    """

    extension = ".csv"
    extensions = (".csv", ".tsv", ".txt")
    content_type = "text/csv"

    def __init__(self, schema: Schema, dialect: Dialect, options: Options) -> None:
        self._dialect = dialect
        self.splitter = dialect.splitter
        self.rows_from = dialect.rows_from
        self._separator = dialect.delimiter.encode()
        self._width = len(dialect.first)
        named = dialect.header is not None
        self.names = dialect.first if named else [f"column {number}" for number in range(1, self._width + 1)]
        self._join = options.join and options.id is None
        self._id = (
            None if options.id is None else match_position(options.id, self.names if named else None, self._width)
        )
        places = [place for place in range(self._width) if place != self._id]
        self.schema = schema if schema.columns else schema.positional([self.names[place] for place in places])
        if named and schema.columns:
            self._positions = match_columns(schema, self.names)
        else:
            self._positions = self._by_position(places)
        self._regular = re.compile(self._pattern())
        self._arrow = ArrowSchema(self._arrow_fields())
        self._numbers = NumberReader(dialect.delimiter, dialect.decimal, self._width)
        kinds = {column.datatype.kind for column in self.schema.columns.values()}
        self._numeric = kinds == {"f"} and all(map(self._looks_numeric, dialect.samples))

    @classmethod
    def open(cls, schema: Schema, head: bytes, options: Options, *, whole: bool) -> Self:
        """The table that begins with `head`; see `Dialect.find`.

        Raises:
            UnscorableFile: it is empty or no CSV, or its columns are not the model's.
        """
        return cls(schema, Dialect.find(schema, head, options, whole=whole), options)

    def facts(self) -> dict[str, Any]:
        """What was found, for the report."""
        return {
            "format": "csv",
            "delimiter": self._dialect.delimiter,
            "quote": self._dialect.quote,
            "decimal": self._dialect.decimal,
            "header": self._dialect.header is not None,
            "columns": self._width,
            "missing_features": [name for name in self.schema.columns if name not in self._positions],
        }

    def arrays(self, rows: Sequence[bytes]) -> dict[str, Array]:
        """The model's inputs; see `rows.Table`."""
        if self._numeric and (matrix := self._numbers.matrix(rows)) is not None:
            order = list(self._positions.values())
            features = matrix if order == list(range(self._width)) else matrix[:, order]
            return self.schema.arrays_from_matrix(features, tuple(self._positions))
        return self.schema.arrays_from_columns(self._columns(rows))

    def values(self, rows: Sequence[bytes], at: int) -> dict[str, Any]:
        """The values of one row; see `rows.Table`."""
        try:
            fields = self._dialect.fields(rows[at])
        except UnicodeDecodeError as error:
            raise BadRow(f"the row is not valid UTF-8: byte {rows[at][error.start]:#04x} at {error.start:,}") from error
        except csv.Error as error:
            raise BadRow(f"the row is not valid CSV: {error}") from error
        if len(fields) != self._width:
            raise BadRow(f"the row has {len(fields):,} fields; expected {self._width:,}")
        return {
            name: self._value(fields[position], self.schema.columns[name]) for name, position in self._positions.items()
        }

    def suspects(self, rows: Sequence[bytes]) -> list[int]:
        """Rows that are not made of fields of the right kinds; see `rows.Table`."""
        return [at for at, row in enumerate(rows) if not self._regular.fullmatch(row)]

    def beginning(self, predictions: Sequence[str]) -> bytes:
        """What stands before the rows: a header, if the input has one."""
        bom = BOM if self._dialect.bom else b""
        if self._dialect.header is None:
            return bom
        kept = [self._dialect.header] if self._join else [] if self._id is None else [self._text(self.names[self._id])]
        return bom + self._separator.join([*kept, *map(self._text, predictions)]) + self._dialect.newline

    def encode(self, rows: Sequence[bytes], predictions: PredictionColumns) -> bytes:
        """The rows with their predictions, every line ended."""
        columns = [list(self._texts(array)) for array in predictions.arrays]
        if self._join and isinstance(rows, Lines):
            field = self._separator.replace(b"%", b"%%") + b"%b"
            return filled(rows.text, field * len(columns) + self._dialect.newline, columns)
        if self._join:
            columns.insert(0, list(rows))
        elif self._id is not None:
            columns.insert(0, [self._text(self._dialect.fields(row)[self._id]) for row in rows])
        if len(columns) == 1:
            # A line with nothing in it would be read as none.
            columns = [[text or self._dialect.quote.encode() * 2 for text in columns[0]]]
        lines = self._dialect.newline.join(map(self._separator.join, zip(*columns, strict=True)))
        return lines + self._dialect.newline

    def _looks_numeric(self, record: bytes) -> bool:
        """Whether a record holds nothing but numbers and gaps: a guess, by which nothing but time is lost."""
        number = DECIMAL_COMMA if self._dialect.decimal == "," else NUMBER
        fields = record.decode(errors="replace").split(self._dialect.delimiter)
        return all(not text or number.fullmatch(text) or NUMBER.fullmatch(text) for text in fields)

    def _pattern(self) -> bytes:
        """What a row looks like that the fast ways can read: numbers or nothing where numbers belong."""
        quote, delimiter = re.escape(self._dialect.quote).encode(), re.escape(self._dialect.delimiter).encode()
        text = rb"(?:%b(?:[^%b]|%b%b)*+%b|[^%b%b\r\n\0]*+)" % (quote, quote, quote, quote, quote, quote, delimiter)
        number = _NUMBER_FIELD.replace(rb"\.", re.escape(self._dialect.decimal).encode())
        kinds = {place: self.schema.columns[name].datatype.kind for name, place in self._positions.items()}
        fields = [number if kinds.get(place, "O") in "iuf" else text for place in range(self._width)]
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

    def _columns(self, rows: Sequence[bytes]) -> dict[str, Any]:
        """The features' columns, read by arro3."""
        text = joined(rows)
        # arro3 is lenient with quotes, ends a record at any carriage return, leaves out a byte order mark, and ends the
        # process where it cannot read a NUL byte as a number.
        if self._dialect.decimal == "," or b"\0" in text or text.startswith(BOM) or not self.splitter.holds(text, rows):
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
                    delimiter=self._dialect.delimiter,
                    quote=self._dialect.quote,
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
        quote = self._dialect.quote
        if any(character in value for character in (self._dialect.delimiter, quote, "\n", "\r")):
            value = quote + value.replace(quote, quote * 2) + quote
        return value.encode(errors="backslashreplace")

    def _value(self, text: str, column: Column) -> Any:
        """A field as JSON would have it; a text that is none of its kind stays a text, and is refused as one.

        Raises:
            BadRow: it is a number with the wrong decimal sign.
        """
        number = text.strip()
        if column.datatype.kind in "iuf":
            if self._dialect.decimal == "," and "." not in number:
                number = number.replace(",", ".")
            elif ("," in number and DECIMAL_COMMA.fullmatch(number)) or (
                "." in number and self._dialect.decimal == ","
            ):
                expected = "comma" if self._dialect.decimal == "," else "point"
                raise BadRow(
                    f"feature '{column.name}' is {shorten(text)}; expected a number with a decimal {expected}",
                    column.name,
                )
        value = read_text(number if column.datatype.kind in "iuf" else text, column)
        return text if isinstance(value, str) else value


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
