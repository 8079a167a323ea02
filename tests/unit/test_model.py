"""A model is a session and its signature: arrays in, arrays out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import pytest

from despliegue.errors import InferenceError, ModelNotReady
from despliegue.models import ModelRepository

type AddModel = Callable[..., Path]


def test_outputs_come_in_the_order_that_is_asked_for(add_model: AddModel, repository: ModelRepository) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (float[N] x) => (float[N] one, float[N] two) { one = Identity(x)  two = Add(x, x) }
    """)

    two, one = repository.get("m").run({"x": np.array([1, 2], np.float32)}, ["two", "one"])

    assert two.tolist() == [2.0, 4.0]
    assert one.tolist() == [1.0, 2.0]


@pytest.fixture
def folder_with_weights(add_model: AddModel) -> Path:
    """The folder of a model whose weights [1, 2, 3] lie beside it."""
    folder = add_model()
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (float[N, 3] x) => (float[N, 3] y) { y = Mul(x, w) }
    """)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 2, 3], np.float32), "w"))
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    return folder


def test_weights_beside_the_file_are_found(folder_with_weights: Path, repository: ModelRepository) -> None:
    assert (folder_with_weights / "weights.bin").stat().st_size == 12

    (y,) = repository.get("m").run({"x": np.ones((1, 3), np.float32)}, ["y"])

    assert y.tolist() == [[1.0, 2.0, 3.0]]


def test_missing_external_weights_are_the_reason(folder_with_weights: Path, repository: ModelRepository) -> None:
    (folder_with_weights / "weights.bin").unlink()

    with pytest.raises(ModelNotReady, match=r"weights\.bin"):
        repository.get("m")


def test_a_failing_run_says_which_model_failed(add_model: AddModel, repository: ModelRepository) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (float[N] x, int64[1] shape) => (float[?] y) { y = Reshape(x, shape) }
    """)

    with pytest.raises(InferenceError, match=r"model 'm' version 1 failed while running: .*cannot be reshaped"):
        repository.get("m").run({"x": np.ones(3, np.float32), "shape": np.array([2])}, ["y"])


def test_zeros_fit_every_required_input(add_model: AddModel, repository: ModelRepository) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (float[N, 3] x, string[?] s) => (float[N, 3] y, string[?] t) { y = Identity(x)  t = Identity(s) }
    """)
    model = repository.get("m")

    y, t = model.run(model.zeros(), ["y", "t"])

    assert y.tolist() == [[0.0, 0.0, 0.0]]
    assert t.tolist() == [""]
