"""Packed requests and replies: gzip and deflate, and what is refused of them. And ids, which callers choose freely."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from despliegue.http import InferenceService, Request, Response
from despliegue.models import ModelRepository

INFER = "/v2/models/m/infer"


@pytest.fixture
def send(add_model: Callable[..., Path], repository: ModelRepository) -> Callable[..., Response]:
    """Sends a body as it is to a service over the model `m`, which gives back its [N, 3] floats."""
    add_model()
    service = InferenceService(repository)

    def call(body: bytes, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return service.handle(Request("POST", INFER, named, body, "request-1"))

    return call


def request(rows: int = 1, **more: Any) -> bytes:
    x = {"name": "x", "shape": [rows, 3], "datatype": "FP32", "data": [0.5] * rows * 3}
    return json.dumps({"inputs": [x], **more}).encode()


def error(response: Response, status: int) -> str:
    assert response.status == status, response.body[:300]
    (message,) = json.loads(response.body).values()
    return str(message)


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_a_packed_request_is_unpacked(
    send: Callable[..., Response], coding: str, pack: Callable[[bytes], bytes]
) -> None:
    response = send(pack(request()), content_encoding=coding)

    assert json.loads(response.body)["outputs"][0]["data"] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("body", "coding", "status", "says"),
    [
        (b"not gzip", "gzip", 400, "the body is not valid gzip: Error -3 while decompressing data: incorrect header"),
        (gzip.compress(request())[:-5], "gzip", 400, "the body is not valid gzip: it is cut short"),
        (gzip.compress(request())[:2], "gzip", 400, "the body is not valid gzip: it is cut short"),
        (b"", "gzip", 400, "the body is not valid gzip: it is cut short"),
        (gzip.compress(request()) + b"more", "gzip", 400, "the body is not valid gzip: 4 bytes follow its end"),
        (gzip.compress(request())[:-8] + bytes(8), "gzip", 400, "the body is not valid gzip: Error -3"),
        (request(), "br", 415, "content encoding is 'br'; expected gzip or deflate"),
        (request(), "gzip, gzip", 415, "content encoding is 'gzip, gzip'; expected gzip or deflate"),
        (gzip.compress(gzip.compress(request())), "gzip", 400, "the body is not UTF-8"),
        (gzip.compress(bytes(20 * 2**20)), "gzip", 413, "the body unpacks to more than the 4,"),
        (gzip.compress(b" " * 10 * 2**20 + request()), "gzip", 413, "200 times its size, at most 104,857,600"),
    ],
)
def test_a_packed_request_that_is_refused(
    send: Callable[..., Response], body: bytes, coding: str, status: int, says: str
) -> None:
    assert says in error(send(body, content_encoding=coding), status)


def test_a_bomb_allocates_no_more_than_its_limit(send: Callable[..., Response]) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(400)) + packer.flush()
    limit = 200 * len(bomb)
    send(request())
    tracemalloc.start()
    try:
        message = error(send(bomb, content_encoding="gzip"), 413)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert f"more than the {limit:,} bytes allowed" in message
    assert peak < 2.2 * limit


def test_no_ratio_lets_more_than_the_limit_through(send: Callable[..., Response]) -> None:
    # Half of it cannot be packed, so that only the size speaks against it.
    body = gzip.compress(bytes(104_857_600 + 1), 1) + b""
    padded = body + bytes(2**19)

    assert "more than the 104,857,600 bytes allowed" in error(send(padded, content_encoding="gzip"), 413)


def test_a_long_reply_is_packed_for_those_who_ask(send: Callable[..., Response]) -> None:
    plain = send(request(5000))
    packed = send(request(5000), accept_encoding="br, gzip;q=0.5")

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert "content-encoding" not in send(request(), accept_encoding="gzip").headers
    assert "content-encoding" not in send(request(5000), accept_encoding="gzip;q=0").headers


@pytest.mark.parametrize("name", ["x" * 20_000_000, 'a\r\nset-cookie: b\n"', "\0", "\u2028", "😀"])
def test_any_id_is_echoed_in_the_reply_and_nowhere_else(send: Callable[..., Response], name: str) -> None:
    good, bad = send(request(id=name)), send(request(id=name, outputs=[{"name": "nope"}]))

    assert json.loads(good.body)["id"] == name
    assert error(bad, 400) == "unknown output 'nope'; expected 'y'"
    for response in (good, bad):
        assert response.headers == {"content-type": "application/json"}
        assert name not in repr(response.outcome)
