"""Where weights lie, and what happens to the folder."""

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, numpy_helper
from tests.add.packages.improve.graphs import Save, answers, graph, images, kept, network, weights

from despliegue.errors import DespliegueError
from despliegue.models.manifest import Feature, Manifest
from despliegue_cli.packages.improve import improve


def test_large_weights_lie_beside_the_graph_on_pages_of_their_own(save: Save) -> None:
    text = """
        <ir_version: 10, opset_import: ["": 21]>
        dense (float[N, 600] x) => (float[N, 600] y) { m = MatMul (x, w)  a = Add (m, b)  y = MatMul (a, again) }
    """
    w = np.random.default_rng(0).normal(size=(600, 600)).astype(np.float32)
    model = graph(text, {"w": w, "b": w[0], "again": w.copy()})
    folder = save(model, save_as_external_data=True, location="weights.bin", size_threshold=0)
    rows = {"x": w[:20]}
    before = answers(folder, rows)

    found = improve(folder, rows, measure=False)

    assert answers(folder, rows) == before
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "model.onnx.data"]
    constants = onnx.load(folder / "model.onnx", load_external_data=False).graph.initializer
    outside = {each.name: {entry.key: entry.value for entry in each.external_data} for each in constants}
    assert outside == {"w": {"location": "model.onnx.data", "offset": "0", "length": "1440000"}, "b": {}}
    assert found.after.size == sum(path.stat().st_size for path in folder.iterdir()) < 0.6 * found.before.size

    again = improve(folder, rows, measure=False)

    assert not kept(again)
    assert answers(folder, rows) == before


def test_few_weights_lie_in_the_graph(save: Save) -> None:
    folder = save(network(), save_as_external_data=True, location="few.bin", size_threshold=0)
    before = answers(folder, images())

    improve(folder, images(), measure=False)

    assert [path.name for path in folder.iterdir()] == ["model.onnx"]
    assert answers(folder, images()) == before


def test_weights_that_were_inside_move_out_where_there_are_many(save: Save) -> None:
    text = """
        <ir_version: 10, opset_import: ["": 21]>
        dense (float[N, 600] x) => (float[N, 600] y) { y = MatMul (x, w) }
    """
    model = graph(text, weights({"w": (600, 600)}))
    values = model.graph.initializer[0]
    model.graph.initializer[0].CopyFrom(  # as values, not as bytes
        onnx.helper.make_tensor("w", TensorProto.FLOAT, [600, 600], numpy_helper.to_array(values).ravel())
    )
    folder = save(model)
    (folder / "note.txt").write_text("stays")

    found = improve(folder, {"x": np.ones((3, 600), np.float32)}, measure=False)

    assert "storage of weights" in kept(found)
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "model.onnx.data", "note.txt"]
    assert (folder / "model.onnx.data").stat().st_size == 1_440_000


def test_small_integers_stay_in_the_form_that_takes_fewer_bytes(save: Save) -> None:
    text = """
        <ir_version: 10, opset_import: ["": 21]>
        table (int64[N] x) => (int64[N] y) { same = Identity (x)  y = Gather (integers, same) }
    """
    model = graph(text, {})
    model.graph.initializer.append(onnx.helper.make_tensor("integers", TensorProto.INT64, [4000], range(4000)))
    folder = save(model)

    found = improve(folder, {"x": np.arange(5)}, measure=False)

    assert "Identity nodes out" in kept(found)
    assert found.after.size < found.before.size < 10_000


def test_a_package_with_a_manifest_is_improved_where_it_lies(save: Save) -> None:
    folder = save(network())
    manifest = Manifest(features=(Feature("a"), Feature("b")))
    manifest.write(folder)

    improve(folder, images(), measure=False)

    manifest.write(folder)
    assert answers(folder, images(2))["y"]


def test_rows_that_the_model_refuses_are_refused_and_nothing_changes(save: Save) -> None:
    folder = save(network())
    before = (folder / "model.onnx").read_bytes()

    with pytest.raises(DespliegueError, match="refused its inputs"):
        improve(folder, {**images(), "x": np.ones((30, 9), np.float32)}, measure=False)

    assert [path.name for path in folder.iterdir()] == ["model.onnx"]
    assert (folder / "model.onnx").read_bytes() == before
