"""Signals that come together."""

import threading

from despliegue_cli.stopping import StoppedOnce


def test_a_signal_within_the_handler_of_another_does_not_stop_twice() -> None:
    server = StoppedOnce.__new__(StoppedOnce)
    stops = []

    class Interrupted(threading.Event):
        def set(self) -> None:
            stops.append(True)
            server.signal_handler_interrupt()  # the second signal, while the first has the event's lock
            super().set()

    server.interrupt_signal, server.main_loop_interrupt = False, Interrupted()
    server.signal_handler_interrupt()

    assert stops == [True]
    assert server.main_loop_interrupt.is_set()
