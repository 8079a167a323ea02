"""What API Gateway answers by itself reads like the function's own errors: `{"error": "…"}`, as application/json."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
STATUS = {
    "ACCESS_DENIED": "403",
    "API_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_FAILURE": "500",
    "BAD_REQUEST_BODY": "400",
    "BAD_REQUEST_PARAMETERS": "400",
    "DEFAULT_4XX": None,
    "DEFAULT_5XX": None,
    "EXPIRED_TOKEN": "403",
    "INTEGRATION_FAILURE": "504",
    "INTEGRATION_TIMEOUT": "504",
    "INVALID_API_KEY": "403",
    "INVALID_SIGNATURE": "403",
    "MISSING_AUTHENTICATION_TOKEN": "403",
    "QUOTA_EXCEEDED": "429",
    "REQUEST_TOO_LARGE": "413",
    "RESOURCE_NOT_FOUND": "404",
    "THROTTLED": "429",
    "UNAUTHORIZED": "401",
    "UNSUPPORTED_MEDIA_TYPE": "415",
    "WAF_FILTERED": "403",
}


@pytest.fixture(scope="module")
def responses(deploy: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    body = deploy()["Resources"]["Api"]["Properties"]["Body"]
    found: dict[str, Any] = body["x-amazon-apigateway-gateway-responses"]
    return found


def message(response: dict[str, Any]) -> str:
    """The error that a caller reads, with what API Gateway puts in for its variables."""
    [(content_type, template)] = response["responseTemplates"].items()
    assert content_type == "application/json"
    reply = json.loads(re.sub(r"\$context\.requestId", "c6af9ac6-7b61-11e6-9a41-93e8deadbeef", template))
    [(key, text)] = reply.items()
    assert key == "error"
    assert isinstance(text, str)
    return text


def test_every_kind_is_written_out_with_its_status(responses: dict[str, Any]) -> None:
    assert {kind: response.get("statusCode") for kind, response in responses.items()} == STATUS


@pytest.mark.parametrize("kind", STATUS)
def test_every_reply_is_our_error_form(responses: dict[str, Any], kind: str) -> None:
    text = message(responses[kind])
    assert len(text) > 20
    assert "$" not in text


@pytest.mark.parametrize(
    "kind", [kind for kind, status in STATUS.items() if kind == "DEFAULT_5XX" or str(status).startswith("5")]
)
def test_our_own_failures_carry_the_request_id(responses: dict[str, Any], kind: str) -> None:
    assert "c6af9ac6-7b61-11e6-9a41-93e8deadbeef" in message(responses[kind])


@pytest.mark.parametrize("kind", [kind for kind, status in STATUS.items() if status == "429"])
def test_who_is_slowed_down_is_told_for_how_long(responses: dict[str, Any], kind: str) -> None:
    seconds = responses[kind]["responseParameters"]["gatewayresponse.header.Retry-After"]
    assert re.fullmatch(r"'[1-9][0-9]*'", seconds), "a literal stands in single quotes"


def test_a_body_too_large_names_the_limit_and_the_ways_round_it(responses: dict[str, Any]) -> None:
    text = message(responses["REQUEST_TOO_LARGE"])
    for said in ("10 MB", "6 MB", "4.5 MB", "fewer rows", "POST /v2/models/MODEL/jobs"):
        assert said in text


def test_a_missing_key_names_the_header(responses: dict[str, Any]) -> None:
    assert "x-api-key" in message(responses["INVALID_API_KEY"])


def test_every_body_reaches_the_function_as_sent(deploy: Callable[..., dict[str, Any]]) -> None:
    api = deploy()["Resources"]["Api"]["Properties"]
    assert api["Body"]["x-amazon-apigateway-binary-media-types"] == ["*/*"]
    assert api["BinaryMediaTypes"] == ["*~1*"]


def test_the_gateway_waits_longer_than_the_function_runs(deploy: Callable[..., dict[str, Any]]) -> None:
    resources = deploy()["Resources"]
    timeout = resources["PredictFunction"]["Properties"]["Timeout"]
    for operations in resources["Api"]["Properties"]["Body"]["paths"].values():
        integration = operations["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]
        assert timeout * 1000 < integration["timeoutInMillis"] <= 29_000
