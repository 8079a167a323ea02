"""Triton's own client, in JSON mode, against `despliegue serve`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


@pytest.fixture
def client(serve: Callable[..., Any], models: Path) -> Any:
    return triton.InferenceServerClient(f"127.0.0.1:{serve(models).port}")


def tensor(name: str, array: Any, datatype: str) -> Any:
    given = triton.InferInput(name, array.shape, datatype)
    given.set_data_from_numpy(array, binary_data=False)
    return given


def test_what_the_client_asks_about_the_server(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("breast-cancer")
    assert client.is_model_ready("breast-cancer", "1")
    assert client.get_server_metadata()["name"] == "despliegue"
    assert client.get_model_metadata("breast-cancer")["inputs"][0]["datatype"] == "FP32"
    assert client.get_model_repository_index()[0]["state"] == "READY"


def test_an_inference_gives_onnx_runtimes_own_numbers(client: Any, models: Path) -> None:
    rows = np.random.default_rng(0).uniform(0, 30, (50, 30)).astype(np.float32)
    wanted = [triton.InferRequestedOutput(name, binary_data=False) for name in ("probabilities", "label")]

    result = client.infer("breast-cancer", [tensor("input", rows, "FP32")], outputs=wanted, request_id="r-1")

    session = ort.InferenceSession(models / "breast-cancer" / "1" / "model.onnx")
    label, probabilities = session.run(["label", "probabilities"], {"input": rows})
    np.testing.assert_array_equal(result.as_numpy("probabilities"), probabilities)
    assert result.as_numpy("label").tolist() == label.tolist()
    assert result.get_response()["id"] == "r-1"


def test_an_error_reaches_the_client_as_its_message(client: Any) -> None:
    rows = np.zeros((1, 29), np.float32)

    with pytest.raises(InferenceServerException, match=r"shape \[1, 29\] does not fit the model's \[-1, 30\]"):
        client.infer("breast-cancer", [tensor("input", rows, "FP32")])
    with pytest.raises(InferenceServerException, match="there is no model 'lung-cancer'"):
        client.get_model_metadata("lung-cancer")
    assert not client.is_model_ready("lung-cancer")
