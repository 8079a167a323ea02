"""Ctrl-C that waits until native code is through which cannot be interrupted.

ONNX Runtime reads strings by PyObject_Str, which fails where Python has a signal to handle, and does not look whether
it failed: the process crashes. Measured with ONNX Runtime 1.32 and CPython 3.13: one Ctrl-C of six while texts are
scored. arro3 panics where what it writes to raises something, and says so on standard error.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def held_back() -> Iterator[list[Any]]:
    """Handle a SIGINT that comes within the block after it; what it yields is not empty from then on.

    Only the main thread handles signals: in others nothing comes.
    """
    came: list[Any] = []
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield came
        return
    signal.signal(signal.SIGINT, lambda *given: came.append(given))
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(*came[0])


def uninterrupted[**P, R](call: Callable[P, R]) -> Callable[P, R]:
    """`call`, with a SIGINT that comes meanwhile handled after it."""

    def called(*arguments: P.args, **options: P.kwargs) -> R:
        with held_back():
            return call(*arguments, **options)

    return called
