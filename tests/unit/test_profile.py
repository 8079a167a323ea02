"""The baseline profile adds up, is the same again, and tells of no one."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from despliegue.models import ModelRepository
from despliegue.models.model import Array
from despliegue.monitoring import ColumnProfile, Histogram, profile
from despliegue.monitoring.profile import LEAST

NUMBERS = st.one_of(
    st.floats(),
    st.sampled_from([0.0, 1.0, 2.5, np.nan, np.inf, -np.inf]),
    st.integers(-50, 50).map(float),
    st.floats(39, 40, width=32),
)
CATEGORIES = st.one_of(st.none(), st.sampled_from(["a", "b", "m\n|"]), st.text(max_size=3))


def one(values: Any) -> ColumnProfile:
    return profile({"x": np.asarray(values)}, {}).features[0]


def counts(column: ColumnProfile) -> tuple[int, ...]:
    assert column.histogram is not None
    return column.histogram.counts


@given(arrays.arrays(np.float64, st.integers(0, 200), elements=NUMBERS))
@settings(deadline=None, max_examples=300)
def test_numbers_add_up_and_no_edge_is_a_value_of_the_sample(values: Array) -> None:
    column = one(values)

    assert column.missing + sum(counts(column)) == len(values)
    assert column.histogram is not None
    edges = column.histogram.edges
    assert list(edges) == sorted(set(edges))
    assert not set(edges) & set(values.tolist())
    assert len(counts(column)) == len(edges) + 1
    assert len(edges) == 0 or min(counts(column)) >= LEAST
    # As drift will count again.
    again = np.bincount(np.searchsorted(edges, values[~np.isnan(values)]), minlength=len(edges) + 1)
    assert tuple(again) == counts(column)
    msgspec.json.decode(msgspec.json.encode(column), type=ColumnProfile)


@given(st.lists(CATEGORIES, max_size=200))
@settings(deadline=None)
def test_categories_add_up_and_none_of_fewer_than_five_rows_is_named(values: list[str | None]) -> None:
    column = one(np.array(values, object))

    lengths = sum(counts(column)) if column.histogram else 0
    assert column.missing + sum(column.values.values()) + column.other + lengths == len(values)
    for value, rows in column.values.items():
        assert rows == values.count(value) >= LEAST


def test_a_continuous_column_has_ten_even_bins_and_shows_neither_end() -> None:
    values = np.random.default_rng(0).normal(170, 10, 20_000)

    column = one(values)

    assert len(counts(column)) == 10
    assert min(counts(column)) > 1_000
    text = msgspec.json.encode(column).decode()
    assert repr(float(values.min())) not in text
    assert repr(float(values.max())) not in text
    assert column.histogram is not None
    assert all(len(repr(edge)) <= 5 for edge in column.histogram.edges), "short numbers, such as 164.7"
    assert (column.mean, column.deviation, column.integers) == (170.0, 9.96, False)


def test_seconds_since_1970_of_one_day_keep_their_bins() -> None:
    column = one(np.random.default_rng(0).integers(1_700_000_000, 1_700_086_400, 5_000))

    assert len(counts(column)) == 10
    assert column.integers


@pytest.mark.parametrize(
    ("ones", "expected"), [(300, (700, 300)), (50, (950, 50)), (3, (1000,)), (0, (1000,)), (1000, (1000,))]
)
def test_a_column_of_zeros_and_ones_has_a_bin_for_each_unless_one_is_rare(ones: int, expected: tuple[int, ...]) -> None:
    assert counts(one(np.arange(1000) < ones)) == expected


def test_of_fewer_than_five_numbers_nothing_is_told_but_their_count() -> None:
    column = one(np.array([np.nan, 41_372.25, 17.5, np.nan, 8.125, 3.0]))

    assert column == ColumnProfile("x", "number", missing=2, histogram=Histogram((), (4,)))


def test_a_constant_column_and_an_empty_one_are_told() -> None:
    assert one(np.full(20, 7.0)).constant
    assert one(np.array(["a"] * 20, object)).constant
    assert not one(np.arange(20)).constant
    assert one(np.full(20, np.nan)).missing == 20
    assert profile({}, {}).rows == 0


def test_names_and_ids_leave_nothing_but_their_lengths() -> None:
    names = np.array([f"person {number}" for number in range(1000)] + ["Ann Smith"] * 20, object)

    column = one(names)

    assert column.kind == "text"
    assert sum(counts(column)) == 1020
    assert b"Smith" not in msgspec.json.encode(column)
    assert b"person" not in msgspec.json.encode(column)


def test_rare_categories_and_those_beyond_the_fiftieth_are_counted_together() -> None:
    values = [f"c{number}" for number in range(60) for _ in range(10 + number)] + ["rare"] * 4

    column = one(np.array(values, object))

    assert len(column.values) == 50
    assert next(iter(column.values.items())) == ("c59", 69)
    assert column.other == sum(10 + number for number in range(10)) + 4


def test_images_are_described_by_all_their_values() -> None:
    images = np.random.default_rng(0).random((20, 8, 8), np.float32)

    column = profile({"image": images}, {"embedding": images.reshape(20, 64)}).features[0]

    assert column.kind == "tensor"
    assert sum(counts(column)) == 20 * 64
    assert min(counts(column)) >= LEAST * 64 / 10
    assert one(np.full((20, 3), "word", object)).values == {}, "five words may be one row's"


def test_labels_are_counted_and_probabilities_lie_in_tenths() -> None:
    probabilities = np.array([[0.05, 0.95]] * 30 + [[0.62, 0.38]] * 20)

    found = profile(
        {}, {"label": np.array(["no"] * 30 + ["sí"] * 20, object), "probabilities": probabilities}, ("sí", "no")
    )

    assert found.outputs[0].columns[0].values == {"no": 30, "sí": 20}
    first, second = found.outputs[1].columns
    assert (first.name, second.name, first.kind) == ("sí", "no", "probability")
    assert counts(first) == (30, 0, 0, 0, 0, 0, 20, 0, 0, 0)
    assert counts(second) == (0, 0, 0, 20, 0, 0, 0, 0, 0, 30)


def test_other_outputs_are_numbers_by_column_or_one_histogram() -> None:
    draw = np.random.default_rng(0)
    outputs: dict[str, Array] = {
        "price": draw.normal(0, 1, 100),
        "two": draw.normal(0, 1, (100, 2)),
        "embedding": draw.normal(0, 1, (100, 384)),
        "clicks": draw.integers(0, 10_000, 100),
        "cluster": draw.integers(0, 3, 100),
    }

    found = {each.name: each.columns for each in profile({}, outputs).outputs}

    assert [column.kind for column in found["price"]] == ["number"]
    assert [(column.name, column.kind) for column in found["two"]] == [("0", "number"), ("1", "number")]
    assert [column.kind for column in found["embedding"]] == ["tensor"]
    assert [column.kind for column in found["clicks"]] == ["number"]
    assert sum(found["cluster"][0].values.values()) == 100


def test_the_same_sample_gives_the_same_bytes(root: Any) -> None:
    model = ModelRepository(root / "layers" / "models").get("breast-cancer")
    rows = np.random.default_rng(0).normal(10, 3, (500, 30))
    outputs = dict(
        zip(
            model.signature.outputs,
            model.run({"input": rows.astype(np.float32)}, [*model.signature.outputs]),
            strict=True,
        )
    )
    columns = {feature.name: rows[:, place] for place, feature in enumerate(model.manifest.features)}

    first, second = (msgspec.json.encode(profile(columns, outputs, model.manifest.labels)) for _ in range(2))

    assert first == second
    assert b'"format":1,"rows":500' in first
