"""An ensemble's graph: its interface, its bytes, and nodes that asked too much of ONNX Runtime."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from despliegue_cli.trees import Ensemble, NotConvertible, emit
from despliegue_cli.trees.ensemble import Derived, Mode, Tree
from despliegue_cli.trees.sklearn_trees import read

NAMES = ["bill length", "Gather_4", "constant_0", "día", "TreeEnsemble_3", "x"]


@pytest.fixture(scope="module")
def forest(table: Any) -> RandomForestClassifier:
    return RandomForestClassifier(8, max_depth=6, random_state=0).fit(table.x, table.classes)


def test_a_column_an_input_gives_what_a_matrix_gives(forest: RandomForestClassifier, table: Any, run: Any) -> None:
    ensemble = read(forest)

    matrix, columns = run(ensemble, table.x), run(ensemble, table.x, NAMES)

    assert list(matrix) == ["label", "probabilities"]
    assert matrix["label"].shape == (2400,)
    for name, array in matrix.items():
        np.testing.assert_array_equal(columns[name], array)


def test_one_row_and_no_row_are_rows_too(forest: RandomForestClassifier, table: Any, run: Any) -> None:
    all_rows = run(read(forest), table.x)["probabilities"]

    np.testing.assert_array_equal(run(read(forest), table.x[:1])["probabilities"], all_rows[:1])
    assert run(read(forest), table.x[:0])["probabilities"].shape == (0, 4)


def test_the_same_ensemble_gives_the_same_bytes(forest: RandomForestClassifier) -> None:
    once, again = (emit(read(forest), NAMES).SerializeToString() for _ in range(2))

    assert once == again


def test_it_loads_in_what_serves_it(forest: RandomForestClassifier) -> None:
    model = emit(read(forest))

    assert model.ir_version == 10
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 21, "ai.onnx.ml": 5}


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (NAMES[:5], "trained on 6 columns, but 5 names"),
        ([*NAMES[:5], "día"], "must differ from each other"),
        ([*NAMES[:5], "label"], "must differ from each other, from '' and from prediction, label"),
        ([*NAMES[:5], ""], "must differ from each other, from ''"),
    ],
)
def test_names_that_cannot_be_inputs_are_refused(names: list[str], reason: str, forest: RandomForestClassifier) -> None:
    with pytest.raises(NotConvertible, match=reason):
        emit(read(forest), names)


def one_split(mode: Mode, threshold: float = 0.0, missing_true: bool = False, **more: Any) -> Tree:
    """A tree that gives 1 where the answer is true and 0 where it is false, of column 0."""
    return Tree(
        feature=np.zeros(3, np.int64),
        mode=np.array([mode, Mode.LEAF, Mode.LEAF]),
        threshold=np.array([threshold, 0, 0]),
        missing_true=np.array([missing_true, False, False]),
        if_true=np.array([1, 0, 0]),
        if_false=np.array([2, 0, 0]),
        value=np.array([0.0, 1.0, 0.0]),
        **more,
    )


NUMBERS = [-np.inf, -1e300, -1, -0.0, 0, 1, 1.5, 2, 3, 30, 31, 32, 63, 64, 1e10, 2.0**31, 1e300, np.inf]
ROWS = np.array([*NUMBERS, np.nan])[:, None]


@pytest.mark.parametrize("missing_true", [False, True])
@pytest.mark.parametrize("threshold", [-np.inf, -1e300, 0, 1.5, 2.0**31, 1e300, np.inf])
def test_thresholds_of_any_size(threshold: float, missing_true: bool, run: Any) -> None:
    at_most = Ensemble(1, (one_split(Mode.AT_MOST, threshold, missing_true),))
    below = Ensemble(1, (one_split(Mode.BELOW, threshold, missing_true),))

    assert run(at_most, ROWS)["prediction"].tolist() == [*(float(x <= threshold) for x in NUMBERS), missing_true]
    assert run(below, ROWS)["prediction"].tolist() == [*(float(x < threshold) for x in NUMBERS), missing_true]


@pytest.mark.parametrize("missing_true", [False, True])
@pytest.mark.parametrize("float32", [False, True])
@pytest.mark.parametrize(
    "members",
    [(), (0,), (30,), (31,), (1, 2, 3), (63, 64), tuple(range(31)), tuple(range(40)), (2, 1_000_000)],
    ids=lambda members: f"{len(members)} to {max(members, default=None)}",
)
def test_sets_of_any_size(members: tuple[int, ...], float32: bool, missing_true: bool, run: Any) -> None:
    tree = one_split(Mode.MEMBER, missing_true=missing_true, members={0: members})
    tree = replace(tree, feature=tree.feature + 1)
    ensemble = Ensemble(1, (tree,), derived=(Derived(0, "floor"),), float32_inputs=float32, float32_sums=float32)
    rows = np.clip(ROWS, -3e38, 3e38) if float32 else ROWS

    outputs = run(ensemble, rows)["prediction"].tolist()

    expected = [float(x // 1 in members) if np.isfinite(x) else 0.0 for x in NUMBERS]
    assert outputs == [*expected, missing_true]


def test_a_leaf_and_a_split_of_the_same_number_are_no_leaf(run: Any) -> None:
    # https://github.com/microsoft/onnxruntime/issues/24679
    tree = Tree(
        feature=np.zeros(5, np.int64),
        mode=np.array([Mode.AT_MOST, Mode.LEAF, Mode.AT_MOST, Mode.LEAF, Mode.LEAF]),
        threshold=np.array([0.0, 0, 5, 0, 0]),
        missing_true=np.zeros(5, bool),
        if_true=np.array([2, 0, 3, 0, 0]),
        if_false=np.array([1, 0, 4, 0, 0]),
        value=np.array([0.0, 1, 0, 2, 3]),
    )
    before = one_split(Mode.AT_MOST, -np.inf)

    for trees in ((tree,), (before, tree), (tree, before, tree)):
        copies = sum(member is tree for member in trees)
        outputs = run(Ensemble(1, trees), np.array([[-1.0], [0.0], [1.0], [9.0]]))["prediction"]
        assert (outputs / copies).tolist() == [2.0, 2.0, 1.0, 1.0]
