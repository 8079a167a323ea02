"""Requests that come together are answered together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from despliegue.asgi import Application
    from despliegue.http import Request, Response
    from despliegue_cli.http_server import GuardedProtocol

HELD_SECONDS: Final = 0.0002
"""Longest time for which a reply waits for those of other requests, but that of the last one of them."""
ROUND_BYTES: Final = 256 * 1024
"""Most bytes of bodies that wait for one another: more would be out of the processor's caches again."""


class Round:
    """The quick requests that came in one round of the event loop: all are answered, and then all replies are sent.

    Between two system calls a processor forgets much of what it has at hand: requests that are answered one after the
    other take half the time, and a client is woken once for all. A round is cut short where it takes too long.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._waiting: list[tuple[GuardedProtocol, Request, bool]] = []
        self._bytes = 0

    def add(self, protocol: GuardedProtocol, request: Request, stays: bool) -> None:
        """Answer `request` in this round, or now where nobody else is there."""
        self._waiting.append((protocol, request, stays))
        self._bytes += len(request.body)
        if len(protocol.connections) == 1 or self._bytes > ROUND_BYTES:
            self.answer()
        elif len(self._waiting) == 1:
            # Once around the loop: what has come meanwhile is in this round too.
            protocol.loop.call_soon(protocol.loop.call_soon, self.answer)

    def answer(self) -> None:
        """Answer all that wait, in their order."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        held: list[tuple[GuardedProtocol, Response, bool]] = []
        since = time.perf_counter()
        responses = self._application.answer_now(request for _, request, _ in waiting)
        for (protocol, _, stays), response in zip(waiting, responses, strict=True):
            held.append((protocol, response, stays))
            if (now := time.perf_counter()) - since > HELD_SECONDS:
                _send(held)
                held, since = [], now
        _send(held)


def _send(replies: list[tuple[GuardedProtocol, Response, bool]]) -> None:
    for protocol, response, stays in replies:
        protocol.reply(response, stays=stays)
