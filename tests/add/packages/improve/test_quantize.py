"""Quantising: smaller weights, for a difference that is told; refused where nothing is gained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper
from sklearn.tree import DecisionTreeRegressor

from despliegue.errors import DespliegueError
from despliegue.models import Model, SessionSettings
from despliegue_cli.packages.improve import Improvements, improve
from despliegue_cli.packages.improve.comparing import difference
from despliegue_cli.packages.improve.quantizing import quantize
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


def changes(found: Improvements) -> dict[str, tuple[float, float, float | None]]:
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
        ("double", "Gemm (r2, w3)", "fp16", 3.3),
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
    assert changes(found)["label"] == (0, 0, (now != labels).mean())
    assert changes(found)["probabilities"] == pytest.approx((apart.max(), apart.mean(), None))
    assert 0 < apart.max() < 0.2
    assert (now != labels).mean() < 0.02


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_a_row_is_predicted_the_same_whatever_rows_are_beside_it(
    save: Save, precision: Literal["int8", "fp16"]
) -> None:
    folder, rows = save(perceptron()), ROWS.astype(np.float32)
    improve(folder, {"x": rows}, quantize=precision, measure=False)
    _, alone = predict(folder, rows)

    _, beside = predict(folder, np.concatenate([rows, np.full((1, 16), 1e9, np.float32)]))

    assert (beside[:-1] == alone).all()


def test_what_changes_is_found_on_the_rows_of_the_sample_alone(save: Save) -> None:
    folder, rows = save(perceptron()), ROWS.astype(np.float32)
    labels, _ = predict(folder, rows)
    extremes = np.full((100, 16), np.finfo(np.float32).max, np.float32)  # NaN before and after

    found = improve(folder, {"x": np.concatenate([rows, extremes])}, sample={"x": rows}, quantize="int8", measure=False)

    assert found.accuracy
    assert found.accuracy.rows == 900
    assert changes(found)["label"] == (0, 0, (predict(folder, rows)[0] != labels).mean())


def test_weights_are_stored_small_and_nothing_is_computed_for_them_at_a_call(save: Save, tmp_path: Path) -> None:
    folder = save(perceptron())

    improve(folder, {"x": ROWS.astype(np.float32)}, quantize="int8", measure=False)

    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(onnx.load(folder / "model.onnx"))
    types = {constant.name: constant.data_type for constant in model.graph.initializer if len(constant.dims) > 1}
    assert types["w1 int8"] == types["w2 int8"] == TensorProto.INT8
    assert types["w3"] == TensorProto.FLOAT, "small ones stay"
    options = SessionSettings().options()
    options.optimized_model_filepath = str(tmp_path / "served.onnx")
    onnxruntime.InferenceSession(folder / "model.onnx", options)
    served = {node.op_type for node in onnx.load(tmp_path / "served.onnx").graph.node}
    assert not {"Cast", "Mul", "DequantizeLinear"} & served


def test_columns_of_zeros_and_weights_out_of_range_stay_what_they_are(save: Save) -> None:
    model = perceptron()
    for constant, value in zip(model.graph.initializer[::2], (0.0, 1e6), strict=False):
        weights = numpy_helper.to_array(constant).copy()
        weights[:, 0] = value
        constant.CopyFrom(numpy_helper.from_array(weights, constant.name))
    int8, half = onnx.ModelProto(), onnx.ModelProto()
    for copy in (int8, half):
        copy.CopyFrom(model)
    quantize(int8, "int8")
    quantize(half, "fp16")

    stored = {each.name: numpy_helper.to_array(each) for each in int8.graph.initializer}
    assert not stored["w1 int8"][:, 0].any()
    assert (stored["w2 int8"][:, 0] == 127).all()
    assert stored["w2 scales"][0, 0] == np.float32(1e6) / 127
    assert {each.name for each in half.graph.initializer} >= {"w1 fp16", "w2"}


def test_filters_have_a_scale_each_and_tables_one_a_column() -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["": 21]>
        images (float[N, 8, 9, 9] x, int64[N] word) => (float[N, 32, 7, 7] y, float[N, 16] z) {
            y = Conv (x, filters)
            z = Gather (table, word)
        }
    """)
    for name, shape in {"filters": (32, 8, 3, 3), "table": (100, 16)}.items():
        values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(values, name))

    quantize(model, "int8")

    scales = {each.name: each.dims for each in model.graph.initializer if each.name.endswith("scales")}
    assert scales == {"filters scales": [32, 1, 1, 1], "table scales": [1, 16]}


def test_a_graph_that_was_optimised_before_is_quantised_as_well(save: Save) -> None:
    folder = save(perceptron())
    first = improve(folder, {"x": ROWS.astype(np.float32)}, measure=False)
    assert "FusedGemm" in {node.op_type for node in onnx.load(folder / "model.onnx").graph.node}

    second = improve(folder, {"x": ROWS.astype(np.float32)}, quantize="int8", measure=False)

    assert second.after.size < 0.35 * first.after.size


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


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_trees_are_refused_and_left_as_they_are(save: Save, precision: Literal["int8", "fp16"]) -> None:
    folder = save(trees())
    before = (folder / "model.onnx").read_bytes()

    message = "no MatMul, Gemm, Gather or Conv with large floating-point weights"
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
