"""Signals that wait until native code is through which cannot be interrupted.

ONNX Runtime reads strings by PyObject_Str, which fails where Python has a signal to handle, and does not look whether
it failed: the process crashes. Measured with ONNX Runtime 1.32 and CPython 3.13: one Ctrl-C of six while texts are
scored. arro3 panics where what it writes to raises something, and says so on standard error.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_ENDING: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What people and systems end a process with: handlers in Python raise exceptions for these."""


@contextmanager
def held_back(*, once: bool = False) -> Iterator[Callable[[], None]]:
    """Handle after the block what signals come within it, or where it calls what this yields.

    Only the main thread handles signals: in others nothing comes.

    Args:
        once: handle a second signal as it comes, as where the block may wait for somebody.
    """
    came: list[tuple[int, FrameType | None]] = []
    is_main = threading.current_thread() is threading.main_thread()
    handlers = {number: handler for number in _ENDING if is_main and callable(handler := signal.getsignal(number))}

    def hold(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))
        if once and len(came) > 1:
            handle()

    def handle() -> None:
        while came:
            number, frame = came.pop()
            handlers[signal.Signals(number)](number, frame)

    for number in handlers:
        signal.signal(number, hold)
    try:
        yield handle
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        handle()


def uninterrupted[**P, R](call: Callable[P, R]) -> Callable[P, R]:
    """`call`, with signals that come meanwhile handled after it."""

    def called(*arguments: P.args, **options: P.kwargs) -> R:
        with held_back():
            return call(*arguments, **options)

    return called
