"""Rows of CSV that hold nothing but numbers → a matrix, by one call of simdjson."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from simdjson import Parser

from despliegue.models.model import Array
from despliegue.scoring.records import Lines

# Numbers between the rows and in the place of empty fields, while simdjson reads all as one array. They are found again
# by value, and rows that hold one of them themselves are read another way. Short ones, which are quickly read.
_BETWEEN: Final = b"-81234567890"
_EMPTY: Final = b"-87654321098"
_BETWEEN_VALUE: Final = float(_BETWEEN)
_EMPTY_VALUE: Final = float(_EMPTY)


class NumberReader:
    """Reads rows of numbers.

    Args:
        delimiter: between fields.
        decimal: between the digits of a number, a point or a comma.
        width: fields in a row.
    """

    def __init__(self, delimiter: str, decimal: str, width: int) -> None:
        self._separator = delimiter.encode()
        self._decimal = decimal
        self._width = width
        self._parser = Parser()
        self._has_gaps = False

    def matrix(self, rows: Sequence[bytes]) -> Array | None:
        """All fields as float64 [N, width], NaN where empty; None where that is not all there is to the rows."""
        joined = self._joined(rows)
        if joined is None:
            return None
        text = self._separator + joined + self._separator
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
        if np.count_nonzero(marks) != len(rows) - 1 or not marks[:-1, -1].all():
            return None
        matrix = grid[:, :-1]
        if filled:
            gaps = matrix == _EMPTY_VALUE
            if np.count_nonzero(gaps) != filled:
                return None
            matrix = np.where(gaps, np.nan, matrix)
        return matrix

    def _joined(self, rows: Sequence[bytes]) -> bytes | None:
        """The rows as one, with a mark between any two; None where they are no numbers at first sight."""
        between = self._separator + _BETWEEN + self._separator
        if self._decimal == ".":
            return rows.text[:-1].replace(b"\n", between) if isinstance(rows, Lines) else between.join(rows)
        text = b"\n".join(rows)
        if b"." in text or text.count(b"\n") != len(rows) - 1:
            return None
        return text.replace(b",", b".").replace(b"\n", between)

    def _parse(self, text: bytes) -> Array | None:
        """Numbers between separators, float64 [N]; None where there is anything else."""
        if self._separator != b",":
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
