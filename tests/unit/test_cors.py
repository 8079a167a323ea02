"""Replies to pages of other origins, at home and behind API Gateway. Source of the rules: fetch.spec.whatwg.org."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from despliegue.asgi import Application
from despliegue.aws.observability import Observability
from despliegue.aws.predict import PredictFunction
from despliegue.errors import DespliegueError
from despliegue.http import InferenceService, Request, Response
from despliegue.http.cors import check_origins
from despliegue.http.reply_headers import complete
from despliegue_cli.cloud import KeyedService

if TYPE_CHECKING:
    from collections.abc import Callable

    from despliegue.models import ModelRepository

PAGE, OTHER = "https://example.org", "http://localhost:3000"


def asked(origins: tuple[str, ...], origin: str | None, **headers: str) -> dict[str, str]:
    """The CORS headers of a reply to a page of this origin."""
    request = Request("GET", "/v2", {"origin": origin} if origin else {})
    response = Response(200, b"", dict(headers))
    complete(request, response, origins)
    return {
        name: text for name, text in response.headers.items() if name.startswith("access-control") or name == "vary"
    }


@pytest.mark.parametrize(
    ("origins", "origin", "allowed", "vary"),
    [
        ((), PAGE, None, None),
        (("*",), PAGE, "*", None),
        (("*",), None, "*", None),
        ((PAGE,), PAGE, PAGE, "origin"),
        ((PAGE,), OTHER, None, "origin"),
        ((PAGE,), None, None, "origin"),
        ((PAGE, OTHER), OTHER, OTHER, "origin"),
        ((PAGE, OTHER), f"{PAGE},{OTHER}", None, "origin"),
        ((PAGE,), "https://example.org.evil.example", None, "origin"),
    ],
)
def test_a_reply_names_the_origin_that_asks_if_it_is_one_of_them(
    origins: tuple[str, ...], origin: str | None, allowed: str | None, vary: str | None
) -> None:
    headers = asked(origins, origin)

    assert headers.get("access-control-allow-origin") == allowed
    assert headers.get("vary") == vary
    assert ("access-control-expose-headers" in headers) == (allowed is not None)
    assert "access-control-allow-credentials" not in headers


def test_what_varies_for_another_reason_still_does() -> None:
    assert asked((PAGE,), PAGE, vary="accept-encoding")["vary"] == "accept-encoding, origin"


def test_a_page_may_read_what_the_replies_have() -> None:
    exposed = asked((PAGE,), PAGE)["access-control-expose-headers"].lower().split(", ")

    assert {"etag", "inference-header-content-length", "server-timing", "x-request-id", "deprecation"} <= set(exposed)


async def ask(application: Application, method: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    await application({"type": "http", "method": method, "path": path, "headers": pairs}, receive, send)
    return sent[0]["status"], {name.decode(): text.decode() for name, text in sent[0]["headers"]}


def test_at_home_a_preflight_needs_no_key_and_a_refusal_can_be_read(repository: ModelRepository) -> None:
    application = Application(KeyedService(InferenceService(repository), "secret"), origins=(PAGE,))

    status, headers = asyncio.run(ask(application, "OPTIONS", "/v2", origin=PAGE))
    refused, why = asyncio.run(ask(application, "GET", "/v2", origin=PAGE))
    served, reply = asyncio.run(ask(application, "GET", "/v2", origin=PAGE, x_api_key="secret"))

    assert (status, refused, served) == (200, 403, 200)
    assert {one["access-control-allow-origin"] for one in (headers, why, reply)} == {PAGE}
    assert "x-api-key" in headers["access-control-allow-headers"].lower().split(", ")
    assert headers["access-control-allow-methods"] == "GET, HEAD, POST"


def test_at_home_without_origins_options_is_a_method_like_others(repository: ModelRepository) -> None:
    status, headers = asyncio.run(ask(Application(InferenceService(repository)), "OPTIONS", "/v2", origin=PAGE))

    assert status == 405
    assert not any(name.startswith("access-control") for name in headers)


@pytest.mark.parametrize(
    ("variables", "allowed"),
    [
        (None, None),
        ({}, None),
        ({"corsOrigins": "any"}, "*"),
        ({"corsOrigins": PAGE}, PAGE),
        ({"corsOrigins": f"{OTHER},{PAGE}"}, PAGE),
        ({"corsOrigins": OTHER}, None),
    ],
)
@pytest.mark.parametrize("path", ["/v2/models", "/nowhere"])
def test_the_function_does_as_its_stage_says(
    repository: ModelRepository,
    load_event: Callable[[str], dict[str, Any]],
    variables: dict[str, str] | None,
    allowed: str | None,
    path: str,
) -> None:
    event = load_event("rest-models") | {"stageVariables": variables, "path": path, "pathParameters": None}
    event["headers"]["Origin"] = PAGE

    function = PredictFunction(InferenceService(repository), Observability("Despliegue", "tests"))
    headers = function.reply(event, "lambda-1")["headers"]

    assert headers.get("access-control-allow-origin") == allowed


@pytest.mark.parametrize("origin", [PAGE, OTHER, "*", "https://a.b-c.example:8443"])
def test_origins_are_taken(origin: str) -> None:
    check_origins((origin,))


@pytest.mark.parametrize(
    "origin", ["example.org", "https://example.org/", "https://Example.org", "null", "", "https://*"]
)
def test_what_no_browser_sends_as_an_origin_is_refused(origin: str) -> None:
    with pytest.raises(DespliegueError, match=r"is no origin; expected \* or scheme, host and port alone"):
        check_origins((origin,))
