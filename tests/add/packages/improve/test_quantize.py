"""Quantising: smaller weights, for a difference that is told; refused where nothing is gained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, numpy_helper
from sklearn.tree import DecisionTreeRegressor

from despliegue.errors import DespliegueError
from despliegue.models import Model, SessionSettings
from despliegue_cli.packages.improve import Improvements, improve
from despliegue_cli.packages.improve.comparing import difference
from despliegue_cli.trees import emit
from despliegue_cli.trees.sklearn_trees import read

type Array = np.ndarray[Any, np.dtype[Any]]
type Save = Callable[[onnx.ModelProto], Path]

ROWS = np.random.default_rng(1).normal(size=(900, 16))


def perceptron(kind: str = "float", last: str = "MatMul (r2, w3)") -> onnx.ModelProto:
    """Layers of 16, 256, 64 and 3, and the class; weights of a kind."""
    model = onnx.parser.parse_model(f"""
        <ir_version: 10, opset_import: ["": 21]>
        perceptron ({kind}[N, 16] x) => (int64[N] label, {kind}[N, 3] probabilities) {{
            m = MatMul (x, w1)
            a = Add (m, b1)
            r = Relu (a)
            m2 = MatMul (r, w2)
            r2 = Relu (m2)
            o = {last}
            probabilities = Softmax (o)
            label = ArgMax <axis = 1, keepdims = 0> (probabilities)
        }}
    """)
    draw = np.random.default_rng(0)
    dtype = np.float32 if kind == "float" else np.float64
    for name, shape in {"w1": (16, 256), "b1": (256,), "w2": (256, 64), "w3": (64, 3), "b3": (3,)}.items():
        model.graph.initializer.append(numpy_helper.from_array(draw.normal(0, 0.15, shape).astype(dtype), name))
    return model


def trees() -> onnx.ModelProto:
    return emit(read(DecisionTreeRegressor(random_state=0).fit(ROWS, ROWS.sum(axis=1))))


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(model: onnx.ModelProto) -> Path:
        onnx.save(model, tmp_path / "model.onnx")
        return tmp_path

    return write


def predict(folder: Path, rows: Array) -> tuple[Array, Array]:
    label, probabilities = Model.load(folder, "m", "1", SessionSettings()).run({"x": rows}, ["label", "probabilities"])
    return label, probabilities


def changes(found: Improvements) -> dict[str, tuple[float, float, float]]:
    assert found.accuracy
    return {each.output: (each.largest, each.mean, each.changed) for each in found.accuracy.outputs}


@pytest.mark.parametrize(
    ("kind", "last", "precision", "smaller"),
    [
        ("float", "MatMul (r2, w3)", "int8", 3.0),
        ("float", "Gemm (r2, w3, b3)", "int8", 3.0),
        ("double", "MatMul (r2, w3)", "int8", 6.0),
        ("double", "Gemm (r2, w3, b3)", "int8", 6.0),
        ("float", "MatMul (r2, w3)", "fp16", 1.9),
        ("double", "Gemm (r2, w3)", "fp16", 3.5),
    ],
)
def test_a_perceptron_gets_smaller_and_is_told_what_changed(
    save: Save, kind: str, last: str, precision: Literal["int8", "fp16"], smaller: float
) -> None:
    folder = save(perceptron(kind, last))
    rows = ROWS.astype(np.float32 if kind == "float" else np.float64)
    before = Model.load(folder, "m", "1", SessionSettings()).signature
    labels, probabilities = predict(folder, rows)

    found = improve(folder, {"x": rows}, quantize=precision, measure=False)

    after = Model.load(folder, "m", "1", SessionSettings()).signature
    assert list(after.inputs.values()) == list(before.inputs.values())
    assert list(after.outputs.values()) == list(before.outputs.values())
    assert found.quantized == precision
    assert found.before.size > smaller * found.after.size
    now, then = predict(folder, rows)
    apart = np.abs(then.astype(float) - probabilities)
    assert found.accuracy
    assert found.accuracy.rows == 900
    assert changes(found)["label"] == pytest.approx((0, 0, (now != labels).mean()))
    assert changes(found)["probabilities"] == pytest.approx((apart.max(), apart.mean(), 0))
    assert 0 < apart.max() < 0.2
    assert (now != labels).mean() < 0.02


def test_int8_is_fused_for_any_processor(save: Save) -> None:
    folder = save(perceptron())

    improve(folder, {"x": ROWS.astype(np.float32)}, quantize="int8", measure=False)

    model = onnx.load(folder / "model.onnx")
    assert "DynamicQuantizeMatMul" in {node.op_type for node in model.graph.node}
    types = {constant.data_type for constant in model.graph.initializer if constant.dims and constant.dims[0] > 3}
    assert TensorProto.UINT8 in types
    assert TensorProto.INT8 not in types


def test_a_graph_that_was_optimised_before_is_quantised_where_it_can_be(save: Save) -> None:
    folder = save(perceptron())
    first = improve(folder, {"x": ROWS.astype(np.float32)}, measure=False)
    assert "FusedGemm" in {node.op_type for node in onnx.load(folder / "model.onnx").graph.node}

    second = improve(folder, {"x": ROWS.astype(np.float32)}, quantize="int8", measure=False)

    assert second.after.size < 0.6 * first.after.size


def test_fp16_is_not_optimised_for_this_processor(save: Save) -> None:
    folder = save(perceptron())

    found = improve(folder, {"x": ROWS.astype(np.float32)}, quantize="fp16", measure=False)

    assert not found.steps[-1].kept
    assert "float16" in found.steps[-1].why
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {""}


def test_a_graph_that_was_quantised_before_is_fused_where_it_is_served(save: Save) -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["": 21]>
        before (float[N, 16] x) => (float[N, 8] y) <float scale = {0.05}, uint8 middle = {128}, int8 zero = {0}> {
            q = QuantizeLinear (x, scale, middle)
            d = DequantizeLinear (q, scale, middle)
            w = DequantizeLinear (weights, scale, zero)
            m = MatMul (d, w)
            r = QuantizeLinear (m, scale, middle)
            same = Identity (r)
            y = DequantizeLinear (same, scale, middle)
        }
    """)
    weights = np.random.default_rng(0).integers(-128, 128, (16, 8), np.int8)
    model.graph.initializer.append(numpy_helper.from_array(weights, "weights"))
    folder = save(model)

    improve(folder, {"x": ROWS.astype(np.float32)}, measure=False)

    # On x86 ONNX Runtime would make it QLinearMatMul with uint8 weights, which is slow elsewhere.
    after = onnx.load(folder / "model.onnx")
    assert sorted(node.op_type for node in after.graph.node) == [
        *["DequantizeLinear"] * 3,
        "MatMul",
        *["QuantizeLinear"] * 2,
    ]
    assert TensorProto.INT8 in {constant.data_type for constant in after.graph.initializer}


