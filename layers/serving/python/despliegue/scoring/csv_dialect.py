"""What a CSV file is: delimiter, quotes, decimal sign, line ends and header, said by whoever sends it, else found."""

import csv
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final, Self

import msgspec

from despliegue.errors import UnscorableFile
from despliegue.features import Schema
from despliegue.features.text import MISSING, NUMBER
from despliegue.scoring.columns import folded
from despliegue.scoring.compression import BOM
from despliegue.scoring.counts import MAX_RECORD
from despliegue.scoring.options import Options
from despliegue.scoring.records import Splitter

DECIMAL_COMMA: Final = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_THOUSANDS: Final = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_DELIMITERS: Final = (",", ";", "\t", "|")
_LOOKED_AT: Final = 20
"""So many records at the beginning tell the dialect."""
_SINGLE_QUOTED: Final = re.compile(rb"(?:^|[,;\t|])'[^'\n]*'(?:[,;\t|\r]|$)")
_MUST_BE_QUOTED: Final = re.compile(rb"(?:^|[,;\t|])'[^'\n]*(?:[,;\t|]|'')[^'\n]*'(?:[,;\t|\r]|$)")
_EXCELS: Final = re.compile(rb"sep=([^\w\s]|\t)\r?\n")
"""The line by which Excel tells itself the delimiter; it is no record."""


class Dialect(msgspec.Struct, frozen=True):
    """How a file is written.

    Attributes:
        delimiter: between fields.
        quote: around fields.
        decimal: between the digits of numbers: a point or, where the delimiter is another, a comma.
        newline: the end of a record.
        bom: the file begins with a byte order mark.
        header: the record that names the columns; None where there is none.
        first: the fields of the first record.
        samples: some records that are rows.
        rows_from: where the rows begin, in bytes.
    """

    delimiter: str
    quote: str
    decimal: str
    newline: bytes
    bom: bool
    header: bytes | None
    first: Sequence[str]
    samples: Sequence[bytes]
    rows_from: int

    @property
    def splitter(self) -> Splitter:
        """What finds the records. In a file of one column a blank line is a row, whose value is missing."""
        return Splitter(self.quote.encode(), self.delimiter.encode(), blank=len(self.first) == 1)

    def fields(self, record: bytes) -> list[str]:
        """The fields of one record.

        Raises:
            UnicodeDecodeError: it is not UTF-8.
            csv.Error: its quotes are not as they should be.
        """
        rows = csv.reader([record.decode()], delimiter=self.delimiter, quotechar=self.quote, strict=True)
        return next(rows, []) or [""]

    @classmethod
    def find(cls, schema: Schema, head: bytes, options: Options, *, whole: bool) -> Self:
        """The dialect of the file that begins with `head`.

        Args:
            schema: the model's columns.
            head: the beginning of the file.
            options: what was said of it.
            whole: nothing follows `head`.

        Raises:
            UnscorableFile: the file is empty or no CSV, or it cannot be told whether it has a header.
        """
        csv.field_size_limit(2 * MAX_RECORD)  # more than any record has
        bom = head.startswith(BOM)
        text = head.removeprefix(BOM)
        said = options.delimiter
        if excels := _EXCELS.match(text):
            text, said = text[excels.end() :], said or excels[1].decode()
        quote = _quote(text)
        found = {each: _records(text, quote, each, whole) for each in ([said] if said else _DELIMITERS)}
        known, expected = set(map(folded, schema.columns)), len(schema.columns) + (options.id is not None)
        delimiter = max(found, key=lambda each: _plausibility(_read(found[each], quote, each), known, expected))
        records = found[delimiter]
        if not records:
            raise UnscorableFile(
                "the file is empty: expected rows of CSV, with or without a header"
                if whole
                else f"its first line has no end within {len(head):,} bytes; expected CSV, JSON Lines or Parquet"
            )
        end = text.find(records[0]) + len(records[0])
        draft = cls(delimiter, quote, ".", b"\n", bom, None, (), (), 0)
        try:
            first = draft.fields(records[0])
        except (UnicodeDecodeError, csv.Error) as error:
            raise UnscorableFile(
                f"its first line is no CSV in UTF-8 (from Excel, save it as CSV UTF-8): {error}"
            ) from error
        named = _is_header(first, schema) if options.header is None else options.header
        samples = records[1 if named else 0 :]
        return msgspec.structs.replace(
            draft,
            first=first,
            header=records[0] if named else None,
            samples=samples,
            decimal=_decimal(_read(samples, quote, delimiter), delimiter),
            newline=b"\r\n" if text[end : end + 2] == b"\r\n" else b"\n",
            rows_from=len(head) - len(text) + (text.find(b"\n", end) + 1 or len(text) if named else 0),
        )


