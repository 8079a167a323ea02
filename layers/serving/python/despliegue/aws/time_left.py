"""The time of one call of the function, shared out among the files that it is given."""

from typing import Any, Final

BEGIN_SECONDS: Final = 60.0
"""What must be left to begin another file."""
STOP_SECONDS: Final = 10.0
"""What must be left to go on with one: enough to clear up and to say what happened."""


class HandedBack(Exception):
    """Too little time is left for this file; the next call has more."""


class OutOfTime(Exception):
    """A file had the whole time of a call, and that was not enough."""


class TimeLeft:
    """Counts the files begun in one call.

    Args:
        context: Lambda's, which knows how much is left.
    """

    def __init__(self, context: Any) -> None:
        self._remaining = context.get_remaining_time_in_millis
        self._begun = 0

    def begin(self) -> None:
        """Begin a file: always the first, a later one while it can hope to be done.

        Raises:
            HandedBack: it must wait for the next call.
        """
        if self._begun and self._seconds() < BEGIN_SECONDS:
            raise HandedBack
        self._begun += 1

    def check(self) -> None:
        """Look whether the file that was begun may go on.

        Raises:
            OutOfTime: it was the first and had all the time there is.
            HandedBack: it was not.
        """
        if self._seconds() < STOP_SECONDS:
            raise OutOfTime if self._begun == 1 else HandedBack

    def _seconds(self) -> float:
        return float(self._remaining()) / 1000