@pytest.mark.parametrize(
    ("precision", "message"),
    [("int8", "no MatMul, Gemm or Gather with floating-point weights"), ("fp16", "not worth a difference")],
)
def test_trees_are_refused_and_left_as_they_are(save: Save, precision: Literal["int8", "fp16"], message: str) -> None:
    folder = save(trees())
    before = (folder / "model.onnx").read_bytes()

    with pytest.raises(DespliegueError, match=message) as raised:
        improve(folder, {"input": ROWS}, quantize=precision, measure=False)

    assert "leave --quantize out" in str(raised.value)
    assert (folder / "model.onnx").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize(("before", "after"), [(1.0, np.inf), (1.0, np.nan), (np.nan, 1.0), (np.inf, -np.inf)])
def test_numbers_that_leave_the_range_are_refused(before: float, after: float) -> None:
    one, other = ({"y": [np.array([value, 2, np.nan], np.float32)]} for value in (before, after))

    with pytest.raises(DespliegueError, match="'y' is NaN or infinite in 1 places"):
        difference(one, other, 3)

    assert difference(one, one, 3).outputs[0].largest == 0


def test_the_difference_of_strings_is_the_share_that_changed() -> None:
    one = {"label": [np.array(["a"], object), np.array(["a", "b", "a", "b"], object)]}
    other = {"label": [np.array(["a"], object), np.array(["a", "b", "b", "b"], object)]}

    found = difference(one, other, 4)

    assert found.rows == 4
    assert [(each.output, each.changed) for each in found.outputs] == [("label", 0.25)]
