"""Server-Timing: where an inference's time went, by the form of w3.org/TR/server-timing."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from despliegue.http import InferenceService, Outcome, Request, Response
from despliegue.http.reply_headers import complete

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from despliegue.models import ModelRepository


@pytest.fixture
def ask(add_model: Callable[..., Path], repository: ModelRepository) -> Callable[..., Response]:
    """Asks a service over model `m` as an adapter does."""
    add_model()
    service = InferenceService(repository)

    def call(method: str, path: str, body: Any = None) -> Response:
        request = Request(method, path, {}, json.dumps(body).encode() if body else b"", "request-1")
        response = service.handle(request)
        complete(request, response)
        return response

    return call


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/models/m/infer", {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}),
        ("/v1/models/m:predict", {"instances": [[1, 2, 3]]}),
        ("/invocations", {"instances": [[1, 2, 3]]}),
    ],
)
def test_an_inference_says_what_each_part_took(ask: Callable[..., Response], path: str, body: Any) -> None:
    response = ask("POST", path, body)

    number = r"\d+\.\d{3}"
    said = response.headers["server-timing"]
    assert response.status == 200
    assert re.fullmatch(f"decode;dur={number}, run;dur={number}, encode;dur={number}", said)


def test_it_counts_in_milliseconds() -> None:
    response = Response(200, b"", outcome=Outcome(durations=(1_234_567, 89_000_000, 500)))

    complete(Request("POST", "/invocations"), response)

    assert response.headers["server-timing"] == "decode;dur=1.235, run;dur=89.000, encode;dur=0.001"


def test_what_ran_no_model_says_nothing(ask: Callable[..., Response]) -> None:
    assert "server-timing" not in ask("GET", "/v2/models/m").headers
    assert "server-timing" not in ask("POST", "/v1/models/m:predict", {"instances": [["a", 2, 3]]}).headers
