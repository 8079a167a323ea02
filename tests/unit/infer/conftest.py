"""A service over a model of two versions, and what it is asked and answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from despliegue.http import InferenceService, Request, Response
from despliegue.models import ModelRepository

type AddModel = Callable[..., Path]
type Ask = Callable[..., Response]

TWO_BY_TWO = """
    <ir_version: 10, opset_import: ["": 21]>
    g (float[N, 2] x, int64[N] k) => (float[N, 2] double, int64[N] same) { double = Add(x, x)  same = Identity(k) }
"""
X = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2.5]}
K = {"name": "k", "shape": [1], "datatype": "INT64", "data": [7]}


@pytest.fixture
def ask(add_model: AddModel, repository: ModelRepository) -> Ask:
    """Asks a service over model `m`, versions 1 and 2."""
    for version in ("1", "2"):
        add_model(TWO_BY_TWO, version=version)
    service = InferenceService(repository)

    def call(method: str, path: str, body: Any = b"", **headers: str) -> Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return service.handle(Request(method, path, named, data, "request-1"))

    return call


def infer(ask: Ask, *inputs: Any, **more: Any) -> Response:
    return ask("POST", "/v2/models/m/infer", {"inputs": list(inputs), **more})


def error(response: Response) -> str:
    """The message of a failure, which has the contract's form: one key, JSON."""
    document = json.loads(response.body)
    assert list(document) == ["error"]
    assert response.headers["content-type"] == "application/json"
    message: str = document["error"]
    return message
