"""The local server refuses what the cloud would, in the same words."""

import json
from pathlib import Path

import pytest

from despliegue.http import InferenceService, Request, Response
from despliegue.models import ModelRepository
from despliegue_cli import cloud
from despliegue_cli.cloud import KeyedService, LambdaService


class Answering:
    """A service that answers anything with so many bytes, after so many seconds of its clock."""

    def __init__(self, size: int = 2, seconds: float = 0, clock: list[float] | None = None) -> None:
        self.size, self.seconds, self.clock = size, seconds, clock or [0.0]

    def handle(self, request: Request) -> Response:
        self.clock[0] += self.seconds
        return Response(200, b"0" * self.size)


def error(response: Response) -> str:
    message: str = json.loads(response.body)["error"]
    return message


@pytest.mark.parametrize("headers", [{}, {"x-api-key": ""}, {"x-api-key": "secre"}, {"x-api-key": "sécret"}])
def test_without_the_key_nothing_is_answered(repository: ModelRepository, headers: dict[str, str]) -> None:
    service = KeyedService(InferenceService(repository), "secret")

    for path in ("/v2", "/v2/health/live", "/nowhere"):
        response = service.handle(Request("GET", path, headers))
        assert response.status == 403
        assert error(response) == cloud.NO_KEY


def test_with_the_key_it_is(repository: ModelRepository) -> None:
    service = KeyedService(InferenceService(repository), "secret")

    assert service.handle(Request("GET", "/v2", {"x-api-key": "secret"})).status == 200


def test_the_refusal_is_the_deployed_apis_own(root: Path) -> None:
    assert cloud.NO_KEY in (root / "template.yaml").read_text()


def test_a_request_that_lambda_would_not_take_is_413() -> None:
    service = LambdaService(Answering())

    assert service.handle(Request("POST", "/v2", body=bytes(4_700_000))).status == 200
    response = service.handle(Request("POST", "/v2", body=bytes(4_750_000)))

    assert response.status == 413
    assert "over the 6,291,556 (6 MB) that Lambda takes, about 4.5 MB of body; send fewer rows" in error(response)


def test_a_reply_that_lambda_would_not_return_is_413() -> None:
    assert LambdaService(Answering(6_000_000)).handle(Request("GET", "/v2")).status == 200

    response = LambdaService(Answering(6_300_000)).handle(Request("GET", "/v2"))

    assert response.status == 413
    assert "that Lambda returns" in error(response)


def test_an_answer_that_takes_too_long_is_504(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("despliegue_cli.cloud.time.monotonic", lambda: clock[0])

    response = LambdaService(Answering(seconds=30, clock=clock)).handle(Request("POST", "/v2"))

    assert response.status == 504
    assert error(response) == "no reply within 28 seconds (it took 30): send fewer rows in a request"
