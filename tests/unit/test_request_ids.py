"""Ids of requests: the caller's come back and stand in the logs, if they are ids; else ours do."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from despliegue.asgi import Application
from despliegue.aws.observability import Observability
from despliegue.aws.predict import PredictFunction
from despliegue.http import InferenceService, Request, Response
from despliegue.http.reply_headers import complete

if TYPE_CHECKING:
    from collections.abc import Callable

    from despliegue.models import ModelRepository

OURS = "6f1d5c1e-8e8b-4d3c-9d6f-2b8a4c0e7f11"
NO_IDS = ["", " ", "two words", "é", "a\tb", "a\r\nset-cookie: b", "x" * 129, "\x7f"]


@pytest.fixture
def function(repository: ModelRepository) -> PredictFunction:
    return PredictFunction(InferenceService(repository), Observability("Despliegue", "tests"))


def event(load_event: Callable[[str], dict[str, Any]], **headers: str) -> dict[str, Any]:
    found = load_event("rest-models")
    found["headers"] |= {name.replace("_", "-"): text for name, text in headers.items()}
    return found


def test_without_one_the_reply_has_api_gateways(
    function: PredictFunction, load_event: Callable[[str], dict[str, Any]]
) -> None:
    headers = function.reply(event(load_event), "lambda-1")["headers"]

    assert headers["x-request-id"] == OURS
    assert "x-correlation-id" not in headers


@pytest.mark.parametrize("given", ["order-7", "~!{}", "x" * 128])
def test_a_callers_ids_come_back_and_are_logged(
    function: PredictFunction,
    load_event: Callable[[str], dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    given: str,
) -> None:
    headers = function.reply(event(load_event, X_Request_Id=given), "lambda-1")["headers"]
    both = function.reply(event(load_event, X_Request_Id=given, X_Correlation_Id="trip-1"), "lambda-1")["headers"]

    assert headers["x-request-id"] == given
    assert (both["x-request-id"], both["x-correlation-id"]) == (given, "trip-1")
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["correlation_id"], first["api_request_id"]) == (given, OURS)
    assert second["correlation_id"] == "trip-1"


@pytest.mark.parametrize("given", NO_IDS)
def test_what_is_no_id_neither_comes_back_nor_is_logged(
    function: PredictFunction,
    load_event: Callable[[str], dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    given: str,
) -> None:
    headers = function.reply(event(load_event, X_Request_Id=given, X_Correlation_Id=given), "lambda-1")["headers"]

    assert headers["x-request-id"] == OURS
    assert "x-correlation-id" not in headers
    assert json.loads(capsys.readouterr().out)["correlation_id"] == OURS


@pytest.mark.parametrize("broken", [None, {"requestContext": {"requestId": OURS}}])
def test_an_event_that_cannot_be_read_has_lambdas(function: PredictFunction, broken: Any) -> None:
    envelope = function.reply(broken, "lambda-1")

    assert (envelope["statusCode"], envelope["headers"]["x-request-id"]) == (400, "lambda-1")


def test_errors_have_them_too(repository: ModelRepository) -> None:
    request = Request("GET", "/nowhere", {"x-request-id": "order-7"}, id=OURS)

    response = InferenceService(repository).handle(request)
    complete(request, response)

    assert (response.status, response.headers["x-request-id"]) == (404, "order-7")


def test_the_server_at_home_sends_one_that_its_log_names(
    repository: ModelRepository, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        def handle(self, request: Request) -> Response:
            return Response(500, b"{}")

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/v2", "headers": []}
    asyncio.run(Application(Failing())(scope, receive, send))

    given = dict(sent[0]["headers"])[b"x-request-id"].decode()
    assert len(given) == 16
    assert f"request {given} failed" in caplog.text
