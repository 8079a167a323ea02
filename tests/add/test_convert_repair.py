"""ONNX that would not serve as it is, repaired: one batch size to any, ZipMap to a matrix, a locale that is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from despliegue.models import Model, SessionSettings
from despliegue_cli.convert.from_onnx import OnnxModel
from despliegue_cli.convert.messages import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from despliegue_cli.convert import Converted

    type Repair = Callable[[onnx.ModelProto], tuple[OnnxModel, Model]]

FLOAT, STRING = TensorProto.FLOAT, TensorProto.STRING
X = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)


@pytest.fixture
def repair(tmp_path: Path) -> Repair:
    """Gives the original, and what it is converted to, as it is served."""

    def run(model: onnx.ModelProto) -> tuple[OnnxModel, Model]:
        onnx.save(model, tmp_path / "net.onnx")
        original = OnnxModel(tmp_path / "net.onnx", ())
        (tmp_path / "out").mkdir()
        original.convert(tmp_path / "out" / "model.onnx")
        return original, Model.load(tmp_path / "out", "m", "1", SessionSettings())

    return run


def graph(text: str, batch: int = 1) -> onnx.ModelProto:
    """A graph whose text has B for its only batch size, and W for weights [4, 3]."""
    weights = ", ".join(f"{number:.3f}" for number in np.linspace(-1, 1, 12))
    text = text.replace("W", f"float[4, 3] w = {{{weights}}}").replace("B", str(batch))
    model: onnx.ModelProto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> m {text}')
    return model


# ── one batch size ────────────────────────────────────────────────────────────────────────────────────────────────────

PLAIN = "(float[B, 4] x) => (float[B, 3] y) <W> { y = MatMul(x, w) }"
RESHAPED = """(float[B, 4] x) => (float[B, 3] y) <W, int64[3] s = {B, 2, 2}, int64[2] t = {B, -1}> {
    a = Reshape(x, s)
    b = Relu(a)
    c = Reshape(b, t)
    y = MatMul(c, w)
}"""
CONSTANT_NODES = """(float[B, 4] x) => (float[B, 3] y) <W> {
    s = Constant <value_ints = [B, 4, 1]> ()
    t = Constant <value = int64[2] {B, 4}> ()
    a = Reshape(x, s)
    b = Reshape(a, t)
    y = MatMul(b, w)
}"""
WEIGHTS_RESHAPED = """(float[B, 4] x) => (float[B, 3] y) <W, int64[2] s = {B, -1}, int64[2] t = {4, 3}> {
    a = Reshape(w, s)
    b = Reshape(a, t)
    y = MatMul(x, b)
}"""
EXPANDED = """(float[B, 4] x) => (float[B, 5] y) <float[1, 1] one = {1}, int64[2] s = {B, 1}> {
    a = Expand(one, s)
    y = Concat <axis = 1> (a, x)
}"""
MERGED = """(float[B, 4] x) => (float[B, 4] y) <int64[2] s = {4, 2}, int64[2] t = {2, 4}> {
    a = Reshape(x, s)
    b = Softmax(a)
    y = Reshape(b, t)
}"""


@pytest.mark.parametrize(
    ("text", "batch"),
    [
        (PLAIN, 1),
        (PLAIN, 8),
        (RESHAPED, 1),
        (RESHAPED, 8),
        (CONSTANT_NODES, 1),
        (WEIGHTS_RESHAPED, 1),
        (WEIGHTS_RESHAPED, 2),
        (EXPANDED, 1),
        (EXPANDED, 3),
        (MERGED, 2),
    ],
)
def test_a_graph_of_one_batch_size_takes_any_and_predicts_the_same(text: str, batch: int, repair: Repair) -> None:
    original, served = repair(graph(text, batch))
    assert served.signature.inputs["x"].shape == (-1, 4)
    assert served.signature.outputs["y"].shape[0] == -1
    assert f"any number of rows instead of {batch}" in original.source["repaired"]
    expected = original.predict({"x": X})["y"]
    assert len(expected) == len(X)
    for rows in (1, 2, 7):
        (came,) = served.run({"x": X[:rows]}, ["y"])
        np.testing.assert_allclose(came, expected[:rows], atol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "(float[B, 4] x) => (float[B, 4] y) { y = Softmax <axis = 0> (x) }",
        "(float[B, 4] x) => (float[B, 4] y) <float[B, 4] b = {BIAS}> { y = Add(x, b) }",
    ],
)
def test_a_batch_size_that_cannot_be_opened_is_refused_with_how_to_export(text: str, repair: Repair) -> None:
    text = text.replace("BIAS", ", ".join(map(str, range(32))))
    with pytest.raises(ConversionError, match=r"input 'x' takes exactly 8 rows .*: .*; export it with a dynamic batch"):
        repair(graph(text, 8))


def test_several_inputs_of_one_batch_size_are_opened_together(repair: Repair) -> None:
    original, served = repair(graph("(float[B, 4] x, float[B] z) => (float[B, 4] y) <int64[2] s = {B, 1}> "
                                    "{ a = Reshape(z, s)\n y = Add(x, a) }", 2))  # fmt: skip
    arrays = {"x": X, "z": X[:, 0]}
    (came,) = served.run(arrays, ["y"])
    assert np.array_equal(came, original.predict(arrays)["y"])
    assert np.array_equal(came, X + X[:, :1])


@pytest.mark.parametrize(
    "text",
    [
        "(float[4] x) => (float[4] y) { y = Softmax(x) }",  # its only dimension may be the features
        "(float x) => (float y) { y = Neg(x) }",
        "(float[2, 2] x) => (float y) { y = Det(x) }",
        "(float[8, 4] x, float[2, 4] z) => (float[10, 4] y) { y = Concat <axis = 0> (x, z) }",
        "(float[N, 4] x, float[1, 4] z) => (float[N, 4] y) { y = Add(x, z) }",
    ],
)
def test_a_graph_without_a_batch_is_left_as_it_is(text: str, repair: Repair) -> None:
    original, served = repair(graph(text))
    assert "repaired" not in original.source
    shapes = {name: spec.shape for name, spec in served.signature.inputs.items()}
    assert shapes == {name: spec.shape for name, spec in original._model.signature.inputs.items()}


def test_columns_of_a_sample_are_predicted_batch_by_batch(tmp_path: Path) -> None:
    onnx.save(graph(PLAIN, 3), tmp_path / "net.onnx")
    original = OnnxModel(tmp_path / "net.onnx", ("a", "b", "c", "d"))
    assert [feature.name for feature in original.features] == ["a", "b", "c", "d"]
    columns = dict(zip("abcd", X.T.astype(np.float64), strict=True))
    np.testing.assert_allclose(
        original.predict(columns)["y"], X @ np.linspace(-1, 1, 12).round(3).reshape(4, 3), atol=1e-6
    )


def test_a_fixed_batch_is_opened_by_add_without_a_sample(tmp_path: Path, converted: Callable[..., Converted]) -> None:
    onnx.save(graph(RESHAPED, 8), tmp_path / "net.onnx")
    found = converted(tmp_path / "net.onnx")
    assert found.source["repaired"] == "any number of rows instead of 8"
    reference = found.predict({"x": X})
    (came,) = Model.load(found.folder, "m", "1", SessionSettings()).run({"x": X[:3]}, ["y"])
    np.testing.assert_allclose(came, reference.outputs["y"][:3], atol=1e-6)


# ── ZipMap ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def zipped(labels: list[str] | list[int], *, shown: bool = False) -> onnx.ModelProto:
    """A softmax in a ZipMap, as CatBoost writes it; `shown`: the matrix is an output too."""
    classes: dict[str, Any] = {"classlabels_strings" if isinstance(labels[0], str) else "classlabels_int64s": labels}
    nodes = [
        helper.make_node("MatMul", ["features", "w"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probability_tensor"]),
        helper.make_node("ZipMap", ["probability_tensor"], ["probabilities"], domain="ai.onnx.ml", **classes),
    ]
    row = helper.make_tensor_type_proto(FLOAT, [])
    keys = STRING if isinstance(labels[0], str) else TensorProto.INT64
    maps = helper.make_sequence_type_proto(helper.make_map_type_proto(keys, row))
    outputs = [helper.make_value_info("probabilities", maps)]
    if shown:
        outputs.append(helper.make_tensor_value_info("probability_tensor", FLOAT, ["N", 3]))
    inputs = [helper.make_tensor_value_info("features", FLOAT, ["N", 4])]
    weights = numpy_helper.from_array(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3), "w")
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(
        helper.make_graph(nodes, "m", inputs, outputs, [weights]), opset_imports=opsets, ir_version=10
    )


@pytest.mark.parametrize("labels", [["b", "c", "a"], [2, 0, 1], ["a", "b", "c"]])
def test_zipmap_becomes_a_matrix_in_the_order_of_its_labels(labels: Any, repair: Repair) -> None:
    model = zipped(labels)
    original, served = repair(model)
    spec = served.signature.outputs["probabilities"]
    assert (spec.maps, spec.shape, spec.datatype.name) == (False, (-1, 3), "FP32")
    assert original.labels == tuple(map(str, labels))
    (came,) = served.run({"features": X}, ["probabilities"])
    assert np.array_equal(came, original.predict({"features": X})["probabilities"])
    scores = np.exp(X @ np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3))
    np.testing.assert_allclose(came, scores / scores.sum(axis=1, keepdims=True), atol=1e-6)


def test_zipmap_of_skl2onnx_is_dropped(repair: Repair) -> None:
    model = LogisticRegression().fit(X, ["b", "a", "c", "b", "a", "c", "c"])
    original, served = repair(to_onnx(model, X, target_opset={"": 21, "ai.onnx.ml": 3}))
    assert list(served.signature.outputs) == ["output_label", "output_probability"]
    assert original.labels == ("a", "b", "c")
    label, probabilities = served.run({"X": X}, ["output_label", "output_probability"])
    assert label.tolist() == model.predict(X).tolist()
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-6)


def test_zipmap_whose_matrix_is_an_output_too_stays(repair: Repair) -> None:
    original, served = repair(zipped(["b", "c", "a"], shown=True))
    assert served.signature.outputs["probabilities"].maps
    assert original.labels == ()  # ONNX Runtime names them, in its own order
    names = ["probabilities", "probability_tensor"]
    for name, came in zip(names, served.run({"features": X}, names), strict=True):
        assert np.array_equal(came, original.predict({"features": X})[name])


def test_a_repair_is_made_in_a_batch_of_one_size_too(repair: Repair) -> None:
    model = zipped(["b", "c", "a"])
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    original, served = repair(model)
    assert original.source["repaired"] == "a matrix instead of ZipMap, any number of rows instead of 1"
    (came,) = served.run({"features": X}, ["probabilities"])
    np.testing.assert_allclose(came, original.predict({"features": X})["probabilities"], atol=1e-6)


# ── locales ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def normalizer(**attributes: Any) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, STRING, ["N"]) for name in ("x", "y")]
    node = helper.make_node("StringNormalizer", ["x"], ["y"], **attributes)
    opsets = [helper.make_opsetid("", 21)]
    return helper.make_model(
        helper.make_graph([node], "m", values[:1], values[1:]), opset_imports=opsets, ir_version=10
    )


TEXTS = np.array(["ÁRBOL", "Straße", "ñu", "THE"], object)


@pytest.mark.parametrize("locale", ["en_US.UTF-8", "en_US", "es_ES.UTF-8", None])
def test_a_locale_that_lambda_lacks_is_replaced_by_an_equal_one(locale: str | None, repair: Repair) -> None:
    named = {"locale": locale} if locale else {}
    original, served = repair(normalizer(case_change_action="LOWER", **named))
    assert original.source["repaired"] == f"locale C.UTF-8 instead of {locale or 'en_US.UTF-8'}"
    (came,) = served.run({"x": TEXTS}, ["y"])
    assert came.tolist() == ["árbol", "straße", "ñu", "the"]
    assert original.predict({"x": TEXTS})["y"].tolist() == came.tolist()


def test_stop_words_are_compared_as_before(repair: Repair) -> None:
    _, served = repair(normalizer(case_change_action="NONE", is_case_sensitive=0, stopwords=["the", "árbol"]))
    (came,) = served.run({"x": TEXTS}, ["y"])
    assert came.tolist() == ["Straße", "ñu"]


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
def test_a_locale_that_lambda_has_stays(locale: str, repair: Repair) -> None:
    original, _ = repair(normalizer(case_change_action="UPPER", locale=locale))
    assert "repaired" not in original.source


def test_a_locale_without_an_equal_is_refused(repair: Repair) -> None:
    with pytest.raises(
        ConversionError, match=r"the locale 'tr_TR.UTF-8', which Lambda lacks .* lower the texts before"
    ):
        repair(normalizer(case_change_action="LOWER", locale="tr_TR.UTF-8"))
