"""The HTTP core: a request in, a response out, on real models."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import despliegue
from despliegue.http import InferenceService, Request, Response
from despliegue.models import Manifest, ModelRepository
from despliegue.models.manifest import Feature

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


# The endpoints


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_server_metadata(ask: Ask, path: str) -> None:
    response = ask("GET", path)

    assert response.status == 200
    assert json.loads(response.body) == {
        "name": "despliegue",
        "version": despliegue.__version__,
        "extensions": [
            "binary_tensor_data",
            "classification",
            "model_configuration",
            "model_repository",
            "statistics",
        ],
    }


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/health/ready/"])
def test_health_answers_both_keys(ask: Ask, path: str) -> None:
    response = ask("GET", path)

    assert (response.status, json.loads(response.body)) == (200, {"live": True, "ready": True})


@pytest.mark.parametrize(
    ("path", "version"), [("/v2/models/m", "2"), ("/v2/models/m/versions/1", "1"), ("/v2/models/m/versions/2/", "2")]
)
def test_model_metadata(ask: Ask, path: str, version: str) -> None:
    response = ask("GET", path)

    metadata = json.loads(response.body)
    assert response.status == 200
    assert metadata["name"] == "m"
    assert metadata["versions"] == ["1", "2"]
    assert metadata["platform"] == "onnxruntime_onnx"
    assert metadata["inputs"] == [
        {"name": "x", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "k", "datatype": "INT64", "shape": [-1]},
    ]
    assert [output["name"] for output in metadata["outputs"]] == ["double", "same"]
    assert metadata["parameters"]["version"] == version
    assert (response.outcome.model, response.outcome.version) == ("m", version)


def test_metadata_adds_what_the_manifest_says(add_model: AddModel, repository: ModelRepository) -> None:
    Manifest(description="Yes or no", features=(Feature("a"),), labels=("no", "yes")).write(add_model())

    response = InferenceService(repository).handle(Request("GET", "/v2/models/m"))

    assert json.loads(response.body)["parameters"] == {
        "version": "1",
        "description": "Yes or no",
        "features": ["a"],
        "labels": ["no", "yes"],
    }


def test_models_are_listed_without_loading_them(ask: Ask) -> None:
    listed = ask("GET", "/v2/models")
    index = ask("POST", "/v2/repository/index", {})

    assert json.loads(listed.body) == {"models": ["m"]}
    assert json.loads(index.body) == [
        {"name": "m", "version": version, "state": "UNKNOWN", "reason": "loads on first use"} for version in ("1", "2")
    ]


def test_the_index_can_be_limited_to_what_is_ready(ask: Ask) -> None:
    infer(ask, X, K)

    response = ask("POST", "/v2/repository/index", {"ready": True})

    assert json.loads(response.body) == [{"name": "m", "version": "2", "state": "READY", "reason": ""}]
    assert error(ask("POST", "/v2/repository/index", {"ready": 1})) == "ready is a number; expected true or false"
    assert ask("POST", "/v2/repository/index").status == 200, "an empty body is no filter"


@pytest.mark.parametrize("path", ["/v2/models/m/ready", "/v2/models/m/versions/1/ready"])
def test_a_model_that_loads_is_ready(ask: Ask, path: str) -> None:
    response = ask("GET", path)

    assert (response.status, json.loads(response.body)) == (200, {"name": "m", "ready": True, "live": True})


@pytest.mark.parametrize(("path", "version"), [("/v2/models/m/infer", "2"), ("/v2/models/m/versions/1/infer", "1")])
def test_inference(ask: Ask, path: str, version: str) -> None:
    response = ask("POST", path, {"inputs": [X, K]}, content_type="application/json; charset=utf-8")

    assert response.status == 200
    assert json.loads(response.body) == {
        "model_name": "m",
        "model_version": version,
        "outputs": [
            {"name": "double", "datatype": "FP32", "shape": [1, 2], "data": [2.0, 5.0]},
            {"name": "same", "datatype": "INT64", "shape": [1], "data": [7]},
        ],
    }
    assert response.outcome.rows == 1


def test_the_id_is_echoed_and_unknown_keys_are_ignored(ask: Ask) -> None:
    nested = {**X, "data": [[1, 2.5]], "parameters": {"binary_data": False}, "comment": ["[", [1]]}

    response = infer(ask, nested, K, id="abc", parameters={"priority": 1}, more=[[[]]])

    assert json.loads(response.body)["id"] == "abc"
    assert json.loads(response.body)["outputs"][0]["data"] == [2.0, 5.0]


def test_only_the_wanted_outputs_come_in_the_wanted_order(ask: Ask) -> None:
    response = infer(ask, X, K, outputs=[{"name": "same", "parameters": {"binary_data": False}}])

    assert [output["name"] for output in json.loads(response.body)["outputs"]] == ["same"]


def test_head_is_get(ask: Ask) -> None:
    assert ask("HEAD", "/v2/health/live").status == 200
    assert ask("HEAD", "/v2/models/m/infer").status == 405


@pytest.mark.parametrize("path", ["/v2/models/m/config", "/v2/models/m/versions/1/config"])
def test_the_configuration_is_what_triton_would_say(ask: Ask, path: str) -> None:
    configuration = json.loads(ask("GET", path).body)

    assert configuration["platform"] == "onnxruntime_onnx"
    assert configuration["max_batch_size"] == 0
    assert configuration["input"] == [
        {"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 2]},
        {"name": "k", "data_type": "TYPE_INT64", "dims": [-1]},
    ]


def test_statistics_count_inferences_by_version(ask: Ask) -> None:
    infer(ask, {**X, "shape": [2, 2], "data": [1, 2, 3, 4]}, {**K, "shape": [2], "data": [1, 2]})
    infer(ask, X, K)
    infer(ask, X)

    two = json.loads(ask("GET", "/v2/models/m/versions/2/stats").body)["model_stats"]
    every = json.loads(ask("GET", "/v2/models/stats").body)["model_stats"]

    assert two == [every[1]] == [json.loads(ask("GET", "/v2/models/m/stats").body)["model_stats"][1]]
    assert (every[0]["version"], every[0]["inference_count"]) == ("1", 0)
    (counted,) = two
    assert (counted["inference_count"], counted["execution_count"]) == (3, 2)
    assert counted["inference_stats"]["success"]["count"] == 2
    assert counted["inference_stats"]["compute_infer"]["ns"] > 0
    assert counted["inference_stats"]["success"]["ns"] >= counted["inference_stats"]["compute_infer"]["ns"]
    assert counted["last_inference"] > 1_700_000_000_000
    assert ask("GET", "/v2/models/m/versions/9/stats").status == 404
    assert ask("GET", "/v2/models/nope/stats").status == 404


@pytest.mark.parametrize("keys", [("int64s", "[5, 3]", [3, 5]), ("strings", '["b", "a"]', ["a", "b"])])
def test_a_sequence_of_maps_is_a_matrix_with_its_keys(
    add_model: AddModel, repository: ModelRepository, keys: tuple[str, str, list[Any]]
) -> None:
    kind, given, expected = keys
    add_model(f"""
        <ir_version: 10, opset_import: ["": 21, "ai.onnx.ml": 3]>
        g (float[N, 2] x) => (seq(map({kind.removesuffix("s")}, float)) y)
        {{ y = ai.onnx.ml.ZipMap <classlabels_{kind} = {given}> (x) }}
    """)
    x = {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}
    request = Request("POST", "/v2/models/m/infer", body=json.dumps({"inputs": [x]}).encode())

    (output,) = json.loads(InferenceService(repository).handle(request).body)["outputs"]

    # ONNX Runtime sorts the keys; the columns follow.
    assert output == {
        "name": "y",
        "datatype": "FP32",
        "shape": [2, 2],
        "parameters": {"labels": expected},
        "data": [2, 1, 4, 3],
    }


# Bad input: each with its status, naming what was wrong, what was expected and what came


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([X], "missing input 'k'; came 'x'"),
        ([], "missing input 'x', 'k'; came none"),
        ([X, K, X], "input 'x' is given twice"),
        ([X, K, {**X, "name": "z"}], "unknown input 'z'; expected 'x', 'k'"),
        ([X, {"shape": [1], "datatype": "INT64", "data": [7]}], "inputs: name is missing; expected a string"),
        ([X, {**K, "name": 3}], "inputs: name is a number; expected a string"),
        ([X, {**K, "datatype": "FP32"}], "input 'k': datatype is 'FP32'; expected INT64"),
        ([X, {**K, "datatype": "LONG"}], "input 'k': datatype is 'LONG', which is no datatype; expected INT64"),
        ([X, {**K, "datatype": None}], "input 'k': datatype is null; expected a string"),
        ([X, {**K, "shape": [1, 1]}], "input 'k': shape [1, 1] does not fit the model's [-1]"),
        ([{**X, "shape": [1, 3]}, K], "input 'x': shape [1, 3] does not fit the model's [-1, 2]"),
        ([{**X, "shape": [-1, 2]}, K], "input 'x': shape is [-1, 2]; expected an array of integers ≥ 0"),
        ([{**X, "shape": [1.0, 2]}, K], "input 'x': shape is [1.0, 2]; expected an array of integers ≥ 0"),
        ([{**X, "shape": [True, 2]}, K], "expected an array of integers ≥ 0"),
        ([{**X, "shape": "[1, 2]"}, K], "input 'x': shape is '[1, 2]'; expected an array of integers ≥ 0"),
        ([{**X, "shape": [2, 2]}, K], "input 'x': shape [2, 2] does not fit its data: it needs 4 values, data has 2"),
        ([{**X, "shape": [10**12, 2]}, K], "it needs 2000000000000 values, data has 2"),
        ([{**X, "shape": [10**18, 2]}, K], "it needs 2000000000000000000 values, data has 2"),
        ([{**X, "shape": [10**30, 2]}, K], "values, data has 2"),
        ([{"name": "x", "shape": [1, 2], "datatype": "FP32"}, K], "input 'x': it has no data"),
        ([{**X, "data": [1, [2]]}, K], "input 'x': value 1 is an array; FP32 expects a number or null"),
        ([{**X, "data": [[1, [2]]]}, K], "input 'x': value 1 is an array; FP32 expects a number or null"),
        ([{**X, "data": [[1], 2]}, K], "input 'x': shape [1, 2] does not fit its data"),
        ([{**X, "data": ["1", 2]}, K], "input 'x': value 0 is '1'; FP32 expects a number or null"),
        ([{**X, "data": [1e39, 2]}, K], "input 'x': value 0 is 1e+39, which is out of the range of FP32"),
        ([X, 3], "inputs[1] is a number; expected an object"),
        ([[X]], "inputs[0] is an array; expected an object"),
    ],
)
def test_inputs_that_do_not_fit_are_400(ask: Ask, inputs: list[Any], says: str) -> None:
    response = infer(ask, *inputs)

    assert response.status == 400
    assert says in error(response)
    assert response.outcome.error == "InvalidRequest"
    assert response.outcome.model == "m"


def test_a_huge_shape_with_little_data_allocates_nothing(ask: Ask) -> None:
    infer(ask, X, K)
    tracemalloc.start()
    try:
        response = infer(ask, {**X, "shape": [10**9, 2]}, K)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert response.status == 400
    assert peak < 100_000
    empty = infer(ask, {**X, "shape": [10**9, 0], "data": []}, K)
    assert "does not fit the model's [-1, 2]" in error(empty)


def test_an_empty_tensor_may_not_be_large(add_model: AddModel, repository: ModelRepository) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (float[N, T] x) => (float[N] y)
        { axes = Constant <value = int64[1] {1}> ()  y = ReduceSum <keepdims = 0> (x, axes) }
    """)
    service = InferenceService(repository)

    def ask_for(rows: int) -> Response:
        tensor = {"name": "x", "shape": [rows, 0], "datatype": "FP32", "data": []}
        return service.handle(Request("POST", "/v2/models/m/infer", body=json.dumps({"inputs": [tensor]}).encode()))

    assert json.loads(ask_for(3).body)["outputs"][0]["data"] == [0, 0, 0]
    assert "is empty but large; its other dimensions may multiply to 65,536" in error(ask_for(30_000_000))


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


