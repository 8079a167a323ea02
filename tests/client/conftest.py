"""A real HTTP server that answers as it is told, and clients of it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from despliegue_client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """What is sent: a status of 0 hangs up instead."""

    status: int
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Stub:
    """Answers in turn; the last answer is for all that follow."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def say(self, status: int, document: Any = None, **headers: str) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        named = tuple((name.replace("_", "-"), text) for name, text in headers.items())
        self.answers.append(Answer(status, body, named))


@pytest.fixture
def stub() -> Iterator[Stub]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            headers = {name.lower(): text for name, text in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            made.asked.append(Asked(self.command, self.path, headers, body))
            answer = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
            if not answer.status:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, text in answer.headers:
                self.send_header(name, text)
            if not any(name == "content-length" for name, _ in answer.headers):
                self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 – the names that http.server calls

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Stub(f"http://127.0.0.1:{server.server_port}/live")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client(stub: Stub) -> Callable[..., Client]:
    """A client of the stub, whose pauses are short."""

    def make(**options: Any) -> Client:
        return Client(stub.url, **({"pause": 0.001} | options))

    return make
