"""Requests, addresses and models that cannot be served: each with its status, and a message that says why."""

import json
from typing import Any

import pytest
from tests.unit.infer.conftest import AddModel, Ask, K, X, error

from despliegue.http import InferenceService, Request
from despliegue.models import ModelRepository


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"inputs": {"x": 1}}, "inputs is an object; expected an array of objects"),
        ({"inputs": "x"}, "inputs is a string; expected an array of objects"),
        ({}, "missing input 'x', 'k'; came none"),
        ({"inputs": [X, K], "outputs": [{"name": "z"}]}, "unknown output 'z'; expected 'double', 'same'"),
        ({"inputs": [X, K], "outputs": [{"name": "same"}] * 2}, "output 'same' is asked for twice"),
        ({"inputs": [X, K], "outputs": ["same"]}, "outputs[0] is a string; expected an object"),
        ({"inputs": [X, K], "id": 7}, "id is a number; expected a string"),
        (b"", "the body is empty"),
        (b"{", "not valid JSON"),
        (b'{"inputs": [{"name": "x", "data": [NaN]}]}', "NaN is not a JSON value; write null"),
        (b"\xff", "not UTF-8"),
        (b"[]", "the body is an array; expected a JSON object"),
        (b'{"inputs": [], "inputs": []}', "the key 'inputs' is there twice in one object"),
        (b'{"inputs": [{"name": "x", "name": "k"}]}', "the key 'name' is there twice in one object"),
        (b'{"inputs": [{"shape": [1e999], "shape": []}]}', "the key 'shape' is there twice in one object"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_a_body_that_is_no_request_is_400(ask: Ask, body: Any, says: str) -> None:
    response = ask("POST", "/v2/models/m/infer", body)

    assert response.status == 400
    assert says in error(response)


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/", 404, "there is no path '/'"),
        ("GET", "/v3/models", 404, "there is no path '/v3/models'; the API starts at /v2"),
        ("POST", "/v2/models/m/infer/more", 404, "there is no path"),
        ("GET", "/v2/models/nope", 404, "there is no model 'nope'"),
        ("GET", "/v2/models/" + "x" * 5000, 404, "there is no model 'xxx"),
        ("GET", "/v2/models/a\0b", 404, "there is no model"),
        ("GET", "/v2//", 404, "there is no path '/v2//'"),
        ("GET", "/v2/models//ready", 404, "there is no path"),
        ("POST", "/v2/models/nope/infer", 404, "there is no model 'nope'"),
        ("GET", "/v2/models/nope/ready", 404, "there is no model 'nope'"),
        ("GET", "/v2/models/..", 404, "there is no model '..'"),
        ("POST", "/v2/models/m/versions/9/infer", 404, "model 'm' has no version '9'; it has 1, 2"),
        ("GET", "/v2/models/m/infer", 405, "'/v2/models/m/infer' takes POST, not 'GET'"),
        ("DELETE", "/v2/models/m", 405, "'/v2/models/m' takes GET, HEAD, not 'DELETE'"),
        ("GET", "/v2/repository/index", 405, "takes POST, not 'GET'"),
        ("BREW" * 100, "/v2", 405, "takes GET, HEAD, not 'BREWBREW"),
    ],
)
def test_what_is_not_there(ask: Ask, method: str, path: str, status: int, says: str) -> None:
    response = ask(method, path, {"inputs": [X, K]})

    assert response.status == status
    assert says in error(response)
    assert response.headers.get("allow") == ({405: "POST" if "POST" in says else "GET, HEAD"}.get(status))
    assert response.outcome.model == "", "an unknown name must not become a metric's dimension"


def test_another_content_type_is_415(ask: Ask) -> None:
    response = ask("POST", "/v2/models/m/infer", b"a=1", content_type="application/x-www-form-urlencoded")

    assert response.status == 415
    assert (
        error(response)
        == "content type is 'application/x-www-form-urlencoded'; expected application/json or application/octet-stream"
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/repository/models/m/load"),
        ("POST", "/v2/repository/models/m/unload"),
        ("GET", "/v2/trace/setting"),
        ("POST", "/v2/logging"),
        ("GET", "/v2/systemsharedmemory/status"),
        ("GET", "/v2/cudasharedmemory/status"),
    ],
)
def test_what_only_an_operator_does_is_501(ask: Ask, method: str, path: str) -> None:
    response = ask(method, path)

    assert response.status == 501
    assert "is not served: models are deployed, not managed by callers" in error(response)


def test_a_broken_model_is_not_ready_and_says_why(add_model: AddModel, repository: ModelRepository) -> None:
    (add_model() / "model.onnx").write_bytes(b"")
    service = InferenceService(repository)

    ready = service.handle(Request("GET", "/v2/models/m/ready"))
    answer = service.handle(Request("POST", "/v2/models/m/infer", body=b"{}", id="request-1"))
    index = service.handle(Request("POST", "/v2/repository/index"))

    assert ready.status == 400, "the protocol: a 4xx says that it is not ready"
    assert json.loads(ready.body)["ready"] is False
    assert "cannot load model.onnx" in json.loads(ready.body)["error"]
    assert answer.status == 500
    assert "model 'm' version 1 is not ready" in error(answer)
    assert error(answer).endswith("request id request-1")
    assert json.loads(index.body)[0]["state"] == "UNAVAILABLE"


def test_a_model_of_types_that_are_not_served_is_501(add_model: AddModel, repository: ModelRepository) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (float[N] x) => (seq(float[N]) y) { y = SequenceConstruct(x) }
    """)

    response = InferenceService(repository).handle(Request("POST", "/v2/models/m/infer", body=b"{}"))

    assert response.status == 501
    assert "'y' is of type seq(tensor(float)), which is not served" in error(response)


def test_a_model_that_fails_while_running_is_500_with_the_request_id(
    add_model: AddModel, repository: ModelRepository
) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (float[N] x, int64[1] shape) => (float[?] y) { y = Reshape(x, shape) }
    """)
    x = {"name": "x", "shape": [3], "datatype": "FP32", "data": [1, 2, 3]}
    shape = {"name": "shape", "shape": [1], "datatype": "INT64", "data": [2]}
    body = json.dumps({"inputs": [x, shape]}).encode()

    response = InferenceService(repository).handle(Request("POST", "/v2/models/m/infer", body=body, id="request-1"))

    assert response.status == 500
    assert "model 'm' version 1 failed while running" in error(response)
    assert "request-1" in error(response)
    assert "onnxruntime_src" not in error(response)
    assert response.outcome.error == "InferenceError"


def test_our_own_mistakes_are_500_without_a_traceback(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelRepository, "index", lambda self: 1 / 0)

    response = ask("GET", "/v2/models")

    assert response.status == 500
    assert error(response) == "internal error; request id request-1"
    assert isinstance(response.outcome.failure, ZeroDivisionError)
