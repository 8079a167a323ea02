"""The load: requests whose bytes are ready, over a few connections that are kept, from one thread.

A loop over epoll and nothing else, on a core of its own: it costs a fraction of the cheapest server, which is in the
table as the empty ASGI application. A reply must be a 200 whose end can be told.
"""

import select
import socket
import time

_TIMEOUT_S = 60.0
_LAST_CHUNK = b"0\r\n\r\n"


class BadReply(Exception):
    """A reply is not a 200 whose end can be told; the message has its beginning."""


class Connection:
    """A connection with one request under way at a time."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = memoryview(request)
        self.reply = bytearray()
        self.started = 0.0
        self._left = self.request[:0]
        self._size = 0

    def begin(self) -> bool:
        """Begin the next request; whether all of it is sent."""
        self.reply.clear()
        self._left, self._size = self.request, 0
        self.started = time.perf_counter()
        return self.go_on()

    def go_on(self) -> bool:
        """Send what is left, as far as it goes; whether all of it is sent."""
        try:
            while self._left:
                self._left = self._left[self.socket.send(self._left) :]
        except BlockingIOError:
            return False
        return True

    def read(self) -> bool:
        """Read what came; whether the reply is whole.

        Raises:
            BadReply: it is none that is counted.
        """
        data = self.socket.recv(1 << 18)
        self.reply += data
        if not self._size:
            end = self.reply.find(b"\r\n\r\n")
            if end < 0 and data:
                return False
            self._size = self._whole(end)
        whole = self.reply.endswith(_LAST_CHUNK) if self._size < 0 else len(self.reply) >= self._size
        if not data and not whole:
            raise BadReply("the connection was closed within a reply")
        return whole

    def _whole(self, end: int) -> int:
        """Bytes of the whole reply, -1 for one in chunks."""
        head = bytes(self.reply[: end + 2]).lower()
        at = head.find(b"\r\ncontent-length:")
        if end >= 0 and head.startswith(b"http/1.1 200"):
            if at >= 0:
                return end + 4 + int(head[at + 17 : head.index(b"\r\n", at + 2)])
            if b"\r\ntransfer-encoding: chunked" in head:
                return -1
        raise BadReply(f"expected a 200 with a length or in chunks; came {bytes(self.reply[:300])!r}")

    def close(self) -> None:
        """Close it."""
        self.socket.close()


def ask(port: int, request: bytes) -> tuple[bytes, int]:
    """One reply's body, and how many bytes of it are JSON, 0 if it does not say.

    Raises:
        BadReply: as `Connection.read`.
        OSError: nobody listens.
    """
    connection = Connection(port, request)
    try:
        connection.socket.setblocking(True)
        connection.socket.settimeout(_TIMEOUT_S)
        connection.begin()
        while not connection.read():
            pass
    finally:
        connection.close()
    head, _, body = bytes(connection.reply).partition(b"\r\n\r\n")
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        body = _joined(body)
    _, _, length = head.lower().partition(b"inference-header-content-length:")
    return body, int(length.split()[0]) if length else 0


def _joined(chunks: bytes) -> bytes:
    body = b""
    while True:
        size, _, rest = chunks.partition(b"\r\n")
        if not (length := int(size, 16)):
            return body
        body, chunks = body + rest[:length], rest[length + 2 :]


def drive(port: int, request: bytes, connections: int, seconds: float, least: int) -> tuple[list[float], float]:
    """Send `request` over and over.

    Args:
        port: of the server.
        request: as it goes over the wire.
        connections: requests under way at once.
        seconds: how long, at least; what is under way then is not counted.
        least: replies to wait for, however long they take.

    Returns:
        Seconds of each request, from before its first byte is sent until its reply is whole; and how long all took.

    Raises:
        BadReply: one was not a 200.
    """
    taken: list[float] = []
    poll = select.epoll()
    opened = [Connection(port, request) for _ in range(connections)]
    by_descriptor = {connection.socket.fileno(): connection for connection in opened}
    both = select.EPOLLIN | select.EPOLLOUT
    try:
        started = time.perf_counter()
        for descriptor, connection in by_descriptor.items():
            poll.register(descriptor, select.EPOLLIN if connection.begin() else both)
        while True:
            events = poll.poll(_TIMEOUT_S)
            if not events:
                raise BadReply(f"no reply within {_TIMEOUT_S:g} s")
            for descriptor, event in events:
                connection = by_descriptor[descriptor]
                if event & select.EPOLLOUT and connection.go_on():
                    poll.modify(descriptor, select.EPOLLIN)
                if event & ~select.EPOLLOUT and connection.read():
                    now = time.perf_counter()
                    taken.append(now - connection.started)
                    if now - started >= seconds and len(taken) >= least:
                        return taken, now - started
                    if not connection.begin():
                        poll.modify(descriptor, both)
    finally:
        for connection in opened:
            connection.close()
        poll.close()
