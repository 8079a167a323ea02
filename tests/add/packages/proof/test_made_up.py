"""Made-up rows: missing, unseen, at the edge; only what a request may hold, never too many, always the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from despliegue.features import Schema
from despliegue.models import Model
from despliegue.models.manifest import Feature
from despliegue_cli.proof.made_up import made_up
from despliegue_cli.proof.rows import Rows, arrays

PEOPLE = "(double[N] age, string[N] city) => (double[N] y, string[N] z) { y = Identity(age) z = Identity(city) }"
MATRIX = "(float[N,2] X) => (float[N,2] y) { y = Identity(X) }"
# In Python: categories of the second column, a tree that splits the first at 7.25.
KNOWING = """(double[N,1] age, string[N,1] city) => (int64[N,1] code, double[N,1] y) {
    code = ai.onnx.ml.LabelEncoder <keys_strings = ["Málaga", "León"], values_int64s = [0, 1]> (city)
    number = Cast <to = 11> (code)
    both = Concat <axis = 1> (number, age)
    y = ai.onnx.ml.TreeEnsemble <n_targets = 1, aggregate_function = 1, tree_roots = [0], nodes_featureids = [1],
        nodes_modes = uint8[1] {0}, nodes_splits = double[1] {7.25}, nodes_truenodeids = [0], nodes_trueleafs = [1],
        nodes_falsenodeids = [1], nodes_falseleafs = [1], leaf_targetids = [0, 0],
        leaf_weights = double[2] {1, 2}> (both)
}"""


@pytest.fixture
def people(package: Callable[..., Model]) -> Model:
    """Takes a number and a category, which both may be missing."""
    return package(PEOPLE, Feature("age", "number", "NaN"), Feature("city", "category", ""))


def values_at(rows: Rows, name: str, place: str) -> Any:
    return rows.columns[name][rows.places.index(place)]


def test_each_column_is_missing_unseen_and_at_its_edges(people: Model, rows_of: Callable[..., Rows]) -> None:
    sample = rows_of(age=np.array([18.0, 40.0, 65.0]), city=np.array(["Málaga", "León", "Málaga"], object))

    rows = made_up(people, sample)

    assert values_at(rows, "age", "the usual row") == 40
    assert values_at(rows, "city", "the usual row") == "Málaga"
    assert np.isnan(values_at(rows, "age", "age missing"))
    assert values_at(rows, "city", "age missing") == "Málaga"
    assert values_at(rows, "city", "city missing") is None
    assert values_at(rows, "city", "city unseen") not in {"Málaga", "León", "", None}
    edges = ["at its least", "at its largest", "below its least", "beyond its largest", "at 1e9"]
    assert [values_at(rows, "age", f"age {each}") for each in edges] == [18, 65, -29, 112, 1e9]
    assert np.isnan(values_at(rows, "age", "every column missing"))
    assert values_at(rows, "city", "every column missing") is None
    assert rows.made_up.all()


def test_numbers_stand_next_to_the_samples_in_float32(people: Model, rows_of: Callable[..., Rows]) -> None:
    when = 1_600_000_001.0  # between two floats, 128 apart
    sample = rows_of(age=np.array([when]), city=np.array(["a"], object))

    rows = made_up(people, sample)

    assert values_at(rows, "age", "row 1, age rounded to float32") == 1_600_000_000
    assert values_at(rows, "age", "row 1, age one float32 step up") == 1_600_000_128
    assert values_at(rows, "age", "row 1, age one float32 step down") == 1_599_999_872


def test_what_may_not_be_missing_never_is(package: Callable[..., Model]) -> None:
    rows = made_up(package(PEOPLE, Feature("age"), Feature("city", "category")))

    assert np.isfinite(rows.columns["age"]).all()
    assert None not in rows.columns["city"].tolist()
    assert "" in rows.columns["city"].tolist()


def test_integers_stay_in_their_range_and_reach_its_ends(
    package: Callable[..., Model], rows_of: Callable[..., Rows]
) -> None:
    model = package("(uint8[N] a) => (uint8[N] y) { y = Identity(a) }", Feature("a"))

    found = arrays(model, made_up(model, rows_of(a=np.array([3, 200], np.uint8))).columns)["a"]

    assert set(found.tolist()) == {0, 2, 3, 200, 201, 255}


def test_every_value_is_one_that_a_request_may_hold(people: Model, rows_of: Callable[..., Rows]) -> None:
    columns = Schema.read(people.signature, people.manifest).columns
    sample = rows_of(age=np.array([1e308, -1e308, np.nan]), city=np.array([None, None, None], object))

    rows = made_up(people, sample)

    assert np.isfinite(rows.columns["age"][~np.isnan(rows.columns["age"])]).all()
    for name, column in columns.items():
        assert not any(map(column.problem, rows.columns[name].tolist()))


def test_without_a_sample_the_graph_tells_categories_and_thresholds(
    package: Callable[..., Model], tmp_path: Path
) -> None:
    model = package(KNOWING, Feature("age", "number", "NaN"), Feature("city", "category", ""))

    rows = made_up(model, graph=tmp_path / "m/1/model.onnx")

    assert {"Málaga", "León", None} < set(rows.columns["city"].tolist())
    near = {7.25, float(np.nextafter(7.25, 8)), float(np.nextafter(np.float32(7.25), np.float32(7)))}
    assert near < set(rows.columns["age"].tolist())


def test_a_matrix_without_names_is_made_up_by_column(
    package: Callable[..., Model], rows_of: Callable[..., Rows]
) -> None:
    model = package(MATRIX)

    rows = made_up(model, rows_of(X=np.array([[1, 20], [3, 40], [5, 60]], np.float32)))

    assert values_at(rows, "X", "column 2 at its largest").tolist() == [3, 60]
    assert np.isnan(values_at(rows, "X", "column 1 missing")).tolist() == [True, False]
    assert arrays(model, rows.columns)["X"].dtype == np.float32


def test_images_are_zeros_ones_and_like_the_samples(
    package: Callable[..., Model], rows_of: Callable[..., Rows]
) -> None:
    model = package("(float[N,C,2] pixels) => (float[N,C,2] y) { y = Identity(pixels) }")
    sample = rows_of(pixels=np.array([[[1, 2], [3, 4], [5, 6]]], np.float32))

    found = made_up(model, sample).columns["pixels"]

    assert found.shape == (4, 3, 2)
    assert found[:, 0].tolist() == [[0, 0], [1, 1], [0.5, 1], [-1, -2]]
    assert made_up(model).columns["pixels"].tolist() == [[[0, 0]], [[1, 1]]]


def test_a_wide_table_gets_as_many_rows_as_any_and_always_the_same(package: Callable[..., Model]) -> None:
    model = package("(double[N,1000] X) => (double[N,1000] y) { y = Identity(X) }")
    draw = np.random.default_rng(0)
    sample = Rows({"X": draw.normal(size=(50, 1000))}, tuple(f"row {at}" for at in range(50)), np.zeros(50, bool))

    rows, again = made_up(model, sample), made_up(model, sample)

    assert 300 < len(rows) <= 500
    # Each column is at its largest somewhere, be it with all the others.
    assert (np.nanmax(rows.columns["X"], axis=0) >= sample.columns["X"].max(axis=0)).all()
    assert rows.places == again.places
    np.testing.assert_array_equal(rows.columns["X"], again.columns["X"])
