"""The HTTP core: a request in, a response out, on real models."""

import json
from typing import Any

import pytest
from tests.unit.infer.conftest import AddModel, Ask, K, X, error, infer

import despliegue
from despliegue.http import InferenceService, Request
from despliegue.models import Manifest, ModelRepository
from despliegue.models.manifest import Feature


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