PAIR = """
    <ir_version: 10, opset_import: ["": 21]>
    g (float[N] a, float[N] b, int64[M] i) => (float[N] sum, float[M] picked) { sum = Add(a, b)  picked = Gather(a, i) }
"""


@pytest.mark.parametrize(
    ("a", "b", "i", "says"),
    [
        ([1, 2], [1, 2, 3], [0], "input 'b': dimension N is 3, but input 'a' has 2"),
        ([1, 2], [1, 2], [7], "model 'm' refused its inputs: indices element out of data bounds"),
    ],
)
def test_inputs_that_do_not_go_together_are_400(
    add_model: AddModel, repository: ModelRepository, a: list[int], b: list[int], i: list[int], says: str
) -> None:
    add_model(PAIR)
    inputs = [
        {"name": name, "shape": [len(data)], "datatype": datatype, "data": data}
        for name, datatype, data in (("a", "FP32", a), ("b", "FP32", b), ("i", "INT64", i))
    ]
    request = Request("POST", "/v2/models/m/infer", body=json.dumps({"inputs": inputs}).encode())

    response = InferenceService(repository).handle(request)

    assert response.status == 400
    assert says in error(response)


def test_an_input_of_unknown_rank_takes_any(add_model: AddModel, repository: ModelRepository) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (float x) => (float y) { y = Identity(x) }
    """)
    service = InferenceService(repository)

    deep = {"name": "x", "shape": [1] * 65, "datatype": "FP32", "data": [1]}
    refused = service.handle(Request("POST", "/v2/models/m/infer", body=json.dumps({"inputs": [deep]}).encode()))
    assert refused.status == 400

    for shape, data in (([], [3.0]), ([2], [1.0, 2.0])):
        tensor = {"name": "x", "shape": shape, "datatype": "FP32", "data": data}
        response = service.handle(Request("POST", "/v2/models/m/infer", body=json.dumps({"inputs": [tensor]}).encode()))
        (output,) = json.loads(response.body)["outputs"]
        assert (output["shape"], output["data"]) == (shape, data)


def test_our_own_mistakes_are_500_without_a_traceback(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelRepository, "index", lambda self: 1 / 0)

    response = ask("GET", "/v2/models")

    assert response.status == 500
    assert error(response) == "internal error; request id request-1"
    assert isinstance(response.outcome.failure, ZeroDivisionError)
