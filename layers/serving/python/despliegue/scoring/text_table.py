"""What the text formats share: rows are lines of bytes, read in blocks and written as they are encoded."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, cast

from despliegue.features import Schema
from despliegue.models.model import Array
from despliegue.scoring.compression import Source
from despliegue.scoring.predictions import PredictionColumns
from despliegue.scoring.records import Oversized, Splitter

type Rows = Sequence[bytes]


class Block(NamedTuple):
    """A part of a text: whole records, or one line that is too long to be any.

    Attributes:
        data: its bytes.
        start: where it begins in the text, in bytes.
    """

    data: bytes | Oversized
    start: int


class TextTable(ABC):
    """Rows of text; a `rows.Table`.

    Attributes:
        schema: the model's columns.
        splitter: finds the records.
        names: the input's columns.
        rows_from: where the rows begin in the text, in bytes, after byte order mark and header.
        reserved: what the predictions are called, as soon as that is known.
    """

    extension: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]
    content_type: ClassVar[str]

    schema: Schema
    splitter: Splitter
    names: Sequence[str]
    rows_from: int = 0
    reserved: frozenset[str] = frozenset()

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What was found, for the report."""

    @abstractmethod
    def arrays(self, rows: Rows) -> dict[str, Array]:
        """See `rows.Table`."""

    @abstractmethod
    def values(self, rows: Rows, at: int) -> dict[str, Any]:
        """See `rows.Table`."""

    @abstractmethod
    def suspects(self, rows: Rows) -> list[int]:
        """See `rows.Table`."""

    @abstractmethod
    def beginning(self, predictions: Sequence[str]) -> bytes:
        """What stands before the rows."""

    @abstractmethod
    def encode(self, rows: Rows, predictions: PredictionColumns) -> bytes:
        """The rows with their predictions, every line ended; without predictions as they are."""

    def pick(self, rows: Rows, wanted: list[int]) -> Rows:
        """Only these rows."""
        return [rows[at] for at in wanted]

    def raw(self, rows: Rows, at: int) -> str:
        """One row as it came."""
        return rows[at].decode(errors="backslashreplace")

    def blocks(self, source: Source, size: int) -> Iterator[Block]:
        """The file in parts of whole records, about `size` bytes each."""
        at = 0
        for data in self.splitter.blocks(source, size):
            yield Block(data, at)
            at += data.size if isinstance(data, Oversized) else len(data)

    def rows(self, block: Block) -> Rows:
        """The rows of a part, without the header."""
        return self.splitter.rows(cast("bytes", block.data)[max(0, self.rows_from - block.start) :])


def filled(lines: bytes, tail: bytes, columns: Sequence[Sequence[bytes]]) -> bytes:
    """Lines with a field of each column in them; by one format string, in half the time of joining each line.

    Args:
        lines: N of them.
        tail: comes in the place of each line feed, with a `%b` for each column, any other % doubled.
        columns: N fields each.
    """
    values = [b""] * (len(columns) * len(columns[0]))
    for at, column in enumerate(columns):
        values[at :: len(columns)] = column
    return lines.replace(b"%", b"%%").replace(b"\n", tail) % tuple(values)
