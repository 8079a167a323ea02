"""One inference, sent in every way that HTTP/1.1 has: once the server knows it to be quick, the answer is the same."""

import itertools
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import onnx
import onnx.parser
import pytest

type Serve = Callable[..., Any]

PATH = "/v2/models/breast-cancer/infer"


def post(body: bytes, *headers: str, path: str = PATH, version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: x", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def sized(body: bytes, *headers: str, **given: str) -> bytes:
    return post(body, f"Content-Length: {len(body)}", *headers, **given)


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [bytes(piece) for piece in itertools.batched(data, size, strict=False)]


def chunked(body: bytes) -> bytes:
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in in_pieces(body, 100)]
    return post(b"".join([*chunks, b"0\r\n\r\n"]), "Transfer-Encoding: chunked")


def example(served: Any) -> bytes:
    """The body of the request that it greets with."""
    return bytes(served.curl.split(" -d '")[1].removesuffix("'").encode())


def to_the_end(client: socket.socket) -> bytes:
    """All that comes until the connection is closed."""
    received = b""
    while piece := client.recv(1 << 16):
        received += piece
    return received


def replies(port: int, pieces: list[bytes], expected: int) -> list[bytes]:
    """The bodies of the 200s that come for what is sent piece by piece."""
    received = b""
    found: list[bytes] = []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
            time.sleep(0.005 if len(pieces) > 1 else 0)
        while len(found) < expected:
            received += (piece := client.recv(1 << 16))
            assert piece, received
            found = list(bodies(received))
    return found


def bodies(received: bytes) -> Iterator[bytes]:
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100 ") and end:
            received = rest
            continue
        length = next((line.split()[1] for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), b"")
        if not end or len(rest) < int(length):
            return
        assert head.startswith(b"HTTP/1.1 200 "), received
        yield rest[: int(length)]
        received = rest[int(length) :]


def test_however_it_is_sent_the_answer_is_the_same(serve: Serve, models: Path) -> None:
    served = serve(models)
    body = example(served)
    [first] = replies(served.port, [sized(body)], 1)  # from a thread, since nothing is known yet

    ways = {
        "in one piece": ([sized(body)], 1),
        "the body after the head": (in_pieces(sized(body), len(sized(body)) - len(body)), 1),
        "in small pieces": (in_pieces(sized(body), 40), 1),
        "in chunks": ([chunked(body)], 1),
        "in chunks, in pieces": (in_pieces(chunked(body), 70), 1),
        "pipelined": ([sized(body) * 3], 3),
        "pipelined behind a slow one": ([sized(body, path=f"{PATH}?x=1") + sized(body) * 2], 3),
        "pipelined before one that expects": ([sized(body) + sized(body, "Expect: 100-continue")], 2),
        "pipelined around a slow one": ([sized(body) + sized(body, path=f"{PATH}?x=1") + sized(body)], 3),
        "pipelined, in pieces": (in_pieces(sized(body) * 2, 97), 2),
        "with a query": ([sized(body, path=f"{PATH}?x=1")], 1),
        "with an absolute target": ([sized(body, path=f"http://x{PATH}")], 1),
        "percent-encoded": ([sized(body, path=PATH.replace("-", "%2D"))], 1),
        "HTTP/1.0": ([sized(body, version="1.0")], 1),
        "the last of its connection": ([sized(body, "Connection: close")], 1),
        "after a 100 Continue": ([sized(body, "Expect: 100-continue")], 1),
    }
    for way, (pieces, expected) in ways.items():
        assert replies(served.port, pieces, expected) == [first] * expected, way
    with socket.create_connection(("127.0.0.1", served.port)):  # with two connections, requests are answered in rounds
        for way, (pieces, expected) in ways.items():
            assert replies(served.port, pieces, expected) == [first] * expected, way


