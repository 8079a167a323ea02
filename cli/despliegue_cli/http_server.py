"""uvicorn as the server on this machine: who is slow or long in his headers is dropped, and signals stop it once."""

import asyncio
import gc
import socket
from functools import partial
from types import FrameType
from typing import Any, Final

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from despliegue.asgi import Application, read_head
from despliegue.http import Response
from despliegue.http.memory import keep_freed_memory
from despliegue_cli.rounds import Round

HEAD_SECONDS: Final = 10.0
"""Longest time for a request's line and headers to arrive; the application sees to the body's."""
HEAD_BYTES: Final = 64 * 1024
"""Most bytes of a request's line and headers."""
_FRAMING: Final = 16
"""Most bytes on the wire for a byte of a body: a chunk of one byte has six."""
IDLE_SECONDS: Final = 75
"""Longest time that a connection is kept for a next request."""
HOLD_BYTES: Final = 1024 * 1024
HOLD_SECONDS: Final = 1.0
"""Largest body, and longest time for one to arrive, of a request that is not handed to uvicorn before it is whole."""
STOP_SECONDS: Final = 30
"""Longest time for a running request to end at a stop."""


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the limits of a request's head that it has not, and errors of the contract's form.

    A POST that is soon whole and quick to answer is answered in a `Round`; uvicorn's own way, with a task and ASGI's
    messages, takes all others, and takes longer than predicting.
    """

    def __init__(self, application: Application, round_: Round, **given: Any) -> None:
        super().__init__(**given)
        self._application = application
        self._round = round_
        self._pieces: list[bytes] | None = None
        """The body so far of a request that uvicorn has not been told of."""
        self._held: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head."""
        super().connection_made(transport)
        self._head_bytes = self._sent_bytes = self._body_bytes = self._piece_bytes = 0
        self._is_in_head = self._is_whole = True
        self._is_waiting = False
        self._idle: asyncio.TimerHandle | None = None
        self._late: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._on_time()
        self._release()
        if self._idle is not None:
            self._idle.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless the head takes too long or gets too long by it."""
        self._is_whole = True
        self._piece_bytes = len(data)
        self._active_at = self.loop.time()
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._pieces is not None and self._held is None:
            self._held = self.loop.call_later(HOLD_SECONDS, self._hand_over)
        if self._is_in_head:
            # Where a request ends in this piece, nobody knows how much of it is the next one's.
            self._head_bytes += len(data) if self._is_whole else 0
            if self._head_bytes > HEAD_BYTES:
                self._refuse_head()
                return
        elif self._pieces is not None or self._is_answering():
            self._sent_bytes += len(data)
            if self._sent_bytes > HEAD_BYTES + _FRAMING * self._body_bytes:
                self._refuse(b"400 Bad Request", "the body is hardly any body: its chunks or trailers are too long")
            return
        # A head, the rest of a body that is answered already, or empty lines: none may take for ever.
        if self._late is None and (self._is_whole or self._is_in_head):
            self._late = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def on_message_begin(self) -> None:
        """A head begins. What uvicorn makes of it is made only if it is handed over."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._head_bytes = self._sent_bytes = self._body_bytes = 0
        self._is_in_head = True

    def on_headers_complete(self) -> None:
        """The head is there; its request is answered if it is short enough."""
        self._catch_up()
        self._is_in_head = False
        self._on_time()
        # The pieces that it came in have the end of the request before and the begin of the body in them, too.
        if self._head_bytes + self._piece_bytes > HEAD_BYTES and self._head_size() > HEAD_BYTES:
            self._refuse_head()
            raise ValueError  # which ends the parsing
        if self.parser.get_method() == b"POST" and not (self._is_answering() or self.expect_100_continue):
            self._pieces = []
        else:
            self._begin()

    def on_body(self, body: bytes) -> None:
        """A piece of the body, without what frames it."""
        self._body_bytes += len(body)
        if self._pieces is None:
            super().on_body(body)
            return
        self._pieces.append(body)
        if self._body_bytes > HOLD_BYTES:
            self._hand_over()

    def on_message_complete(self) -> None:
        """A request ends, its body too."""
        self._is_whole = False
        if self._pieces is not None:
            if self._answer_now():
                return
            self._hand_over()
        super().on_message_complete()

    def eof_received(self) -> None:
        """Answer before the connection is closed: who has sent all may still read."""
        self._catch_up()

    def shutdown(self) -> None:
        """Stop after the request that is under way, if one is."""
        self._catch_up()
        if self._pieces is not None:
            self._hand_over()
        super().shutdown()

    def _answer_now(self) -> bool:
        """Answer the request that is at hand, unless that may take long, or its client leaves replies unread."""
        path = self.url.decode("latin-1")
        is_plain = path.startswith("/") and "%" not in path and "?" not in path
        if not is_plain or self.flow.write_paused or self.transport.is_closing():
            return False
        request = read_head("POST", path, self.headers)
        request.body = b"".join(self._pieces or ())
        if not self._application.is_quick(request):
            return False
        self._is_waiting = True
        self._round.add(self, request, self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0")
        self._release()  # after it: freed before, the memory of a large body goes back to the system each time
        return True

    def _catch_up(self) -> None:
        """Answer the request of this connection that waits in a round: whatever follows it is answered after it."""
        while self._is_waiting:
            self._round.answer()

    def reply(self, response: Response | None, *, stays: bool) -> None:
        """Send a response that is not uvicorn's; `stays` tells whether the connection does. Without one it does not."""
        self._is_waiting = False
        if response is None:
            self.transport.close()
        if response is None or self.transport.is_closing():
            return
        if not stays:
            response.headers["connection"] = "close"
        lines = "".join([f"{name}: {value}\r\n" for name, value in response.headers.items()])
        self.transport.writelines([STATUS_LINE[response.status] + lines.encode("latin-1") + b"\r\n", response.body])
        if not stays:
            self.transport.close()
        elif self._idle is None:
            self._idle = self.loop.call_later(IDLE_SECONDS, self._close_if_idle)

    def on_response_complete(self) -> None:
        """A reply of uvicorn's is sent."""
        self._active_at = self.loop.time()
        super().on_response_complete()

    def _close_if_idle(self) -> None:
        """Close the connection if nothing went over it for long; else look again when that may be.

        One timer for all: one for each reply would take longer than sending it.
        """
        left = self._active_at + IDLE_SECONDS - self.loop.time()
        if left <= 0 and not self._is_answering() and self._pieces is None:
            self.transport.close()
        else:
            self._idle = self.loop.call_later(max(left, HEAD_SECONDS), self._close_if_idle)

    def _hand_over(self) -> None:
        """Let uvicorn take what came of a request."""
        pieces = self._release()
        self._begin()
        for piece in pieces:
            super().on_body(piece)

    def _begin(self) -> None:
        """Let uvicorn take a request whose head is there."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _release(self) -> list[bytes]:
        """Hold nothing any more; what was held."""
        pieces, self._pieces = self._pieces or [], None
        if self._held is not None:
            self._held.cancel()
            self._held = None
        return pieces

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP."""
        self._refuse(b"400 Bad Request", "the request is not valid HTTP/1.1")

    def _unsupported_upgrade_warning(self) -> None:
        """Nobody needs to know: who asks for HTTP/2 is answered in HTTP/1.1."""

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _on_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse_head(self) -> None:
        message = f"the request's line and headers are over the {HEAD_BYTES:,} bytes that this server takes"
        self._refuse(b"431 Request Header Fields Too Large", message)

    def _refuse(self, status: bytes, message: str) -> None:
        self._catch_up()
        if self._is_answering() and not self.cycle.more_body:
            self.cycle.keep_alive = False  # it is about the request that follows: this one's reply is the last
        elif not self.transport.is_closing():
            body = orjson.dumps({"error": message})
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close" % len(body)
            self.transport.write(b"HTTP/1.1 %b\r\n%b\r\n\r\n%b" % (status, head, body))
            self.transport.close()


class Server(uvicorn.Server):
    """uvicorn, stopped by any number of signals: a terminal sends Ctrl-C to all of `make serve`, and make passes it on.

    uvicorn itself drops the running requests at a second Ctrl-C, and ends as if killed.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, once what runs is done."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what runs come to its end, and say so."""
        if running := len(self.server_state.tasks):
            requests = "a request is" if running == 1 else f"{running} requests are"
            print(f"Stopping when {requests} answered, within {STOP_SECONDS} seconds", flush=True)
        await super().shutdown(sockets)


def serve(application: Application, listener: socket.socket) -> bool:
    """Answer on `listener` until a signal comes.

    Returns:
        Whether all that ran then came to its end; if not, its threads hold up the end of this process.
    """
    settings: dict[str, Any] = {
        "http": partial(GuardedProtocol, application, Round(application)),
        "ws": "none",
        "loop": "uvloop",
        "lifespan": "on",
        "log_level": "error",  # that somebody speaks no HTTP is for him to know
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": IDLE_SECONDS,
        "timeout_graceful_shutdown": STOP_SECONDS,
    }
    server = Server(uvicorn.Config(application, **settings))
    keep_freed_memory()
    # What is imported by now stays: looking at it again and again would take longer than a request.
    gc.collect()
    gc.freeze()
    server.run([listener])
    return application.is_idle
