"""The ASGI adapter: the core that Lambda has, on any ASGI server. Source: asgi.readthedocs.io, HTTP and lifespan."""

import asyncio
import itertools
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, Protocol

from despliegue.errors import InvalidRequest, PayloadTooLarge
from despliegue.http import Outcome, Request, Response
from despliegue.http.messages import error_response
from despliegue.http.reply_headers import complete
from despliegue.http.service import error_reply

type Message = MutableMapping[str, Any]
type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]

_INSTANT: Final = ("/v2/health/live", "/v2/health/ready")
"""Answered on the event loop itself, so that they answer whatever the models are busy with."""

_QUICK: Final = 2_000_000
"""Nanoseconds that an inference may hold up the event loop, and with it health; longer ones go to a thread."""
_PLAIN: Final = ("application/json", "application/octet-stream")
"""Content types of bodies that are read in this process, and in a time that their size tells."""
_NEVER: Final = -1
_ids: Final = itertools.count(1 << 63 | int.from_bytes(os.urandom(6)) << 15)
"""Ids of requests, of 16 digits in hex: no two processes begin near each other."""
_PATHS: Final = 1_000
"""Most paths whose inferences are known to be quick."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may take of the server.

    Attributes:
        body_bytes: largest body.
        way_round: what to do with a larger one, said after that it is; empty for nothing.
        body_seconds: longest time for a body to arrive.
        threads: inferences at once; further ones wait.
    """

    body_bytes: int = 100 * 1024 * 1024
    way_round: str = ""
    body_seconds: float = 30.0
    threads: int = 4


class Service(Protocol):
    """The HTTP core, or what stands before it."""

    def handle(self, request: Request) -> Response:
        """The response to `request`; never raises."""


class Application:
    """An ASGI application over the HTTP core.

    Args:
        service: the core.
        limits: what a client may take.
        lifespan: entered when the server starts and left when it has drained.
        origins: of the pages that may read the replies; see `despliegue.http.cors`.
    """

    def __init__(
        self,
        service: Service,
        limits: Limits | None = None,
        lifespan: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
        origins: tuple[str, ...] = (),
    ) -> None:
        self._service = service
        self._limits = limits or Limits()
        self._lifespan = lifespan
        self._origins = origins
        self._busy: set[Future[tuple[Response, int]]] = set()
        self._quick: dict[str, int] = {}
        """By path, the bytes of the largest body whose inference was quick."""
        self._pool = ThreadPoolExecutor(self._limits.threads, thread_name_prefix="inference")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope: HTTP or lifespan."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            raise ValueError(f"scope type {scope['type']} is not served")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = read_head(scope["method"], _below(scope.get("root_path", ""), scope["path"]), scope["headers"])
        try:
            response = await self._respond(request, receive)
        except (ConnectionAbortedError, asyncio.CancelledError):
            return  # nobody is there to be answered, or the server stops and waited long enough
        self._finish(request, response)
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [(name.encode(), value.encode()) for name, value in response.headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else response.body})

    def answer_now(self, request: Request) -> Response:
        """The response to a request whose body is there, and which is quick (`is_quick`).

        For a server that has whole requests at hand: it saves what ASGI's messages and a task cost.
        """
        response = self._answer_inline(request)
        self._finish(request, response)
        return response

    def _finish(self, request: Request, response: Response) -> None:
        """Log a failure of ours, and complete the headers."""
        if response.outcome.failure is not None:
            _log.error("request %s failed", request.id, exc_info=response.outcome.failure)
        elif response.status >= 500:
            _log.error("request %s failed: %s", request.id, response.body.decode())
        complete(request, response, self._origins)
        if response.status != 304:  # which would have to say how long the document is that it does not send
            response.headers["content-length"] = str(len(response.body))

    async def _respond(self, request: Request, receive: Receive) -> Response:
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                request.body = await self._read_body(receive)
            said = request.headers.get("content-length", "")
            if said.isdecimal() and int(said) != len(request.body):
                raise InvalidRequest(f"the body has {len(request.body):,} bytes; content-length says {int(said):,}")
        except (InvalidRequest, PayloadTooLarge) as error:
            return error_reply(error, Outcome(), request.id)
        except TimeoutError:
            message = f"the body did not arrive within {self._limits.body_seconds:g} seconds"
            return error_response(408, message, Outcome(error="BodyTimeout"), {"connection": "close"})
        if self._origins and request.method == "OPTIONS":
            from despliegue.http.cors import preflight

            return preflight()
        if self.is_quick(request):
            return self._answer_inline(request)
        future = self._pool.submit(self._handle, request)
        self._busy.add(future)
        future.add_done_callback(self._busy.discard)
        response, took = await asyncio.wrap_future(future)
        self._learn(request, response, took)
        return response

    def _answer_inline(self, request: Request) -> Response:
        response, took = self._handle(request)
        self._learn(request, response, took)
        return response

    def _handle(self, request: Request) -> tuple[Response, int]:
        """The response, and the nanoseconds of processor time that it took: waiting for others says nothing of it."""
        started = time.thread_time_ns()
        response = self._service.handle(request)
        return response, time.thread_time_ns() - started

    def is_quick(self, request: Request) -> bool:
        """Whether it may be answered on the event loop itself: handing it to a thread takes longer than predicting."""
        if not request.body:
            return request.path.rstrip("/") in _INSTANT
        headers = request.headers
        # Who knows what a packed body unpacks to; and some formats are read in a process of their own.
        if len(request.body) > self._quick.get(request.path, 0) or "content-encoding" in headers:
            return False
        return headers.get("content-type", _PLAIN[0]) in _PLAIN

    def _learn(self, request: Request, response: Response, nanoseconds: int) -> None:
        """Remember how large a body of this path is answered quickly."""
        path, size, outcome = request.path, len(request.body), response.outcome
        quick = self._quick.get(path, 0)
        if nanoseconds > _QUICK:
            if size <= quick:
                # By far too long for its size: what takes long is in the values, so no body of this path is safe.
                self._quick[path] = _NEVER if nanoseconds > 20 * _QUICK else 0
        elif response.status == 200 and outcome.durations and not outcome.isolated and size > quick >= 0:
            if path not in self._quick and len(self._quick) == _PATHS:
                self._quick.clear()
            self._quick[path] = size

    @property
    def is_idle(self) -> bool:
        """Whether no thread is at an inference."""
        return not self._busy

    def forget(self) -> None:
        """Learn anew what is quick: the models changed."""
        self._quick.clear()

    async def _read_body(self, receive: Receive) -> bytes:
        chunks = bytearray()
        async for chunk in _body_chunks(receive):
            chunks += chunk
            if len(chunks) > self._limits.body_bytes:
                raise PayloadTooLarge(
                    f"the body is over the {self._limits.body_bytes:,} bytes that this server takes;"
                    f" send fewer rows in a request{self._limits.way_round}"
                )
        return bytes(chunks)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._lifespan():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        self._pool.shutdown(wait=False, cancel_futures=True)
        await send({"type": "lifespan.shutdown.complete"})


def read_head(method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Request:
    """A request whose body is not there yet, with an id of its own."""
    named = {str(name, "latin-1"): str(value, "latin-1") for name, value in headers}
    return Request(method, path, named, id=f"{next(_ids):x}")


def _below(root: str, path: str) -> str:
    """`path` without the folder that the application is mounted at."""
    return path[len(root) :] if root and f"{path}/".startswith(f"{root.rstrip('/')}/") else path


async def _body_chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionAbortedError("the client hung up before its body was there")
        yield message.get("body", b"")
        more = message.get("more_body", False)