def test_requests_that_come_at_once_are_answered_each_by_its_own(serve: Serve, models: Path) -> None:
    served = serve(models)
    body = example(served)
    asked = [b'{"id": "%d",%b' % (number, body[1:]) for number in range(10, 40)]
    replies(served.port, [sized(asked[0])], 1)

    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", served.port))) for _ in asked]
        for client, given in zip(clients, asked, strict=True):
            client.sendall(sized(given))
        clients.pop().close()
        for number, client in enumerate(clients, start=10):
            client.settimeout(20)
            assert b'"id":"%d"' % number in client.recv(1 << 16)


def test_replies_come_in_the_order_of_the_requests_and_after_the_last_of_them(serve: Serve, models: Path) -> None:
    served = serve(models)
    body = example(served)
    [first] = replies(served.port, [sized(body)], 1)
    health = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"

    with socket.create_connection(("127.0.0.1", served.port)):
        [_, second] = found = replies(served.port, [sized(body) + health], 2)
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as client:
            client.sendall(sized(body))
            client.shutdown(socket.SHUT_WR)
            received = to_the_end(client)

    assert found == [first, second]
    assert json.loads(second)["live"] is True
    assert list(bodies(received)) == [first]


def test_a_client_that_reads_nothing_is_not_answered_further(serve: Serve, tmp_path: Path) -> None:
    """Its requests are pipelined and small, and each asks for a megabyte: 3 GB in all."""
    graph = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]> g (float[1] x) => (float[1,262144] y) {
        shape = Constant <value = int64[2] {1, 262144}> ()
        y = Expand(x, shape)
    }""")
    (tmp_path / "large/1").mkdir(parents=True)
    onnx.save(graph, tmp_path / "large/1/model.onnx")
    served = serve(tmp_path)
    wanted = {"name": "y", "parameters": {"binary_data": True}}
    given = {"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}
    request = sized(json.dumps({"inputs": [given], "outputs": [wanted]}).encode(), path="/v2/models/large/infer")
    for _ in range(3):
        replies(served.port, [request], 1)

    with (
        socket.create_connection(("127.0.0.1", served.port)),
        socket.create_connection(("127.0.0.1", served.port), timeout=20) as client,
    ):
        client.setblocking(False)
        with suppress(BlockingIOError):
            for _ in range(3000):
                client.send(request)
        time.sleep(1)
        replies(served.port, [request], 1)  # others are answered
        status = Path(f"/proc/{served.process.pid}/status").read_text()

    assert int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) < 400_000


def test_what_is_no_http_is_refused_after_what_was(serve: Serve, models: Path) -> None:
    served = serve(models)
    body = example(served)
    replies(served.port, [sized(body)], 1)

    with (
        socket.create_connection(("127.0.0.1", served.port)),
        socket.create_connection(("127.0.0.1", served.port), timeout=20) as client,
    ):
        client.sendall(sized(body) * 2 + b"no HTTP\r\n\r\n")
        received = to_the_end(client)

    assert re.findall(rb"HTTP/1.1 (\d+) ", received) == [b"200", b"200", b"400"]


@pytest.mark.parametrize(("version", "header"), [("1.0", "X: y"), ("1.1", "Connection: close")])
def test_the_connection_ends_with_the_reply_where_it_was_to(
    serve: Serve, models: Path, version: str, header: str
) -> None:
    served = serve(models)
    body = example(served)

    for _ in range(2):  # once from a thread, once at once
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as client:
            client.sendall(sized(body, header, version=version))
            received = to_the_end(client)
        assert b"\r\nconnection: close\r\n" in received


def test_a_body_that_stops_half_way_holds_up_neither_others_nor_the_end(serve: Serve, models: Path) -> None:
    served = serve(models)
    body = example(served)
    replies(served.port, [sized(body)], 1)

    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as slow:
        slow.sendall(sized(body)[:-20])
        time.sleep(1.5)  # by then it is handed over
        replies(served.port, [sized(body)], 1)
        slow.sendall(sized(body)[-20:])
        assert slow.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as gone:
        gone.sendall(sized(body)[:-20])
    assert served.stop() == 0
