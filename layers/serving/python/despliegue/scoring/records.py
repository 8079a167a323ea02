r"""A stream of text → blocks of whole records, and a block → its records. A quoted field may hold line breaks.

A quote opens a field only at its beginning, as RFC 4180 has it. One that is never closed spoils its own line and not
the rest of the file: reading goes on after that line.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final, overload

import msgspec
import numpy as np

from despliegue.models.model import Array
from despliegue.scoring.compression import Source
from despliegue.scoring.counts import MAX_RECORD

BLOCK: Final = 256 * 1024
"""Bytes scored at a time: as fast as any larger block, by measurement, and it stays in the processor's cache."""
_RAW_KEPT: Final = 1024
_NEWLINE, _BLANK = b"\n "


class Oversized(msgspec.Struct, frozen=True):
    """A line of more than `MAX_RECORD` bytes: its beginning, and its size."""

    beginning: bytes
    size: int


class Lines(Sequence[bytes]):
    """Records that are lines of a text: it is split up only where someone asks for one of them.

    Args:
        text: the records, each with the line feed that ends it.
        breaks: whether a byte of it is a line feed.
    """

    def __init__(self, text: bytes, breaks: Array) -> None:
        self.text = text
        self._breaks = breaks
        self._number = int(np.count_nonzero(breaks))

    def __len__(self) -> int:
        return self._number

    @cached_property
    def ends(self) -> Array:
        """Where the line feeds are, in order."""
        return np.flatnonzero(self._breaks)

    @cached_property
    def brackets(self) -> tuple[bytes, bytes] | None:
        """What every record begins and ends with, with more than a blank before the end; None where they differ."""
        characters = np.frombuffer(self.text, np.uint8)
        first, ends = characters[0], characters[self.ends - 1]
        last = characters[self.ends - 2]
        are_alike = (
            (characters[self.ends[:-1] + 1] == first).all()
            and (ends == ends[0]).all()
            and ((last != first) & (last > _BLANK)).all()
        )
        return (first.tobytes(), ends[0].tobytes()) if are_alike else None

    @overload
    def __getitem__(self, at: int) -> bytes: ...

    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...

    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        return self._records[at]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._records)

    @cached_property
    def _records(self) -> list[bytes]:
        return self.text[:-1].split(b"\n")


