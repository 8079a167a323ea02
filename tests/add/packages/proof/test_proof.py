"""Proofs: equal but for rounding and ties, else a refusal that shows the worst rows; in batches of any size."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from despliegue.errors import DespliegueError
from despliegue.models import Model
from despliegue.models.manifest import Feature
from despliegue.models.model import Array
from despliegue_cli.convert import Reference
from despliegue_cli.proof.made_up import made_up
from despliegue_cli.proof.proof import RELATIVE, Proof, WorstRow, prove
from despliegue_cli.proof.rows import Rows

type Package = Callable[..., Model]
type MakeRows = Callable[..., Rows]

DOUBLED = "(double[N] a) => (double[N] y) { y = Add(a, a) }"
CLASSES = "(double[N,2] p, int64[N] k) => (int64[N] label, double[N,2] probabilities) { "
CLASSES += "label = Identity(k) probabilities = Identity(p) }"


def predicted(accepted: Array | None = None, refusal: str = "", **outputs: Array) -> Reference:
    rows = len(next(iter(outputs.values())))
    return Reference(outputs, np.ones(rows, bool) if accepted is None else accepted, refusal)


def test_an_equal_package_is_proven(package: Package, rows_of: MakeRows) -> None:
    rows = rows_of(made_up=1, a=np.array([1.0, 2.0, 3.0]))

    proof = prove(package(DOUBLED), rows, predicted(y=np.array([2.0, 4.0, 6.0])))

    assert proof == Proof(rows=2, made_up=1)
    proof.check()
    assert not proof.verification(accepted=True).accepted  # there was nothing to accept


def test_one_row_is_proven_in_a_batch_of_two_as_well(package: Package, rows_of: MakeRows) -> None:
    assert prove(package(DOUBLED), rows_of(a=np.array([1.0])), predicted(y=np.array([2.0]))) == Proof(rows=1)


def test_a_difference_is_refused_with_the_worst_rows_first(package: Package, rows_of: MakeRows) -> None:
    rows = rows_of(a=np.arange(1.0, 101.0))
    expected = rows.columns["a"] * 2
    expected[[16, 41]] += [0.5, 30.0]

    proof = prove(package(DOUBLED), rows, predicted(y=expected))

    assert (proof.different, proof.labels) == (2, 0)
    assert proof.difference == pytest.approx(0.2)  # of the 150 that three quarters do not exceed
    assert proof.worst == (WorstRow("row 42", "y", "114", "84"), WorstRow("row 17", "y", "34.5", "34"))
    with pytest.raises(DespliegueError) as refusal:
        proof.check()
    first, *others = str(refusal.value).splitlines()
    assert first.startswith("the package differs from its original on 100 rows of the sample and 0 made-up ones: 2 of")
    assert "(allowed: 1e-05)" in first
    assert others[0] == "  row 42: y expected 114, came 84"
    assert "--accept-difference" in others[-1]


def test_a_difference_may_be_accepted_and_is_recorded(package: Package, rows_of: MakeRows) -> None:
    rows = rows_of(a=np.array([1.0, 2.0]))

    proof = prove(package(DOUBLED), rows, predicted(y=np.array([2.0, 5.0])))
    proof.check(accept=True)

    found = proof.verification(accepted=True)
    assert (found.rows, found.difference, found.tolerance, found.accepted) == (2, 0.2, RELATIVE, True)


def test_rows_are_named_by_their_numbers_in_the_file(package: Package) -> None:
    rows = Rows({"a": np.array([1.0, 2.0, 3.0])}, ("row 2", "row 7", "row 9"), np.zeros(3, bool))
    reference = predicted(np.array([True, False, True]), "too old", y=np.array([2.0, 9.0]))

    proof = prove(package(DOUBLED), rows, reference)

    assert proof.worst[0] == WorstRow("row 9", "y", "9", "6")
    assert (proof.rows, proof.refused, proof.refusal) == (2, 1, "too old")


def test_a_sample_of_which_most_rows_cannot_be_compared_proves_nothing(package: Package, rows_of: MakeRows) -> None:
    rows = replace(rows_of(made_up=1, a=np.array([1.0, 2.0, 3.0])), skipped=1, reason="row 4: no")
    taken = predicted(np.array([True, True, True]), y=np.array([2.0, 4.0, 6.0]))
    refused = predicted(np.array([True, False, True]), "ValueError: old", y=np.array([2.0, 6.0]))

    proof = prove(package(DOUBLED), rows, taken)

    assert (proof.rows, proof.skipped) == (2, 1)
    assert (proof.verification(accepted=False).skipped, proof.verification(accepted=False).refused) == (1, 0)
    with pytest.raises(
        DespliegueError,
        match=r"only 1 of 3 rows .* 1 do not fit its features \(row 4: no\), and the original refuses 1, .*: old\)",
    ):
        prove(package(DOUBLED), rows, refused)


def test_labels_are_equal_but_for_ties(package: Package, rows_of: MakeRows) -> None:
    probabilities = np.array([[0.5, 0.5 + 1e-9], [0.2, 0.8], [0.4, 0.6]])
    rows = rows_of(p=probabilities, k=np.array([0, 1, 0]))

    proof = prove(package(CLASSES), rows, predicted(label=np.array([1, 1, 1]), probabilities=probabilities))

    assert proof.labels == 1
    assert proof.worst == (WorstRow("row 3", "label", "1", "0"),)


def test_the_place_within_an_output_is_shown(package: Package, rows_of: MakeRows) -> None:
    rows = rows_of(p=np.array([[0.25, 0.75], [0.5, 0.25]]), k=np.array([0, 1]))
    expected = np.array([[0.25, 0.75], [0.5, 0.5]])

    proof = prove(package(CLASSES), rows, predicted(label=np.array([0, 1]), probabilities=expected))

    assert proof.worst == (WorstRow("row 2", "probabilities[1]", "0.5", "0.25"),)


def test_infinities_and_nan_are_equal_to_themselves_only(package: Package, rows_of: MakeRows) -> None:
    rows = rows_of(a=np.array([np.inf, -np.inf, np.nan, 1.0]))
    model = package(DOUBLED)

    assert prove(model, rows, predicted(y=np.array([np.inf, -np.inf, np.nan, 2.0]))).different == 0
    proof = prove(model, rows, predicted(y=np.array([np.inf, np.inf, 1.0, np.nan])))
    assert (proof.different, proof.difference) == (3, np.inf)
    assert np.isfinite(proof.verification(accepted=True).difference)  # JSON has no infinity


def test_a_made_up_extreme_does_not_hide_a_difference_on_the_sample(package: Package, rows_of: MakeRows) -> None:
    rows = rows_of(made_up=1, a=np.array([1.0, 2.0, 1e12]))

    proof = prove(package(DOUBLED), rows, predicted(y=np.array([2.0, 4.1, 2e12 * (1 + 1e-7)])))

    assert proof.worst == (WorstRow("row 2", "y", "4.1", "4"),)


def test_a_row_that_only_the_package_refuses_is_a_difference(package: Package, rows_of: MakeRows) -> None:
    looked_up = "(int64[N] a) => (int64[N] y) <int64[3] table = {10, 20, 30}> { y = Gather(table, a) }"
    rows = rows_of(a=np.array([0, 1, 7, 2]))

    proof = prove(package(looked_up), rows, predicted(y=np.array([10, 20, 70, 30])))

    assert (proof.different, proof.labels) == (1, 0)
    assert (proof.worst[0].place, proof.worst[0].output) == ("row 3", "predictions")
    assert "out of data bounds" in proof.worst[0].came
    with pytest.raises(DespliegueError, match="row 3: predictions expected"):
        proof.check()


def test_a_package_that_refuses_everything_is_refused(package: Package, rows_of: MakeRows) -> None:
    looked_up = "(int64[N] a) => (int64[N] y) <int64[1] table = {10}> { y = Gather(table, a) }"

    with pytest.raises(DespliegueError, match=r"refuses every row that its original takes: .*out of data bounds"):
        prove(package(looked_up), rows_of(a=np.array([7, 8])), predicted(y=np.array([70, 80])))


@pytest.mark.parametrize(
    ("graph", "count", "message"),
    [
        # A batch that was written into a Reshape when the model was exported.
        (
            "(float[N,2] a) => (float[N,2] y) <int64[2] s = {4, 2}> { y = Reshape(a, s) }",
            4,
            "fails on a batch of 1 rows that it takes in a larger one",
        ),
        (
            "(float[N,2] a) => (float[N,2] y) <int64[2] s = {1, 2}> { y = Reshape(a, s) }",
            4,
            "fails on a batch of 4 rows that it takes in smaller ones",
        ),
        # A Squeeze without axes, which takes the batch too where that is one.
        ("(float[N,2] a) => (float[M,2] y) { y = Squeeze(a) }", 4, r"gives output 'y' as \[2\] for a batch of 1"),
    ],
)
def test_a_batch_that_is_fixed_or_lost_in_the_graph_is_refused(
    package: Package, rows_of: MakeRows, graph: str, count: int, message: str
) -> None:
    values = np.arange(2.0 * count).reshape(count, 2)

    with pytest.raises(DespliegueError, match=message):
        prove(package(graph), rows_of(a=values), predicted(y=values))


def test_rows_that_depend_on_the_others_in_their_batch_are_found(package: Package, rows_of: MakeRows) -> None:
    centred = "(double[N] a) => (double[N] y) { m = ReduceMean(a) y = Sub(a, m) }"

    proof = prove(package(centred), rows_of(a=np.array([1.0, 2.0, 6.0])), predicted(y=np.array([-2.0, -1.0, 3.0])))

    assert proof.different == 3
    assert proof.worst[:2] == (WorstRow("row 1, alone", "y", "-2", "0"), WorstRow("row 3, alone", "y", "3", "0"))


def test_another_shape_name_or_kind_is_refused(package: Package, rows_of: MakeRows) -> None:
    model, rows = package(DOUBLED), rows_of(a=np.array([1.0]))

    with pytest.raises(DespliegueError, match=r"gives output 'y' as \[1\]; expected \[1, 1\]"):
        prove(model, rows, predicted(y=np.array([[2.0]])))
    with pytest.raises(DespliegueError, match="has no output 'z'; its outputs are 'y'"):
        prove(model, rows, predicted(z=np.array([2.0])))
    with pytest.raises(DespliegueError, match="gives output 'y' as float64; expected object"):
        prove(model, rows, predicted(y=np.array(["a"], object)))


def test_half_precision_is_allowed_two_of_its_steps(package: Package, rows_of: MakeRows) -> None:
    model = package("(double[N] a) => (float16[N] y) { y = Cast <to = 10> (a) }")
    rows = rows_of(a=np.array([1.0001, 2.0]))

    proof = prove(model, rows, predicted(y=rows.columns["a"]))

    assert (proof.different, proof.tolerance) == (0, 2 * 2.0**-10)


def test_bfloat16_is_compared_by_its_values(package: Package, rows_of: MakeRows) -> None:
    model = package("(bfloat16[N] a) => (bfloat16[N] y) { y = Identity(a) }")
    bits = np.array([0x3F80, 0x4000], np.uint16)  # 1 and 2

    proof = prove(model, rows_of(a=bits), predicted(y=np.array([0x3F80, 0x4040], np.uint16)))

    assert proof.worst == (WorstRow("row 2", "y", "3", "2"),)


SPLIT = 1_600_000_040.0
"""Where the original splits; float32 rounds it to 1,600,000,000, and all up to 1,600,000,064."""
ROUNDED = """(float[N,1] a) => (float[N,1] y) {
    y = ai.onnx.ml.TreeEnsemble <n_targets = 1, aggregate_function = 1, tree_roots = [0], nodes_featureids = [0],
        nodes_modes = uint8[1] {0}, nodes_splits = float[1] {1600000000.0}, nodes_truenodeids = [0],
        nodes_trueleafs = [1], nodes_falsenodeids = [1], nodes_falseleafs = [1], leaf_targetids = [0, 0],
        leaf_weights = float[2] {1, 0}> (a)
}"""


def original(rows: Rows) -> Reference:
    return predicted(y=(rows.columns["a"] <= SPLIT).astype(float)[:, None])


def test_a_threshold_rounded_to_float32_is_found_next_to_the_samples_values(
    package: Package, rows_of: MakeRows
) -> None:
    model = package(ROUNDED, Feature("a", "number", "NaN"))
    sample = rows_of(a=np.array([1.5e9, 1_600_000_030.0, 1.7e9]))

    assert prove(model, sample, original(sample)).different == 0
    rows = sample.with_more(made_up(model, sample))
    proof = prove(model, rows, original(rows))

    assert proof.different
    assert "row 2, a at the top of what float32 rounds alike" in [row.place for row in proof.worst]


def test_a_threshold_rounded_to_float32_is_found_in_the_graph(
    package: Package, rows_of: MakeRows, tmp_path: Path
) -> None:
    model = package(ROUNDED, Feature("a", "number", "NaN"))
    sample = rows_of(a=np.array([1.5e9, 1.7e9]))

    blind, told = made_up(model, sample), made_up(model, sample, tmp_path / "m/1/model.onnx")
    assert prove(model, blind, original(blind)).different == 0
    proof = prove(model, told, original(told))

    assert [row.place for row in proof.worst] == ["a at 1600000063.9999998, near a threshold"]
