"""Comparisons: no extreme row, unit or tie hides a difference, and rounding is none."""

from typing import Any

import numpy as np
import pytest

from despliegue.models.model import Array
from despliegue_cli.proof.compared import Comparison, Outputs, classes_of, compare, scales_of

ALLOWED = 1e-5


def compared(expected: Outputs, came: Outputs, made_up: int = 0, labels: tuple[str, ...] = ()) -> Comparison:
    """The last rows are `made_up`."""
    count = len(next(iter(expected.values())))
    scales = scales_of(expected, np.arange(count) >= count - made_up)
    return compare(expected, came, scales, classes_of(expected, labels))


def differing(expected: Array, came: Array, made_up: int = 0) -> int:
    return int((compared({"y": expected}, {"y": came}, made_up).differences > ALLOWED).sum())


def test_an_extreme_row_does_not_hide_what_differs_in_the_others() -> None:
    expected = np.random.default_rng(0).normal(size=500)
    expected[7] = 1e6

    assert differing(expected, expected + np.where(expected == 1e6, 0, 1e-4)) == 499
    assert differing(expected, expected * (1 + 1e-7)) == 0


def test_an_extreme_row_may_be_one_of_two() -> None:
    assert differing(np.array([1.0, 1e6]), np.array([1.001, 1e6])) == 1


def test_a_column_in_a_large_unit_does_not_hide_what_differs_in_another() -> None:
    draw = np.random.default_rng(0)
    expected = np.column_stack([draw.normal(1e8, 1e7, 200), draw.normal(0.1, 0.01, 200)])

    assert differing(expected, expected * [1, 1.001]) == 200
    assert differing(expected, expected.astype(np.float32)) == 0


def test_a_score_that_happens_to_be_near_nothing_in_the_only_rows_may_be_rounded() -> None:
    """As of a network of a thousand classes without a sample, whose scores come of sums of others' size."""
    expected = np.random.default_rng(0).normal(size=(2, 1000))
    expected[:, 457] = 3e-3

    assert differing(expected, expected + 3e-6) == 0
    assert differing(expected, expected + 3e-5) == 2
    assert differing(expected[:, 450:460], expected[:, 450:460] + 3e-6) == 2


@pytest.mark.parametrize("zeros", [100, 195])
def test_a_column_that_is_mostly_zero_may_be_rounded(zeros: int) -> None:
    expected = np.append(np.zeros(zeros), np.linspace(1, 2, 200 - zeros))

    assert differing(expected, expected + 1e-7) == 0
    assert differing(expected, expected + 1e-4) == 200
    assert differing(np.zeros(9), np.full(9, 1e-7)) == 0


def test_probabilities_of_a_rare_class_may_be_rounded() -> None:
    rare = np.random.default_rng(0).uniform(0, 1e-6, 200)
    expected = np.column_stack([1 - rare, rare])

    assert differing(expected, expected + 1e-7) == 0
    assert differing(expected, expected + 1e-4) == 200


def test_a_made_up_extreme_may_be_rounded_in_all_of_its_columns() -> None:
    expected = np.array([[1.0, 2.0], [2.0, 1.0], [1e9, 3.0]])
    came = expected + np.array([[0, 0], [0, 0], [0, 50]])

    assert differing(expected, came, made_up=1) == 0
    assert differing(expected, came) == 1


def test_places_of_an_image_are_of_one_unit() -> None:
    expected = np.random.default_rng(0).normal(size=(4, 8, 8))
    expected[:, 0, 0] = 1e-6

    assert differing(expected, expected + 1e-7) == 0
    assert differing(expected, expected + 1e-3) == 4


# Rows in which class 0, 1 and 2 is best, then those with ties.
PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.5, 0.5, 0.0]])
DISTANCES = np.array([[0.1, 5.0, 5.0], [5.0, 0.1, 5.0], [5.0, 5.0, 0.1], [0.1, 0.1, 5.0]])


def labels_differ(label: list[Any], came: list[Any], numbers: Outputs, labels: tuple[str, ...] = ()) -> int:
    given = {"label": np.array(label)}, {"label": np.array(came)}
    return int(compared(given[0] | numbers, given[1] | numbers, labels=labels).labels.sum())


@pytest.mark.parametrize("numbers", [{"probabilities": PROBABILITIES}, {"distances": DISTANCES}])
def test_a_tie_is_one_of_the_best_classes_only(numbers: Outputs) -> None:
    assert labels_differ([0, 1, 2, 0], [0, 1, 2, 1], numbers) == 0
    assert labels_differ([0, 1, 2, 0], [0, 1, 2, 2], numbers) == 1
    assert labels_differ([0, 1, 2, 0], [1, 2, 0, 0], numbers) == 3


def test_the_farthest_clusters_are_no_tie() -> None:
    assert labels_differ([0, 1, 2, 0], [2, 1, 2, 0], {"distances": DISTANCES}) == 1


def test_the_labels_of_the_columns_may_be_known() -> None:
    tied = {"probabilities": PROBABILITIES[3:]}

    assert labels_differ(["a"], ["b"], tied, ("a", "b", "c")) == 0
    assert labels_differ(["a"], ["c"], tied, ("a", "b", "c")) == 1


def test_a_score_of_nothing_is_a_tie_of_two_classes() -> None:
    score = {"score": np.array([1.0, -1.0, 1e-17, 1e-3])}

    assert labels_differ([1, -1, 1, 1], [1, -1, -1, 1], score) == 0
    assert labels_differ([1, -1, 1, 1], [1, -1, 7, -1], score) == 2


def test_infinite_and_missing_scores_are_no_tie() -> None:
    scores = {"scores": np.array([[np.nan, np.nan], [np.inf, 0.0], [0.0, 1.0]])}

    assert labels_differ([0, 0, 1], [1, 1, 0], scores) == 3
