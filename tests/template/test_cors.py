"""Pages of other origins: for every form of CorsOrigins, what API Gateway answers to preflights and by itself."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from despliegue.aws.gateway import read_origins
from despliegue.http import cors

if TYPE_CHECKING:
    from collections.abc import Callable

    type Deploy = Callable[..., dict[str, Any]]

ONE, SEVERAL, EVERY = "https://example.org", "https://example.org,http://localhost:3000", "*"
INTEGRATION = "x-amazon-apigateway-integration"


def body_of(deployed: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = deployed["Resources"]["Api"]["Properties"]["Body"]
    return found


def preflights(deployed: dict[str, Any]) -> dict[str, Any]:
    return {path: each["options"] for path, each in body_of(deployed)["paths"].items() if "options" in each}


def render(deployed: dict[str, Any], sent: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """The response template of `/`'s preflight as API Gateway runs it: what it writes, and the headers that it sets."""
    import airspeed  # Velocity, the language of API Gateway's templates

    response = preflights(deployed)["/"][INTEGRATION]["responses"]["default"]
    headers: dict[str, Any] = {}

    class Input:
        def params(self, name: str) -> str:
            return sent.get(name, "")

    namespace = {"input": Input(), "context": {"responseOverride": {"header": headers}}}
    return airspeed.Template(response["responseTemplates"]["application/json"]).merge(namespace), headers


def test_it_is_off_by_default(deploy: Deploy) -> None:
    deployed = deploy()
    assert preflights(deployed) == {}
    assert "Access-Control" not in json.dumps(deployed)
    assert "Variables" not in deployed["Resources"]["ApiStage"]["Properties"]


@pytest.mark.parametrize("mode", ["ApiKey", "Iam"])
@pytest.mark.parametrize("origins", [ONE, SEVERAL, EVERY])
def test_every_path_answers_a_preflight_without_a_key(deploy: Deploy, origins: str, mode: str) -> None:
    deployed = deploy(CorsOrigins=origins, AuthMode=mode)
    found = preflights(deployed)
    assert set(found) == set(body_of(deployed)["paths"])
    for operation in found.values():
        assert operation["security"] == []
        assert operation[INTEGRATION]["type"] == "mock"
        assert operation[INTEGRATION]["contentHandling"] == "CONVERT_TO_TEXT", "or it answers 500 under */*"
        assert json.loads(operation[INTEGRATION]["requestTemplates"]["application/json"]) == {"statusCode": 200}


@pytest.mark.parametrize("origins", [ONE, SEVERAL, EVERY])
def test_all_else_is_as_closed_as_without(deploy: Deploy, origins: str) -> None:
    def secured(deployed: dict[str, Any]) -> dict[tuple[str, str], Any]:
        return {
            (path, method): operation["security"]
            for path, operations in body_of(deployed)["paths"].items()
            for method, operation in operations.items()
            if method not in ("options", "parameters")
        }

    for mode in ("ApiKey", "Iam"):
        assert secured(deploy(CorsOrigins=origins, AuthMode=mode)) == secured(deploy(AuthMode=mode))


def test_a_preflight_says_what_the_function_says_at_home(deploy: Deploy) -> None:
    for operation in preflights(deploy(CorsOrigins=SEVERAL)).values():
        response = operation[INTEGRATION]["responses"]["default"]
        mapped = {
            name.removeprefix("method.response.header."): text for name, text in response["responseParameters"].items()
        }
        expected = cors.preflight().headers
        assert mapped.pop("Vary") == "'Origin'"
        assert {name.lower(): text.strip("'") for name, text in mapped.items()} == {
            name: text for name, text in expected.items() if name != "content-type"
        }
        declared = set(operation["responses"][response["statusCode"]]["headers"])
        assert declared == {*mapped, "Vary", "Access-Control-Allow-Origin"}, "what is not declared is not sent"


@pytest.mark.parametrize(
    ("origins", "sent", "allowed"),
    [
        (EVERY, {"origin": "https://anyone.example"}, "*"),
        (ONE, {"origin": "https://example.org"}, "https://example.org"),
        (ONE, {"Origin": "https://example.org"}, "https://example.org"),
        (ONE, {"origin": "https://anyone.example"}, None),
        (ONE, {"origin": "https://example.or"}, None),
        (ONE, {}, None),
        (SEVERAL, {"origin": "https://example.org"}, "https://example.org"),
        (SEVERAL, {"origin": "http://localhost:3000"}, "http://localhost:3000"),
        (SEVERAL, {"origin": "http://localhost:300"}, None),
        (SEVERAL, {"origin": "*"}, None),
        (SEVERAL, {"origin": ","}, None),
    ],
)
def test_the_template_of_a_preflight_names_the_origin_that_asks_if_it_is_one_of_them(
    deploy: Deploy, origins: str, sent: dict[str, str], allowed: str | None, require: Callable[[bool, str], None]
) -> None:
    require(find_spec("airspeed") is not None, "airspeed-ext is not installed")
    written, headers = render(deploy(CorsOrigins=origins), sent)
    assert headers == ({"Access-Control-Allow-Origin": allowed} if allowed else {})
    assert not written.strip()


@pytest.mark.parametrize(("origins", "known"), [(ONE, (ONE,)), (SEVERAL, tuple(SEVERAL.split(","))), (EVERY, ("*",))])
def test_the_function_learns_the_origins_from_the_stage(deploy: Deploy, origins: str, known: tuple[str, ...]) -> None:
    variables = deploy(CorsOrigins=origins)["Resources"]["ApiStage"]["Properties"]["Variables"]
    assert read_origins(variables) == known
    # https://docs.aws.amazon.com/apigateway/latest/api/API_CreateStage.html, variables
    assert all(re.fullmatch(r"[A-Za-z0-9\-._~:/?#&=,]+", text) for text in variables.values())


def test_no_function_version_depends_on_it(deploy: Deploy) -> None:
    with_it, without = deploy(CorsOrigins=SEVERAL)["Resources"], deploy()["Resources"]
    assert with_it["PredictFunction"] == without["PredictFunction"]


@pytest.mark.parametrize("origins", [ONE, SEVERAL, EVERY])
def test_what_api_gateway_refuses_can_be_read_by_pages(deploy: Deploy, origins: str) -> None:
    found = body_of(deploy(CorsOrigins=origins))["x-amazon-apigateway-gateway-responses"]
    for kind, response in found.items():
        parameters = response["responseParameters"]
        assert parameters["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'", kind
        if "gatewayresponse.header.Retry-After" in parameters:
            assert parameters["gatewayresponse.header.Access-Control-Expose-Headers"] == "'Retry-After'"


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("", True),
        (ONE, True),
        (SEVERAL, True),
        (EVERY, True),
        ("https://example.org/", False),
        ("https://Example.org", False),
        ("example.org", False),
        ("null", False),
        (f"{ONE}, {ONE}", False),
        (f"*,{ONE}", False),
        ("https://example.org'", False),
    ],
)
def test_the_parameter_takes_origins_alone(source: dict[str, Any], text: str, *, taken: bool) -> None:
    assert bool(re.fullmatch(source["Parameters"]["CorsOrigins"]["AllowedPattern"], text)) == taken
