"""Calls against a server that fails as services do: what is tried again, and what each failure is."""

from __future__ import annotations

import gzip
import json
import math
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

import despliegue_client as dc

if TYPE_CHECKING:
    from collections.abc import Callable

    type Make = Callable[..., dc.Client]

GOOD = {"predictions": [1.5]}
ROW = [{"x": 1}]


def test_a_prediction_is_one_post_with_the_key(stub: Any, client: Make) -> None:
    stub.say(200, GOOD)

    assert client(key="secret").predict("a model", ROW, version="2") == [1.5]

    [asked] = stub.asked
    assert (asked.method, asked.path) == ("POST", "/live/v1/models/a%20model/versions/2:predict")
    assert (asked.headers["x-api-key"], asked.headers["content-type"]) == ("secret", "application/json")
    assert json.loads(asked.body) == {"instances": ROW}


@pytest.mark.parametrize("status", [429, 502, 503, 504, 0])
def test_what_may_pass_is_tried_again_with_the_same_body(stub: Any, client: Make, status: int) -> None:
    stub.say(status)
    stub.say(status)
    stub.say(200, GOOD)

    assert client().predict("m", ROW) == [1.5]

    assert len(stub.asked) == 3
    assert len({asked.body for asked in stub.asked}) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 415, 500, 501])
def test_what_will_not_pass_is_not(stub: Any, client: Make, status: int) -> None:
    stub.say(status, {"error": "no"})

    with pytest.raises(dc.ApiError):
        client().predict("m", ROW)

    assert len(stub.asked) == 1


def test_it_gives_up_after_the_retries(stub: Any, client: Make) -> None:
    stub.say(503, {"error": "busy"})

    with pytest.raises(dc.ServerError, match="503: busy"):
        client(retries=2).predict("m", ROW)

    assert len(stub.asked) == 3


def test_retry_after_is_waited_for(stub: Any, client: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    stub.say(429, {"error": "slowly"}, Retry_After="7")
    stub.say(
        503, {"error": "later"}, Retry_After=format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    )
    stub.say(200, GOOD)

    assert client().predict("m", ROW) == [1.5]

    assert waits[0] == 7
    assert 25 < waits[1] <= 30


def test_pauses_grow_and_are_drawn_at_random(stub: Any, client: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    stub.say(503)

    with pytest.raises(dc.ServerError):
        client(retries=9, pause=0.5).predict("m", ROW)

    longest = [min(0.5 * 2**number, 60) for number in range(9)]
    assert all(most / 2 <= wait <= most for wait, most in zip(waits, longest, strict=True))
    assert len({wait / most for wait, most in zip(waits, longest, strict=True)}) > 1


def test_a_quota_used_up_is_told_at_once(stub: Any, client: Make) -> None:
    stub.say(429, {"error": "this API key has used up its quota"}, Retry_After="3600")

    with pytest.raises(dc.Throttled, match="quota") as raised:
        client().predict("m", ROW)

    assert raised.value.retry_after == 3600
    assert len(stub.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, dc.InvalidRequest),
        (401, dc.NotAuthorized),
        (403, dc.NotAuthorized),
        (404, dc.NotFound),
        (413, dc.TooLarge),
        (415, dc.InvalidRequest),
        (429, dc.Throttled),
        (500, dc.ServerError),
        (504, dc.ServerError),
    ],
)
def test_each_status_has_its_error(stub: Any, client: Make, status: int, kind: type[dc.ApiError]) -> None:
    stub.say(status, {"error": "what was wrong"}, X_Request_Id="r-1")

    with pytest.raises(dc.ApiError) as raised:
        client(retries=0).models()

    assert type(raised.value) is kind
    assert (raised.value.status, raised.value.message, raised.value.request_id) == (status, "what was wrong", "r-1")
    assert str(raised.value) == f"{status}: what was wrong (request id r-1)"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message": "Forbidden"}', "Forbidden"),
        (b"<html>Bad gateway</html>", "<html>Bad gateway</html>"),
        (b"", "Bad Request"),
        (b"[1]", "[1]"),
        (b'{"error": ""}', '{"error": ""}'),
        (b"\xff" * 500, "\ufffd" * 200),
    ],
)
def test_errors_of_others_are_understood_too(stub: Any, client: Make, body: bytes, message: str) -> None:
    stub.say(400, body, x_amzn_RequestId="gateway-1")

    with pytest.raises(dc.InvalidRequest) as raised:
        client().models()

    assert (raised.value.message, raised.value.request_id) == (message, "gateway-1")


