"""Granian's server, stopped by any number of signals."""

from typing import Any

from granian.server import Server


class StoppedOnce(Server):  # type: ignore[misc, valid-type]
    """Granian's own handler sets an event, which within itself would wait for itself for ever.

    Two signals at a time are usual: a terminal sends Ctrl-C to all of `make serve`, and `make` passes it on.
    """

    def signal_handler_interrupt(self, *arguments: Any, **named: Any) -> None:
        """Stop, unless it is stopping."""
        if not self.interrupt_signal:
            super().signal_handler_interrupt(*arguments, **named)
