"""The load generator of benchmarks/http: what counts as a reply, and what never may."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from benchmarks.http.client import BadReply, ask, drive

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nping"


@contextmanager
def answering(*pieces: bytes, close: bool = False) -> Iterator[int]:
    """The port of a server that sends these pieces, each in a packet of its own, for every request."""

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while connection.recv(len(REQUEST), socket.MSG_WAITALL) == REQUEST:
                    for piece in pieces:
                        connection.sendall(piece)
                    if close:
                        return
            except OSError:  # the client was content, and has gone
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join()


def test_a_reply_in_pieces_is_read_whole() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-", b"Length: 10\r\n\r\n01234", b"56789") as port:
        assert ask(port, REQUEST) == (b"0123456789", 0)


def test_a_reply_in_chunks_is_put_together() -> None:
    head = b"HTTP/1.1 200 OK\r\nInference-Header-Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    with answering(head, b"3\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\n\r\n") as port:
        assert ask(port, REQUEST) == (b"abcde", 3)


def test_as_many_replies_are_timed_as_were_asked_for() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as port:
        taken, seconds = drive(port, REQUEST, 3, 0.0, 30)
    assert len(taken) == 30
    assert 0 < max(taken) <= seconds


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\nuntil I close",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut short",
    ],
    ids=["an error", "without an end", "cut short"],
)
def test_what_is_no_whole_200_stops_the_measurement(reply: bytes) -> None:
    with answering(reply, close=True) as port, pytest.raises(BadReply):
        drive(port, REQUEST, 1, 0.0, 1)
