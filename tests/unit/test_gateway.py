"""API Gateway's events become requests, and responses its envelopes."""

import base64
import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from despliegue.aws.gateway import MAX_ENVELOPE, read_event, write_envelope
from despliegue.errors import InvalidRequest, MethodNotAllowed, PathNotFound, PayloadTooLarge
from despliegue.http import Response
from despliegue.http.routes import ROUTES, find_route

type LoadEvent = Callable[[str], dict[str, Any]]


@pytest.mark.parametrize(
    "name",
    [
        "rest-infer",
        "rest-infer-plain",
        "rest-infer-base-path",
        "http-infer",
        "http-infer-stage",
        "http-infer-base64",
        "url-infer",
    ],
)
def test_every_payload_version_gives_the_same_request(load_event: LoadEvent, name: str) -> None:
    request = read_event(load_event(name))

    assert (request.method, request.path) == ("POST", "/v2/models/breast-cancer/infer")
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body)["inputs"][0]["name"] == "input"
    assert request.id


def test_there_is_an_event_for_every_route_in_every_payload_version(root: Path, load_event: LoadEvent) -> None:
    found: dict[str, set[Any]] = {"1.0": set(), "2.0": set()}
    for path in (root / "events" / "predict").glob("*.json"):
        event = load_event(path.stem)
        with suppress(InvalidRequest, MethodNotAllowed, PathNotFound):
            request = read_event(event)
            call, parameters = find_route(request.method, request.path)
            found[event.get("version", "1.0")].add((call, frozenset(parameters)))

    routes = {
        (call, frozenset(re.findall(r"{(\w+)}", route.path))) for route in ROUTES for call in route.calls.values()
    }
    assert found == {"1.0": routes, "2.0": routes}


def test_a_custom_domains_base_path_is_dropped_without_a_proxy_route_too(load_event: LoadEvent) -> None:
    event = load_event("rest-server")
    event["path"] = "/tumours/v2"

    assert read_event(event).path == "/v2", "the proxy parameter says what was matched"


@pytest.mark.parametrize(
    ("raw_path", "stage", "path"),
    [
        ("/live/v2/models", "live", "/v2/models"),
        ("/live", "live", "/"),
        ("/v2/models", "$default", "/v2/models"),
        ("/lively/v2", "live", "/lively/v2"),
        ("/v2/models/a%20b", "$default", "/v2/models/a b"),
    ],
)
def test_the_stage_is_no_part_of_the_path(load_event: LoadEvent, raw_path: str, stage: str, path: str) -> None:
    event = load_event("http-model")
    event["rawPath"] = raw_path
    event["requestContext"]["stage"] = stage

    assert read_event(event).path == path


@pytest.mark.parametrize(
    ("context", "caller"),
    [
        ({"identity": {"apiKeyId": "a1b2c3d4e5", "userArn": None}}, "a1b2c3d4e5"),
        ({"identity": {"apiKeyId": None, "userArn": "arn:aws:iam::1:user/ann"}}, "arn:aws:iam::1:user/ann"),
        ({"identity": {"apiKeyId": "k", "userArn": "arn:aws:iam::1:user/team/ann"}}, "arn:aws:iam::1:user/team/ann"),
        ({"identity": {"userArn": "arn:aws:sts::1:assumed-role/app/session-1"}}, "arn:aws:sts::1:assumed-role/app"),
        ({"authorizer": {"iam": {"userArn": "arn:aws:iam::1:user/ann"}}}, "arn:aws:iam::1:user/ann"),
        ({"authorizer": None, "identity": None}, ""),
        ({"identity": {"sourceIp": "203.0.113.7"}}, ""),
    ],
)
def test_the_caller_is_whom_api_gateway_found(load_event: LoadEvent, context: dict[str, Any], caller: str) -> None:
    event = load_event("rest-jobs")
    event["requestContext"] = {"httpMethod": "POST", "requestId": "1"} | context

    assert read_event(event).caller == caller


def test_absent_headers_and_body_are_empty(load_event: LoadEvent) -> None:
    event = load_event("rest-models") | {"headers": None, "body": None, "pathParameters": None}

    request = read_event(event)

    assert (request.headers, request.body, request.path) == ({}, b"", "/v2/models")


@pytest.mark.parametrize(
    "event", [{}, {"Records": []}, {"requestContext": {}}, {"requestContext": None}, {"body": "x"}]
)
def test_another_event_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="not an API Gateway event; expected a REST API"):
        read_event(event)


def test_a_body_that_is_not_the_base64_it_says_is_refused(load_event: LoadEvent) -> None:
    with pytest.raises(InvalidRequest, match="not valid base64"):
        read_event(load_event("invalid-base64"))


def test_a_json_reply_travels_as_text() -> None:
    envelope = write_envelope(Response(200, '{"a": "ñ"}'.encode()))

    assert envelope == {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "isBase64Encoded": False,
        "body": '{"a": "ñ"}',
    }


@pytest.mark.parametrize(
    "headers",
    [{"content-type": "application/octet-stream"}, {"content-type": "application/json", "content-encoding": "gzip"}],
)
def test_a_binary_reply_travels_as_base64(headers: dict[str, str]) -> None:
    envelope = write_envelope(Response(200, b"\x00\xff", headers))

    assert envelope["isBase64Encoded"] is True
    assert base64.b64decode(envelope["body"]) == b"\x00\xff"


@pytest.mark.parametrize("filling", [b"0", b'"'])
def test_the_limit_is_that_of_the_envelope_with_its_escapes(filling: bytes) -> None:
    def size(count: int) -> int:
        return len(json.dumps(write_envelope(Response(200, filling * count)), ensure_ascii=False).encode())

    around = size(0)
    each = 2 if filling == b'"' else 1
    most = (MAX_ENVELOPE - around) // each

    assert MAX_ENVELOPE - each < size(most) <= MAX_ENVELOPE
    with pytest.raises(PayloadTooLarge, match=r"over the 6,291,556 \(6 MB\) that Lambda returns; send fewer rows"):
        write_envelope(Response(200, filling * (most + 1)))


def test_a_binary_reply_may_be_three_quarters_of_the_limit() -> None:
    headers = {"content-type": "application/octet-stream"}
    write_envelope(Response(200, bytes(4_700_000), headers))

    with pytest.raises(PayloadTooLarge, match="POST /v2/models/MODEL/jobs"):
        write_envelope(Response(200, bytes(4_720_000), headers))
