"""A server on this machine alone: the console's page, and its calls passed on to a deployed API with credentials.

Whoever reaches it has those credentials, so it answers only what this machine's own browser asks for its own page. A
page of another site cannot: its requests name it in Origin or Sec-Fetch-Site, and one whose name was pointed at
127.0.0.1 (DNS rebinding) has that name in Host. Only paths that the API has are passed on.
"""

import html
import http.client
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import orjson

from despliegue.errors import DespliegueError, MethodNotAllowed, PathNotFound, shorten
from despliegue.http.console import page
from despliegue.http.routes import find_route

TIMEOUT_SECONDS: Final = 35
"""Longer than API Gateway waits, so that it is its answer that arrives."""
MAX_BODY: Final = 10 * 1024 * 1024
"""API Gateway's own limit."""
_SENT: Final = (
    "accept",
    "accept-encoding",
    "content-encoding",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "inference-header-content-length",
)
_RETURNED: Final = ("cache-control", "content-encoding", "content-type", "etag", "location", "retry-after", "vary")

type Prove = Callable[[str, str, dict[str, str], bytes], dict[str, str]]
"""Method, address, headers and body → the headers that prove who calls."""


class Deployment(NamedTuple):
    """A deployed API.

    Attributes:
        url: its root, without a slash at the end.
        prove: adds the credentials.
    """

    url: str
    prove: Prove


def serve_console(deployment: Deployment, port: int) -> ThreadingHTTPServer:
    """The server, listening on 127.0.0.1.

    Raises:
        DespliegueError: the port is taken.
    """
    try:
        return _Server(deployment, port)
    except OSError as error:
        raise DespliegueError(
            f"cannot listen on 127.0.0.1:{port}: {error.strerror}; --port takes another one"
        ) from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, deployment: Deployment, port: int) -> None:
        self.deployment = deployment
        found = page()
        address = f'<meta name="despliegue-api" content="{html.escape(deployment.url, quote=True)}/">\n</head>'
        self.page = found._replace(body=found.body.replace(b"</head>", address.encode(), 1))
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_SECONDS
    server: _Server

    def do_GET(self) -> None:
        """GET, and what else a browser sends."""
        body = self._read_body()
        if body is None:
            return
        if problem := self._stranger():
            self._fail(403, problem)
        elif self.path in ("/", "/docs", "/docs/"):
            self._answer(200, dict(self.server.page.headers) | {"cache-control": "no-store"}, self.server.page.body)
        else:
            self._pass_on(body)

    do_HEAD = do_POST = do_GET  # noqa: N815 – the standard library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 – the standard library's name
        """Says nothing: the service logs its own requests."""

    def _stranger(self) -> str:
        """Why this is no request of the page's own; empty if it is one."""
        port = self.server.server_address[1]
        hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        host, origin = self.headers.get("host", ""), self.headers.get("origin")
        if host not in hosts:
            return f"the host is {shorten(host)}; expected {hosts[0]}"
        if origin is not None and origin != f"http://{host}":
            return f"the origin is {shorten(origin)}; expected http://{host}"
        # `none` is an address typed in or a bookmark. It is not said by what is no browser.
        site = self.headers.get("sec-fetch-site", "none")
        return "" if site in ("none", "same-origin") else f"another site sent this ({shorten(site)}); open /docs itself"

    def _read_body(self) -> bytes | None:
        """The body; None where it was refused, and the connection with it."""
        length = self.headers.get("content-length", "0")
        closing, self.close_connection = self.close_connection, True
        if "transfer-encoding" in self.headers or not (length.isascii() and length.isdecimal()):
            self._fail(411, "the length of the body is not said; expected a number in content-length")
        elif int(length) > MAX_BODY:
            self._fail(413, f"the body has {int(length):,} bytes; API Gateway takes {MAX_BODY:,}")
        elif len(body := self.rfile.read(int(length))) == int(length):
            self.close_connection = closing
            return body
        return None

    def _pass_on(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        path = unquote(path)
        try:
            find_route(self.command, path)
        except PathNotFound as error:
            return self._fail(404, str(error))
        except MethodNotAllowed as error:
            return self._fail(405, str(error))
        root = self.server.deployment.url
        address = f"{root}{quote(path, safe='/:')}{'?' if query else ''}{query}"
        headers = {name: self.headers[name] for name in _SENT if name in self.headers}
        try:
            status, received, reply = _call(
                self.command, address, self.server.deployment.prove(self.command, address, headers, body), body
            )
        except (OSError, http.client.HTTPException) as error:
            return self._fail(502, f"{root} does not answer: {error or type(error).__name__}")
        return self._answer(status, {name: received[name] for name in _RETURNED if name in received}, reply)

    def _fail(self, status: int, message: str) -> None:
        self._answer(status, {"content-type": "application/json"}, orjson.dumps({"error": message}))

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("content-length", str(len(body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _call(method: str, address: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    """One request, as it is: no redirect is followed with credentials."""
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, address[len(f"{parts.scheme}://{parts.netloc}") :], body or None, headers)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()
