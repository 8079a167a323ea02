"""The server on this machine, and clients that are slow, large, or speak what is hardly HTTP."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

type Serve = Callable[..., Any]


def test_a_body_cut_short_is_not_predicted(serve: Serve, models: Path) -> None:
    served = serve(models)
    body = served.curl.split(" -d '")[1].removesuffix("'").encode()
    head = f"POST /v2/models/breast-cancer/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body) + 100}\r\n\r\n"

    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(head.encode() + body)
        client.shutdown(socket.SHUT_WR)
        reply = client.recv(1000)

    assert b" 200 " not in reply


def test_clients_that_keep_a_connection_and_ask_nothing_are_dropped(serve: Serve, models: Path) -> None:
    """All at the same time: each has ten seconds."""
    served = serve(models)
    start, end = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n", b"\r\n"
    replies = {b"": 0, start: 0, start + end + start: 1, start + end: 1}
    clients = {sent: socket.create_connection(("127.0.0.1", served.port), timeout=30) for sent in replies}
    for sent, client in clients.items():
        client.sendall(sent)
    time.sleep(0.5)
    clients[start + end].sendall(end)  # after its reply; without it the connection would be kept for a next request

    for sent, client in clients.items():
        received = b""
        while piece := client.recv(1000):
            received += piece
        client.close()
        assert received.count(b"HTTP/1.1 200 OK") == replies[sent]


@pytest.mark.parametrize("end", [b"\r\n\r\n", b""])
@pytest.mark.parametrize("size", [70_000, 1_000_000])
def test_headers_have_a_largest_size(serve: Serve, models: Path, size: int, end: bytes) -> None:
    served = serve(models)

    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        try:
            client.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\nX-Large: " + b"a" * size + end)
            reply = client.recv(1000)
        except ConnectionError:  # it is hung up on while it still sends
            reply = b"HTTP/1.1 431 "

    assert reply.startswith(b"HTTP/1.1 431 ")
    assert httpx.get(f"{served.url}/v2/health/live").status_code == 200


def test_requests_that_come_together_are_all_answered(serve: Serve, models: Path) -> None:
    """The second's head begins in the same piece as the end of a body longer than a head may be."""
    served = serve(models)
    body = b'{"inputs":[' + b" " * 100_000 + b"]}"
    head = b"POST /v2/models/breast-cancer/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)

    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(head + body + b"GET /v2/health/live HT")
        time.sleep(0.5)
        client.sendall(b"TP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := client.recv(1000):
            received += piece

    assert received.count(b"HTTP/1.1 400 ") == 1
    assert received.count(b"HTTP/1.1 200 ") == 1


def test_what_is_no_http_is_told_so(serve: Serve, models: Path) -> None:
    served = serve(models)

    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(b"hello\r\n\r\n")
        reply = client.recv(1000)

    assert reply.startswith(b"HTTP/1.1 400 ")
    assert reply.endswith(b'{"error":"the request is not valid HTTP/1.1"}')


def test_a_body_that_arrives_in_pieces_is_read_whole(serve: Serve, models: Path) -> None:
    served = serve(models)
    body = served.curl.split(" -d '")[1].removesuffix("'").encode()

    def pieces() -> Any:
        for start in range(0, len(body), 50):
            yield body[start : start + 50]
            time.sleep(0.01)

    reply = httpx.post(f"{served.url}/v2/models/breast-cancer/infer", content=pieces())

    assert reply.status_code == 200


def test_a_body_of_hardly_anything_but_its_frame_is_refused(serve: Serve, models: Path) -> None:
    """Trailers, or chunk extensions, without end."""
    served = serve(models)
    head = b"POST /v2/models/breast-cancer/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(head + b"2\r\n{}\r\n0\r\n")
        try:
            for _ in range(100):
                client.sendall(b"X-T: " + b"a" * 10_000 + b"\r\n")
            reply = client.recv(1000)
        except ConnectionError:  # it is hung up on while it still sends
            reply = b"HTTP/1.1 400 "

    assert reply.startswith(b"HTTP/1.1 400 ")


def test_a_reply_that_is_due_is_sent_though_what_follows_is_no_http(serve: Serve, models: Path) -> None:
    served = serve(models)
    body = served.curl.split(" -d '")[1].removesuffix("'").encode()
    head = b"POST /v2/models/breast-cancer/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)

    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(head + body + b"GARBAGE\r\n\r\n")
        received = b""
        while piece := client.recv(1000):
            received += piece

    assert received.startswith(b"HTTP/1.1 200 ")


def test_who_sends_more_than_is_taken_can_read_that_it_is(serve: Serve, models: Path) -> None:
    served = serve(models)

    reply = httpx.post(f"{served.url}/v2/models/breast-cancer/infer", content=bytes(150_000_000), timeout=60)

    assert reply.status_code == 413
