"""JSON Lines: an object a line, or an array with the features in order; what a line holds besides passes through."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, Self

import msgspec
import numpy as np
import orjson

from despliegue.errors import InvalidRequest, UnscorableFile, shorten
from despliegue.features import RecordType, Schema
from despliegue.models.model import Array
from despliegue.scoring.columns import match_columns
from despliegue.scoring.compression import BOM
from despliegue.scoring.counts import BadRow
from despliegue.scoring.options import Options
from despliegue.scoring.predictions import PredictionColumns, texts
from despliegue.scoring.records import Lines, Splitter, joined
from despliegue.scoring.text_table import TextTable, filled

_QUOTE, _COLON, _BLANK = b'": '
_LOOKED_AT: Final = 20
"""So many lines at the beginning tell which keys there are."""
_LESSONS, _MOST_OTHERS = 8, 256
"""How often, and up to how many, keys are learnt that no line at the beginning had."""
_DIGITS: Final = 4300
_ARRAY_OF_OBJECTS: Final = re.compile(rb"\s*\[\s*\{")


class JsonLinesTable(TextTable):
    """Rows of JSON Lines.

    Attributes:
        schema: the model's columns.
        splitter: finds the lines.
        names: the keys of the first object.
    """

    extension = ".jsonl"
    extensions = (".jsonl", ".ndjson", ".json")
    content_type = "application/x-ndjson"

    def __init__(self, schema: Schema, first: Any, options: Options, *, bom: bool) -> None:
        self.splitter = Splitter()
        self._bom = bom
        self.rows_from = len(BOM) * bom
        self._join, self._id = options.join and options.id is None, options.id
        self._positional = isinstance(first, list)
        self._brackets = (b"[", b"]") if self._positional else (b"{", b"}")
        self.names: Sequence[str] = list(first) if isinstance(first, dict) else ()
        if not schema.columns:
            schema = schema.positional([f"value {number}" for number in range(1, len(first) + 1)])
        self.schema = schema
        self._keys = {name: name for name in schema.columns}
        if self.names:
            self._keys |= {feature: self.names[place] for feature, place in match_columns(schema, self.names).items()}
        self._lessons = _LESSONS
        self._expect([name for name in self.names if name not in self._keys.values()])
        self._features_by_key = {key: name for name, key in self._keys.items()}
        self._features_by_case = {name.strip().casefold(): name for name in schema.columns}
        if self._id is not None:
            if self._positional:
                raise UnscorableFile("lines that are arrays have no id column; expected lines that are objects")
            try:
                one = msgspec.defstruct("Id", [("id", msgspec.Raw, msgspec.Raw(b"null"))], rename={"id": self._id})
            except ValueError as error:  # a quote, a backslash or a control character
                raise UnscorableFile(
                    f"the id column is {shorten(self._id)}, which no key of JSON Lines may be"
                ) from error
            decode = msgspec.json.Decoder(one).decode
            self._read_id: Callable[[bytes], msgspec.Raw] = lambda row: decode(row).id  # type: ignore[attr-defined]

    @classmethod
    def open(cls, schema: Schema, head: bytes, options: Options, *, whole: bool) -> Self:
        """The table that begins with `head`; see `CsvTable.open`.

        Raises:
            UnscorableFile: it is empty, or one document of several lines.
        """
        if options.delimiter or options.header is not None:
            raise UnscorableFile("JSON Lines have no delimiter and no header; those options are for CSV")
        bom = head.startswith(BOM)
        lines = Splitter().records(head.removeprefix(BOM))
        if not lines:
            raise UnscorableFile("the file is empty: expected a JSON object a line")
        if _ARRAY_OF_OBJECTS.match(head.removeprefix(BOM)):
            raise UnscorableFile(
                "the file is one JSON array of objects; expected JSON Lines, an object a line (pandas writes them with"
                " to_json(orient='records', lines=True))"
            )
        # What cannot be read is rejected later, row by row, and tells nothing of the others.
        found = [value for line in lines[:_LOOKED_AT] if (value := _value(line)) is not None]
        if not found and (whole or len(lines) > 1):
            raise UnscorableFile(
                f"none of the first lines is valid JSON: {shorten(lines[0].decode(errors='replace'))}; expected JSON"
                " Lines, an object a line"
            )
        first: Any = found[0] if found else {}
        if not isinstance(first, (dict, list)):
            raise UnscorableFile(f"the first line is {shorten(first)}; expected a JSON object or an array of values")
        if isinstance(first, dict):
            for other in found:
                first = {**first, **other} if isinstance(other, dict) else first
        try:
            return cls(schema, first, options, bom=bom)
        except InvalidRequest as error:
            raise UnscorableFile(str(error)) from error

    def facts(self) -> dict[str, Any]:
        """What was found, for the report."""
        missing = [name for name in self.schema.columns if self.names and self._keys[name] not in self.names]
        rows = "arrays" if self._positional else "objects"
        return {"format": "jsonl", "rows_are": rows, "missing_features": missing}

    def arrays(self, rows: Sequence[bytes]) -> dict[str, Array]:
        """The model's inputs; see `rows.Table`."""
        if self._decoder is None or self._type is None:
            return self._slowly(rows)
        try:
            # No record goes over the end of such a line: `}` is never followed by `{`, and no text holds a line feed.
            at_once = isinstance(rows, Lines) and rows.brackets == self._brackets
            text = joined(rows)
            records = self._decoder.decode_lines(text) if at_once else list(map(self._decoder.decode, rows))
            text.decode()  # msgspec leaves out values that are not looked at
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            if self._learn(rows):
                return self.arrays(rows)
            raise InvalidRequest(str(error)) from error
        if len(records) != len(rows):  # a line holds several
            return self._slowly(rows)
        arrays, absent = self._type.arrays(records)
        # msgspec takes the last of two equal keys in silence: all keys are counted by what follows them.
        expected = len(rows) * self._width - absent
        # And an array may be too short for it, where what is left out may be missing.
        whole = absent == 0 if self._positional else _count_keys(text) == expected
        return arrays if whole else self._slowly(rows)

    def values(self, rows: Sequence[bytes], at: int) -> dict[str, Any]:
        """The values of one row; see `rows.Table`."""
        try:
            text = rows[at].decode()
            row = json.loads(text, object_pairs_hook=_once, parse_int=_integer, parse_constant=_no_constant)
        except UnicodeDecodeError as error:
            raise BadRow(f"the row is not valid UTF-8: byte {rows[at][error.start]:#04x} at {error.start:,}") from error
        except (ValueError, RecursionError) as error:
            raise BadRow(f"the row is not valid JSON: {error}") from error
        if self._positional and isinstance(row, list) and len(row) == len(self.schema.columns):
            return dict(zip(self.schema.columns, row, strict=True))
        if not isinstance(row, dict) or self._positional:
            expected = f"an array of {len(self.schema.columns):,} values" if self._positional else "an object"
            came = f"an array of {len(row):,}" if isinstance(row, list) else shorten(row)
            raise BadRow(f"the row is {came}; expected {expected}")
        try:
            if self._id is not None:
                self._read_id(rows[at])  # msgspec takes less than json, and its output would fail later
        except (msgspec.MsgspecError, RecursionError) as error:
            raise BadRow(f"the row is not valid JSON: {error}") from error
        return self._features(row)

    def suspects(self, rows: Sequence[bytes]) -> list[int]:
        """Rows that are no record of the features; see `rows.Table`."""
        return [at for at, row in enumerate(rows) if not self._is_record(row)]

    def beginning(self, predictions: Sequence[str]) -> bytes:
        """Nothing stands before the rows but what the input has there."""
        return BOM if self._bom else b""

    def encode(self, rows: Sequence[bytes], predictions: PredictionColumns) -> bytes:
        """The rows with their predictions, every line ended."""
        columns = [texts(array, null=b"null", infinity=b"1e999") for array in predictions.arrays]
        keys = [orjson.dumps(name).replace(b"%", b"%%") + b":" for name in predictions.names]
        fields = b",".join([b"%b" if self._positional else key + b"%b" for key in keys])
        opening, closing = self._brackets
        tail = fields + closing + b"\n"
        if self._join and isinstance(rows, Lines) and rows.brackets == self._brackets:
            lines = np.frombuffer(bytearray(rows.text), np.uint8)
            lines[rows.ends - 1] = ord(",")
            return filled(lines.tobytes(), tail, columns)
        return b"".join(map((b"%b" + tail).__mod__, zip(self._opened(rows, opening), *columns, strict=True)))

    def _opened(self, rows: Sequence[bytes], bracket: bytes) -> list[bytes]:
        """What each line begins with, up to where the predictions follow."""
        if self._id is not None:
            key = bracket + orjson.dumps(self._id) + b":"
            return [key + bytes(self._read_id(row)) + b"," for row in rows]
        if not self._join:
            return [bracket] * len(rows)
        bodies = [row.rstrip()[:-1].rstrip() for row in rows]
        return [body if body.endswith(bracket) else body + b"," for body in bodies]

    def _expect(self, others: list[str]) -> None:
        """Be ready to read records that have these keys beside the features'."""
        self._others = others
        self._type = RecordType.of(self.schema, self._keys, others, positional=self._positional)
        self._width = len(self.schema.columns) + len(others)
        # A key that holds what keys are told by would spoil their count.
        if self._type is None or any('":' in json.dumps(key) for key in (*self._keys.values(), *others)):
            self._decoder: msgspec.json.Decoder[Any] | None = None
        else:
            self._decoder = msgspec.json.Decoder(self._type.type)

    def _learn(self, rows: Sequence[bytes]) -> bool:
        """Expect the keys that come up late in a file too, which is only faster; whether there were any in `rows`."""
        if self._lessons == 0 or self._positional:
            return False
        self._lessons -= 1
        keys = {key: None for row in rows if isinstance(value := _value(row), dict) for key in value}
        known = {*self._keys.values(), *self.schema.columns, *self._others, *self.reserved}
        new = [key for key in keys if key not in known and key.strip().casefold() not in self._features_by_case]
        if not new or len(self._others) + len(new) > _MOST_OTHERS:
            return False
        self._expect([*self._others, *new])
        return True

    def _is_record(self, row: bytes) -> bool:
        if self._decoder is None:
            return False
        try:
            self._decoder.decode(row)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        return True

    def _slowly(self, rows: Sequence[bytes]) -> dict[str, Array]:
        try:
            records = [self.values(rows, at) for at in range(len(rows))]
        except BadRow as error:
            raise InvalidRequest(error.reason) from error
        return self.schema.arrays_from_columns(
            {name: [record.get(name, msgspec.UNSET) for record in records] for name in self.schema.columns}
        )

    def _features(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The features in an object, whatever the case of its keys."""
        found: dict[str, Any] = {}
        for key, value in row.items():
            name = key if key in self.schema.columns else self._features_by_key.get(key)
            name = name or self._features_by_case.get(key.strip().casefold())
            if key in self.reserved and key not in self.names:
                raise BadRow(
                    f"the row has a key {shorten(key)}, which is what a prediction is called in this file", key
                )
            if name is None or (name != key and name in row):
                continue
            if name in found:
                raise BadRow(f"the row has feature '{name}' twice", name)
            found[name] = value
        return found


def _count_keys(text: bytes) -> int:
    """How many keys JSON objects have, by the colons that follow a quote; -1 where one follows anything blank.

    At least as many as there are: a string may hold such a colon too.
    """
    characters = np.frombuffer(text, np.uint8)
    before = characters[np.flatnonzero(characters == _COLON) - 1]
    return -1 if (before <= _BLANK).any() else int(np.count_nonzero(before == _QUOTE))


def _value(line: bytes) -> Any:
    try:
        value = json.loads(line.decode(), parse_int=_integer)
        "".join(value if isinstance(value, dict) else ()).encode()  # a lone surrogate is part of no name
    except (ValueError, RecursionError):
        return None
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRow(f"the row has key {shorten(twice)} twice", twice.encode(errors="backslashreplace").decode())
    return found


def _integer(text: str) -> int:
    """An integer; one that is too long for Python to read is cut, and still out of any datatype's range."""
    return int(text[:_DIGITS])


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number; null stands for a missing one, 1e999 for infinity")