class Splitter:
    """Finds records.

    Args:
        quote: the quote character; empty where line breaks always end a record, as in JSON Lines.
        delimiter: between fields.
        blank: whether a blank line is a record.
    """

    def __init__(self, quote: bytes = b"", delimiter: bytes = b",", *, blank: bool = False) -> None:
        self._quote = quote
        self._delimiter = delimiter
        self._blank = blank
        if quote:
            q, d = re.escape(quote), re.escape(delimiter)
            quoted = rb"%b(?:[^%b]++|%b%b)*+%b" % (q, q, q, q, q)
            field = rb"(?:%b(?=[%b\r\n]|\Z)|(?!%b)[^%b\n]*+)" % (quoted, d, q, d)
            strict = rb"(?:%b|(?!%b)[^%b\r\n]*+)" % (quoted, q, d)
            self._record = re.compile(rb"%b(?:%b%b)*+\r?(?:\n|\Z)" % (field, d, field))
            self._strict = re.compile(rb"%b(?:%b%b)*+" % (strict, d, strict))
            self._open = re.compile(rb"(?:%b%b)*+%b(?:[^%b]++|%b%b)*+%b?\Z" % (field, d, q, q, q, q, q))
            self._around = np.zeros((2, 256), bool)
            self._around[0, [*delimiter, *quote, _NEWLINE]] = True
            self._around[1, [*delimiter, *quote, _NEWLINE, 13]] = True

    def blocks(self, source: Source, size: int = BLOCK) -> Iterator[bytes | Oversized]:
        """Blocks of whole records, about `size` bytes each; together with what is oversized they are the source."""
        rest = b""
        while chunk := read_fully(source, size):
            data = rest + chunk
            end = self._end_of_records(data)
            if end:
                yield data[:end]
                rest = data[end:]
            elif len(data) > MAX_RECORD:
                # An unclosed quote or an endless line: it is dealt with alone, and reading goes on after it.
                first, rest = _first_line(data, source)
                yield first
            else:
                rest = data
        if rest:
            yield rest

    def rows(self, block: bytes) -> Sequence[bytes]:
        """As `records`, and not split up where that can wait."""
        if b"\r" in block or not block.endswith(b"\n") or (self._quote and self._quote in block):
            return self.records(block)
        # By numpy: Python's own count and search take ten times as long where there is so much to be found.
        breaks = np.frombuffer(block, np.uint8) == _NEWLINE
        if breaks[0] or (breaks[1:] & breaks[:-1]).any():
            return self.records(block)
        return Lines(block, breaks)

    def records(self, block: bytes) -> list[bytes]:
        """The records of a block, without line ends."""
        if not self._quote or self._quote not in block:
            records = block.split(b"\n")
        elif block.count(self._quote) % 2 == 0 and (ends := self._regular_ends(block)) is not None:
            starts = [0, *(end + 1 for end in ends)]
            records = [block[start:end] for start, end in zip(starts, [*ends, len(block)], strict=True)]
        else:
            records = list(self._irregular(block, final=True))
        if b"\r" in block:
            # All of them: a file that went through Windows twice ends its lines in two.
            records = [record.rstrip(b"\r") for record in records]
        if self._blank:
            return records if records[-1] else records[:-1]  # what follows the last line end is no line
        return list(filter(None, records))

    def holds(self, text: bytes, records: Sequence[bytes]) -> bool:
        """Whether any reader of CSV would find just these records in `text`, where each of them is a line."""
        if self._quote not in text and b"\r" not in text:
            return True
        ends = self._regular_ends(text)
        if ends is not None and len(ends) == len(records) and not (b"\r" in text and self._regular_ends(text, b"\r")):
            return True
        return all(map(self._strict.fullmatch, records))

    def _end_of_records(self, data: bytes) -> int:
        """Where the last whole record of `data` ends."""
        if not self._quote or self._quote not in data:
            return data.rfind(b"\n") + 1
        if (ends := self._regular_ends(data)) is not None:
            return ends[-1] + 1 if ends else 0
        return sum(len(record) + 1 for record in self._irregular(data, final=False))

    def _regular_ends(self, data: bytes, end: bytes = b"\n") -> list[int] | None:
        """The line breaks outside of quotes, by counting quotes; None where a quote stands where none belongs.

        Every other quote then opens a field: it follows a delimiter, a line break or, doubled, another quote.
        """
        characters = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(characters == self._quote[0])
        opening, closing = quotes[::2], quotes[1::2]
        before = characters[opening[opening > 0] - 1]
        after = characters[closing[closing < len(data) - 1] + 1]
        if not (self._around[0, before].all() and self._around[1, after].all()):
            return None
        breaks = np.flatnonzero(characters == end[0])
        outside = np.searchsorted(quotes, breaks) % 2 == 0
        found: list[int] = breaks[outside].tolist()
        return found

    def _irregular(self, data: bytes, *, final: bool) -> Iterator[bytes]:
        """Record by record, for data whose quotes are not as they should be: what is no record is a line.

        Args:
            data: a block, or where not `final`, the beginning of one; then an unfinished record at its end is left.
            final: nothing follows.
        """
        at = 0
        while at < len(data):
            match = self._record.match(data, at)
            if not match and not final and len(data) - at <= MAX_RECORD and self._open.match(data, at):
                return  # what follows may close the quote
            end = match.end() if match else data.find(b"\n", at) + 1 or len(data)
            if not final and not data.endswith(b"\n", at, end):
                return
            yield data[at:end].removesuffix(b"\n")
            at = end


def _first_line(data: bytes, source: Source) -> tuple[bytes | Oversized, bytes]:
    """The first line of `data` and `source`, and what was read beyond it."""
    end = data.find(b"\n") + 1
    if 0 < end <= MAX_RECORD:
        return data[:end], data[end:]
    size, rest = (end, data[end:]) if end else (len(data), b"")
    while not end and (chunk := read_fully(source, BLOCK)):
        end = chunk.find(b"\n") + 1
        size += end or len(chunk)
        rest = chunk[end:] if end else b""
    return Oversized(data[:_RAW_KEPT], size), rest


def joined(rows: Sequence[bytes]) -> bytes:
    """Records as one text, each with a line feed after it."""
    return rows.text if isinstance(rows, Lines) else b"\n".join([*rows, b""])


def read_fully(source: Source, size: int) -> bytes:
    """`size` bytes of a source that may give fewer at a time, so that blocks do not depend on how it gives them."""
    data = source.read(size)
    if not data or len(data) == size:
        return data
    parts, missing = [data], size - len(data)
    while missing and (data := source.read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)
