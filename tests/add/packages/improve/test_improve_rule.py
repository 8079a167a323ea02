"""A step is kept if nobody would notice it, and there is less to load."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from tests.add.packages.improve.graphs import Save, images, network

from despliegue_cli.convert.finishing import rename
from despliegue_cli.packages.improve.comparing import Outputs, identical
from despliegue_cli.packages.improve.edits import Edit
from despliegue_cli.packages.improve.storage import Complexity
from despliegue_cli.packages.improve.trials import Trials


def drop_relu(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.output[0] == "inner")
    model.graph.node.remove(node)
    rename(model.graph, {"h": "inner"})


def rename_input(model: onnx.ModelProto) -> None:
    rename(model.graph, {"image": "i"})


def fix_rows(model: onnx.ModelProto) -> None:
    del model.graph.initializer[-1]
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 30


def drop_a_weight(model: onnx.ModelProto) -> None:
    del model.graph.initializer[0]


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (drop_relu, "its outputs would differ"),
        (rename_input, "its inputs or outputs would be others"),
        (fix_rows, "its inputs or outputs would be others"),
        (drop_a_weight, "ONNX Runtime cannot load model.onnx"),
    ],
)
def test_a_change_that_anyone_would_notice_is_not_kept(save: Save, tmp_path: Path, edit: Edit, why: str) -> None:
    folder, scratch = save(network()), tmp_path / "scratch"
    scratch.mkdir()
    rows = images()
    rows["x"] *= 100
    trials = Trials(folder, rows, scratch)

    trials.edit("change", edit)

    assert trials.best == folder
    assert not trials.steps[0].kept
    assert trials.steps[0].why.startswith(why)
    assert not list(scratch.iterdir())


def outputs(*values: Any, dtype: Any = np.float32) -> Outputs:
    return {"y": [np.array(values, dtype)]}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (outputs(1.0, np.nan), outputs(1.0, np.nan), True),
        (outputs(0.0), outputs(-0.0), False),
        (outputs(1.0), outputs(1.0, dtype=np.float64), False),
        (outputs(1.0), outputs(np.nextafter(np.float32(1), np.float32(2))), False),
        (outputs(1.0), outputs([1.0]), False),
        (outputs("a", "", dtype=object), outputs("a", "", dtype=object), True),
        (outputs("a", dtype=object), outputs("b", dtype=object), False),
        (outputs(np.nan), outputs(np.inf), False),
        (outputs(3, dtype=np.int64), outputs(3, dtype=np.int64), True),
        (outputs(3, dtype=np.int64), {"x": [np.array([3])]}, False),
    ],
)
def test_identical_means_every_bit_but_those_of_nan(one: Outputs, other: Outputs, same: bool) -> None:
    assert identical(one, other) is same


@pytest.mark.parametrize(
    ("after", "gain"),
    [
        (Complexity(10, 5, 1000), ""),
        (Complexity(10, 5, 999), "1 byte less"),
        (Complexity(10, 4, 1000), "1 weight less"),
        (Complexity(8, 6, 1090), "2 nodes less"),
        (Complexity(8, 6, 1200), ""),
        (Complexity(11, 5, 500), ""),
        (Complexity(10, 4, 1001), ""),
    ],
)
def test_less_to_load_is_fewer_nodes_or_fewer_bytes(after: Complexity, gain: str) -> None:
    assert Complexity(10, 5, 1000).gain(after) == gain
