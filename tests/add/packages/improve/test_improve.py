"""A package that is improved answers the same to the last bit, with less to load; or it stays as it is."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnx.parser
from onnx import TensorProto, numpy_helper
from sklearn.ensemble import RandomForestRegressor
from tests.add.packages.improve.graphs import (
    OPTIMIZED,
    WIDE,
    Arrays,
    Save,
    answers,
    graph,
    images,
    kept,
    network,
    weights,
)

from despliegue.models import Model, SessionSettings
from despliegue_cli.packages.improve import Improvements, improve
from despliegue_cli.trees import emit
from despliegue_cli.trees.sklearn_trees import read


def test_a_network_gets_simpler_and_answers_the_same(save: Save) -> None:
    folder, rows = save(network()), images()
    before = answers(folder, rows)

    found = improve(folder, rows, measure=False)

    assert answers(folder, rows) == before
    after = onnx.load(folder / "model.onnx")
    operators = [node.op_type for node in after.graph.node]
    assert not {"Identity", "Exp", "Neg", "BatchNormalization"} & set(operators)
    assert len(operators) <= 9
    assert "unused" not in {constant.name for constant in after.graph.initializer}
    assert kept(found) >= {"unused nodes and weights out", "equal weights merged", "Identity nodes out", OPTIMIZED}
    assert found.after.size == (folder / "model.onnx").stat().st_size < found.before.size
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]
    assert msgspec.json.decode(msgspec.json.encode(found), type=Improvements) == found


def test_nothing_in_the_file_is_for_this_processor(save: Save) -> None:
    folder = save(network())

    improve(folder, images(), measure=False)

    model = onnx.load(folder / "model.onnx")
    assert {node.domain for node in model.graph.node} == {"", "com.microsoft"}
    assert sorted(each.domain for each in model.opset_import) == ["", "com.microsoft"]


def test_inputs_and_outputs_stay_and_so_do_open_dimensions(save: Save) -> None:
    folder = save(network())
    before = Model.load(folder, "m", "1", SessionSettings()).signature

    improve(folder, images(), measure=False)

    after = Model.load(folder, "m", "1", SessionSettings()).signature
    assert list(after.inputs.items()) == list(before.inputs.items())
    assert list(after.outputs.items()) == list(before.outputs.items())
    assert after.inputs["image"].symbols[0] == "N"
    assert len(answers(folder, images(7))["y"]) == 7


def test_the_same_model_gives_the_same_bytes_in_any_process_and_folder(save: Save, tmp_path: Path) -> None:
    rows = images()
    np.savez(tmp_path / "rows.npz", **rows)  # type: ignore[arg-type]
    code = (
        "import sys, numpy as np; from pathlib import Path; from despliegue_cli.packages.improve import improve;"
        "improve(Path(sys.argv[1]), dict(np.load(sys.argv[2])), quantize=sys.argv[3], measure=False)"
    )
    for precision in ("", "int8"):
        files = []
        model = graph(WIDE, weights({"w": (4, 400)})) if precision else network()
        for seed in ("1", "2"):
            folder = save(model, f"{precision}-folder-{seed * int(seed)}")
            arguments = [sys.executable, "-c", code, str(folder), str(tmp_path / "rows.npz"), precision]
            subprocess.run(arguments, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, timeout=60)
            files.append((folder / "model.onnx").read_bytes())
        assert files[0] == files[1]


def test_a_forest_keeps_the_casts_that_round_as_it_was_trained(save: Save) -> None:
    draw = np.random.default_rng(0)
    table = draw.normal(1.7e9, 1e4, (500, 3))
    forest = RandomForestRegressor(5, random_state=0).fit(table, table.sum(axis=1))
    model = emit(read(forest))
    # Something for ONNX Runtime to fold, so that what it writes is kept.
    output = model.graph.node[-1].output[0]
    model.graph.node[-1].output[0] = "inner"
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.5), "half"))
    model.graph.node.extend(
        [
            onnx.helper.make_node("Add", ["half", "half"], ["one"]),
            onnx.helper.make_node("Mul", ["inner", "one"], [output]),
        ]
    )
    folder, rows = save(model), {"input": np.concatenate([table, np.nextafter(table, np.inf)])}
    before = answers(folder, rows)

    found = improve(folder, rows, measure=False)

    assert OPTIMIZED in kept(found)
    assert answers(folder, rows) == before
    assert before["prediction"] == forest.predict(rows["input"]).tolist()
    casts = [node for node in onnx.load(folder / "model.onnx").graph.node if node.op_type == "Cast"]
    assert [each.i for node in casts[:2] for each in node.attribute if each.name == "to"] == [
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
    ]


def test_a_graph_in_float16_is_not_optimised_for_this_processor(save: Save) -> None:
    text = """
        <ir_version: 10, opset_import: ["": 21]>
        half (float[N, 2] x) => (float[N, 2] y) { h = Cast <to = 10> (x)  t = Add (h, h)  y = Cast <to = 1> (t) }
    """
    folder = save(onnx.parser.parse_model(text))

    found = improve(folder, {"x": np.eye(2, dtype=np.float32)}, measure=False)

    assert not found.steps[-1].kept
    assert "float16" in found.steps[-1].why


def test_strings_are_compared_too(save: Save) -> None:
    text = """
        <ir_version: 10, opset_import: ["": 21, "ai.onnx.ml": 3]>
        cities (string[N, 1] city) => (string[N, 1] same, float[N, 1] code) {
            again = Identity (city)
            code = ai.onnx.ml.LabelEncoder
                <keys_strings = ["León", "Ávila"], values_floats = [1.0, 2.0], default_float = -1.0> (again)
            through = Identity (code)
            dead = Neg (through)
            same = Identity (city)
        }
    """
    folder, rows = save(onnx.parser.parse_model(text)), {"city": np.array([["León"], ["Ávila"], [""]], object)}
    before = answers(folder, rows)

    found = improve(folder, rows, measure=False)

    assert answers(folder, rows) == before == {"same": [["León"], ["Ávila"], [""]], "code": [[1.0], [2.0], [-1.0]]}
    assert "Identity nodes out" in kept(found)


def test_what_a_branch_reads_from_outside_stays(save: Save) -> None:
    text = """
        <ir_version: 10, opset_import: ["": 21]>
        branches (float[N, 2] x, bool flag) => (float[N, 2] y) {
            shifted = Identity (x)
            sum = Add (shifted, one)
            y = If (flag) <
                then_branch = yes () => (float[N, 2] a) { a = Mul (sum, same) },
                else_branch = no () => (float[N, 2] b) { b = Sub (shifted, other) }
            >
        }
    """
    constants = {"one": [1.0, 2.0], "same": [1.0, 2.0], "other": [3.0, 4.0], "nobody": [5.0, 6.0]}
    folder = save(graph(text, {name: np.array(value, np.float32) for name, value in constants.items()}))
    rows: Arrays = {"x": np.eye(2, dtype=np.float32), "flag": np.array(False)}
    others = {**rows, "flag": np.array(True)}
    before = answers(folder, rows), answers(folder, others)

    found = improve(folder, rows, measure=False)

    assert (answers(folder, rows), answers(folder, others)) == before
    assert {"unused nodes and weights out", "equal weights merged", "Identity nodes out"} <= kept(found)


def test_a_constant_that_callers_may_give_stays(save: Save) -> None:
    model = network()
    model.graph.input.append(onnx.helper.make_tensor_value_info("unused", TensorProto.FLOAT, [20, 20]))
    folder = save(model)

    improve(folder, images(), measure=False)

    assert Model.load(folder, "m", "1", SessionSettings()).signature.inputs["unused"].optional