def test_a_redirect_is_not_followed_with_the_key(stub: Any, client: Make) -> None:
    stub.say(302, b"", Location=f"{stub.url}/elsewhere")

    with pytest.raises(dc.ApiError) as raised:
        client(key="secret").models()

    assert raised.value.status == 302
    assert len(stub.asked) == 1


def test_nobody_there_is_a_failed_connection() -> None:
    with pytest.raises(dc.ConnectionFailed, match=r"http://127\.0\.0\.1:9/v2/models got no answer"):
        dc.Client("http://127.0.0.1:9", retries=1, pause=0.001).models()


def test_a_silent_server_is_one_too(stub: Any) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(dc.ConnectionFailed, match="timed out"):
            dc.Client(f"http://127.0.0.1:{port}", timeout=0.05, retries=0).models()


def test_an_answer_that_breaks_off_is_tried_again(stub: Any, client: Make) -> None:
    stub.say(200, b'{"predictions"', content_length="100")
    stub.say(200, GOOD)

    assert client().predict("m", ROW) == [1.5]


def test_what_is_no_service_is_said(stub: Any, client: Make) -> None:
    stub.say(200, b"<html></html>")

    with pytest.raises(dc.ConnectionFailed, match="is this the address of a Despliegue service"):
        client().models()


def test_large_bodies_are_packed_both_ways(stub: Any, client: Make) -> None:
    many = [{"x": number} for number in range(10_000)]
    stub.say(200, gzip.compress(json.dumps({"predictions": [0.5] * 10_000}).encode()), Content_Encoding="gzip")

    assert client().predict("m", many) == [0.5] * 10_000

    [asked] = stub.asked
    assert (asked.headers["content-encoding"], asked.headers["accept-encoding"]) == ("gzip", "gzip")
    assert json.loads(gzip.decompress(asked.body)) == {"instances": many}


def test_predictions_are_typed(stub: Any, client: Make) -> None:
    classified = {"label": "a", "probabilities": {"a": 0.75, "b": None}}
    stub.say(200, b'{"predictions": [' + json.dumps(classified).encode() + b', 2, null, 1e999, {"y": [1]}, "text"]}')

    first, number, missing, infinite, outputs, text = client().predict("m", ROW * 6)

    assert isinstance(first, dc.Classification)
    assert (first.label, first.probabilities["a"]) == ("a", 0.75)
    assert math.isnan(first.probabilities["b"])
    assert (number, infinite) == (2.0, math.inf)
    assert isinstance(number, float)
    assert isinstance(missing, float)
    assert math.isnan(missing)
    assert (outputs, text) == ({"y": [1]}, {"prediction": "text"})


def test_a_version_on_its_way_out_warns(stub: Any, client: Make) -> None:
    stub.say(200, GOOD, Deprecation="@1793491200", Sunset="Fri, 01 Jan 2027 00:00:00 GMT")

    with pytest.warns(dc.VersionDeprecated, match="m is on its way out, and may be gone from Fri, 01 Jan 2027") as told:
        client().predict("m", ROW)

    assert told[0].filename == __file__


@pytest.mark.parametrize("url", ["example.org", "ftp://example.org", "file:///etc/passwd", "https://", "https://a?b=c"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not where a service is"):
        dc.Client(url)


@pytest.mark.parametrize("key", ["", "a b", "a\r\nx: y", "ñ"])
def test_a_key_that_is_none_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="the key is not visible ASCII"):
        dc.Client("https://example.org", key)
    assert "secret" not in repr(dc.Client("https://example.org", "secret"))
