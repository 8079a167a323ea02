"""What happened to the rows of a file: how many there were, and why some were rejected."""

from typing import Final, Self

import msgspec
import orjson

from despliegue.errors import DespliegueError, UnscorableFile

MAX_RECORD: Final = 1024 * 1024
"""Most bytes of one row. A longer one is rejected, and only its beginning is kept."""


class Counts(msgspec.Struct):
    """Rows of one file.

    Attributes:
        read: rows that the reader found; headers and blank lines are none.
        scored: rows in the scored file.
        rejected: rows in the rejects file.
    """

    read: int = 0
    scored: int = 0
    rejected: int = 0

    def add(self, other: Self) -> None:
        """Count another part of the file too."""
        self.read += other.read
        self.scored += other.scored
        self.rejected += other.rejected

    def check(self) -> None:
        """Make sure that no row was lost.

        Raises:
            DespliegueError: the counts do not add up; the fault is ours.
        """
        if self.read != self.scored + self.rejected:
            raise DespliegueError(
                f"{self.read:,} rows were read, but {self.scored:,} scored and {self.rejected:,} rejected"
            )


class Reject(msgspec.Struct, frozen=True):
    """One row that was not scored.

    Attributes:
        row: its number among the file's rows, from 1.
        field: the column at fault; None where it is the row as a whole.
        reason: what was wrong, what was expected, what came.
        raw: the row as it came.
    """

    row: int
    field: str | None
    reason: str
    raw: str

    def line(self) -> bytes:
        """The reject as a line of JSON."""
        return orjson.dumps(msgspec.to_builtins(self), option=orjson.OPT_APPEND_NEWLINE)


class BadRow(Exception):
    """A row that cannot be scored; `reason` and `field` as in `Reject`."""

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


class TooManyRejects(UnscorableFile):
    """More rows were rejected than the threshold allows: the rejects say why, and nothing counts as scored.

    Args:
        message: as in `DespliegueError`.
        counts: the rows of the whole file.
    """

    def __init__(self, message: str, counts: Counts) -> None:
        super().__init__(message)
        self.counts = counts
