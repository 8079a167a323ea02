"""Requests that come together are answered together."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from despliegue.asgi import Application
    from despliegue.http import Request, Response
    from despliegue_cli.http_server import GuardedProtocol

HELD_SECONDS: Final = 0.0002
"""Longest time for which a reply waits for those of other requests, but that of the last one of them."""
ROUND_SECONDS: Final = 0.002
"""Longest time of a round, but that of its last request: then all else that the loop has to do has its turn."""
ROUND_BYTES: Final = 256 * 1024
"""Most bytes of bodies that wait for one another: more would be out of the processor's caches again."""

_log = logging.getLogger(__name__)


class Round:
    """The quick requests that came in one round of the event loop: all are answered, and then all replies are sent.

    Between two system calls a processor forgets much of what it has at hand: requests that are answered one after the
    other take half the time, and a client is woken once for all. A connection has one request in it at most.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._waiting: deque[tuple[GuardedProtocol, Request, bool]] = deque()
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
        """Answer those that wait, in their order: one at least, and all if that is soon done."""
        held: list[tuple[GuardedProtocol, Response | None, bool]] = []
        began = since = time.perf_counter()
        while self._waiting:
            protocol, request, stays = self._waiting.popleft()
            self._bytes -= len(request.body)
            held.append((protocol, self._response(request), stays))
            now = time.perf_counter()
            if now - since > HELD_SECONDS:
                _send(held)
                held, since = [], now
            if now - began > ROUND_SECONDS and self._waiting:
                protocol.loop.call_soon(self.answer)
                break
        _send(held)

    def _response(self, request: Request) -> Response | None:
        """The response; None where we failed to make one, which is no fault of others."""
        try:
            return self._application.answer_now(request)
        except Exception:
            _log.exception("request %s failed", request.id)
            return None


def _send(replies: list[tuple[GuardedProtocol, Response | None, bool]]) -> None:
    for protocol, response, stays in replies:
        try:
            protocol.reply(response, stays=stays)
        except Exception:
            _log.exception("a reply was not sent")
            protocol.transport.close()
