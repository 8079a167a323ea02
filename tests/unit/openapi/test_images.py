"""The documents of a model that takes an image: what its body may be, and no operation that takes rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.unit.openapi.reading import JSON, examples, good
from tests.unit.test_images import BRIGHTNESS

from despliegue.http import InferenceService, Request
from despliegue.http.openapi.example_jobs import ExampleJobs
from despliegue.models.images import black_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from despliegue.models import ModelRepository


@pytest.fixture
def service(add_model: Callable[..., Path], repository: ModelRepository) -> InferenceService:
    add_model(BRIGHTNESS)
    return InferenceService(repository, jobs=ExampleJobs)


@pytest.fixture
def document(service: InferenceService) -> dict[str, Any]:
    response = service.handle(Request("GET", "/v2/models/m/openapi.json"))
    document: dict[str, Any] = json.loads(response.body)
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    return document


def test_the_body_is_an_image_and_the_reply_is_as_its_example(
    service: InferenceService, document: dict[str, Any]
) -> None:
    operation = document["paths"]["/models/m/invocations"]["post"]
    assert list(operation["requestBody"]["content"]) == ["image/jpeg", "image/png"]
    content = good(operation)[1]["content"]

    for accepted in (JSON, "text/csv", "application/jsonlines"):
        headers = {"content-type": "image/png", "accept": accepted}
        response = service.handle(Request("POST", "/models/m/invocations", headers, black_image().tobytes()))
        text = response.body.decode()
        reply = json.loads(text) if accepted == JSON else text
        assert examples(content, accepted) == {"example": reply}
    assert document["components"]["schemas"]["Prediction"] == {"type": ["number", "null"]}


def test_as_a_tensor_it_is_an_example(service: InferenceService, document: dict[str, Any]) -> None:
    operation = document["paths"]["/v2/models/m/infer"]["post"]
    [sent] = examples(operation["requestBody"]["content"]).values()
    [given] = examples(good(operation)[1]["content"]).values()

    response = service.handle(Request("POST", "/v2/models/m/infer", body=json.dumps(sent).encode()))

    assert (response.status, json.loads(response.body)) == (200, given)


def test_nothing_that_takes_rows_is_there(service: InferenceService, document: dict[str, Any]) -> None:
    assert not [path for path in document["paths"] if path.endswith((":predict", "/jobs"))]
    assert service.handle(Request("POST", "/v1/models/m:predict", body=b'{"instances":[1]}')).status == 501
    assert service.handle(Request("POST", "/v2/models/m/jobs")).status == 501