def _quote(text: bytes) -> str:
    """The quote character: the single one where nothing has the double, and it is not only now and then around a word.

    That is where it encloses something that must be quoted, or a field in half of the lines.
    """
    if b'"' in text:
        return '"'
    lines = text.split(b"\n", _LOOKED_AT + 1)[1 : _LOOKED_AT + 1]
    if any(map(_MUST_BE_QUOTED.search, lines)) or sum(map(bool, map(_SINGLE_QUOTED.search, lines))) * 2 > len(lines):
        return "'"
    return '"'


def _records(text: bytes, quote: str, delimiter: str, whole: bool) -> list[bytes]:
    """The first records; the last one in `text` may be cut short, unless it is the whole file."""
    found = Splitter(quote.encode(), delimiter.encode()).records(text)
    if not whole and not (len(found) > 1 or text.endswith(b"\n")):
        return []
    return (found if whole else found[: max(1, len(found) - 1)])[: _LOOKED_AT + 1]


def _read(records: Iterable[bytes], quote: str, delimiter: str) -> list[list[str]]:
    """The fields of those records that can be read at all."""
    rows: list[list[str]] = []
    for record in records:
        try:
            rows += csv.reader([record.decode(errors="replace")], delimiter=delimiter, quotechar=quote)
        except csv.Error:
            continue
    return rows


def _plausibility(rows: list[list[str]], known: Collection[str], expected: int) -> tuple[int, bool, float, int]:
    """How well a delimiter explains the rows: features named, columns as many as expected, rows alike, columns."""
    if not rows:
        return (0, False, 0.0, 0)
    width = len(rows[0])
    alike = sum(len(row) == width for row in rows) / len(rows) if width > 1 else 0.0
    return (sum(folded(text) in known for text in rows[0]), width == expected, alike, width)


def _is_header(fields: Sequence[str], schema: Schema) -> bool:
    """Whether the first record names columns.

    It does if it names a feature, and no other field is a number; or if it holds no number where the model takes some.

    Raises:
        UnscorableFile: that cannot be told, for the model takes texts alone.
    """
    known = set(map(folded, schema.columns))
    others = [text.strip() for text in fields if folded(text) not in known]
    numbers = any(NUMBER.fullmatch(text) or DECIMAL_COMMA.fullmatch(text) for text in others)
    if len(others) < len(fields):
        return not numbers
    if schema.columns and not any(column.datatype.kind in "iuf" for column in schema.columns.values()):
        raise UnscorableFile(
            "it cannot be told whether the first line is a header: it names no feature, and the model takes texts."
            " Say so with the option header"
        )
    return not (numbers or any(text.casefold() in MISSING - {""} for text in others) or not any(others))


def _decimal(rows: list[list[str]], delimiter: str) -> str:
    """The decimal sign: a comma where numbers have one, and none a point, that may not be there to part thousands."""
    texts = [text.strip() for row in rows for text in row]
    points = any("." in text and NUMBER.fullmatch(text) and not _THOUSANDS.fullmatch(text) for text in texts)
    commas = any(DECIMAL_COMMA.fullmatch(text) and not _THOUSANDS.fullmatch(text) for text in texts)
    return "," if commas and not points and delimiter != "," else "."
