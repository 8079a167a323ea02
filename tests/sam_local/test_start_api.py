"""Over HTTP, through `sam local start-api`: what a client sees of the API."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from sklearn.datasets import load_breast_cancer

MODEL = "breast-cancer"
MODEL_FILE = Path(__file__).parents[2] / "layers/models" / MODEL / "1/model.onnx"


@pytest.fixture
def client(start_api: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=start_api, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def rows() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Eight tumours, [8, 30]; the first of them malignant."""
    rows: np.ndarray[tuple[int, int], np.dtype[np.float32]] = load_breast_cancer().data[:8].astype(np.float32)
    return rows


def infer_request(rows: np.ndarray[Any, Any]) -> dict[str, Any]:
    return {"inputs": [{"name": "input", "shape": list(rows.shape), "datatype": "FP32", "data": rows.tolist()}]}


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", f"/v2/models/{MODEL}/ready"])
def test_the_service_and_its_model_are_ready(client: httpx.Client, path: str) -> None:
    reply = client.get(path)

    assert reply.status_code == 200
    assert reply.json()["ready"] is True


def test_the_metadata_names_the_inputs_and_outputs(client: httpx.Client) -> None:
    metadata = client.get(f"/v2/models/{MODEL}").raise_for_status().json()

    assert metadata["name"] == MODEL
    assert metadata["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 30]}]
    assert [output["name"] for output in metadata["outputs"]] == ["label", "probabilities"]


def test_a_malignant_tumour_is_probably_malignant(client: httpx.Client, rows: np.ndarray[Any, Any]) -> None:
    reply = client.post(f"/v2/models/{MODEL}/infer", json=infer_request(rows[:1]))

    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    label, probabilities = reply.json()["outputs"]
    assert label["data"] == ["malignant"]
    assert probabilities["data"][1] > 0.9
    assert sum(probabilities["data"]) == pytest.approx(1)


def test_a_wrong_shape_is_a_400_that_says_what_was_expected(client: httpx.Client, rows: np.ndarray[Any, Any]) -> None:
    reply = client.post(f"/v2/models/{MODEL}/infer", json=infer_request(rows[:, :29]))

    assert reply.status_code == 400
    assert reply.headers["content-type"] == "application/json"
    assert list(reply.json()) == ["error"]
    assert "30" in reply.json()["error"]


@pytest.mark.parametrize("path", ["/v2/models/nobody", f"/v2/models/{MODEL}/versions/99", "/nowhere", "/"])
def test_what_is_not_there_is_a_404(client: httpx.Client, path: str) -> None:
    reply = client.get(path)

    assert reply.status_code == 404
    assert list(reply.json()) == ["error"]


def test_tritonclient_gets_the_numbers_that_onnx_runtime_gives(start_api: str, rows: np.ndarray[Any, Any]) -> None:
    sent = triton.InferInput("input", list(rows.shape), "FP32")
    sent.set_data_from_numpy(rows, binary_data=False)
    wanted = [triton.InferRequestedOutput(name, binary_data=False) for name in ("label", "probabilities")]

    with triton.InferenceServerClient(start_api.removeprefix("http://")) as client:
        # tritonclient sends no Accept, without which start-api takes every reply for base64.
        reply = client.infer(MODEL, [sent], outputs=wanted, headers={"Accept": "*/*"})

    labels, probabilities = run_directly(rows)
    assert reply.as_numpy("label").tolist() == labels.tolist()
    np.testing.assert_array_equal(reply.as_numpy("probabilities"), probabilities)


def test_tritonclient_in_its_default_form_sends_and_gets_raw_bytes(start_api: str, rows: np.ndarray[Any, Any]) -> None:
    sent = triton.InferInput("input", list(rows.shape), "FP32")
    sent.set_data_from_numpy(rows)

    with triton.InferenceServerClient(start_api.removeprefix("http://")) as client:
        reply = client.infer(MODEL, [sent], headers={"Accept": "*/*"})

    labels, probabilities = run_directly(rows)
    assert all("data" not in output for output in reply.get_response()["outputs"])
    assert [label.decode() for label in reply.as_numpy("label")] == labels.tolist()
    np.testing.assert_array_equal(reply.as_numpy("probabilities"), probabilities)


def run_directly(rows: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # has to be there before the import
    import onnxruntime

    session = onnxruntime.InferenceSession(MODEL_FILE, providers=["CPUExecutionProvider"])
    outputs: list[np.ndarray[Any, Any]] = session.run(["label", "probabilities"], {"input": rows})
    return outputs
