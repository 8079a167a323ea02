"""What callers are told of a feature's values: where most of a sample lies, the model's categories, of no one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from despliegue.models import ModelRepository
from despliegue.models.manifest import Feature, Manifest
from despliegue.models.model import Array
from despliegue.monitoring import profile
from despliegue_cli.packages.add import Options, add
from despliegue_cli.packages.description.usual_values import FEWEST, with_usual_values

TEN = [str(number) for number in range(10)]


def told(values: Any, feature: Feature = Feature("x"), texts: Any = ()) -> Feature:  # noqa: B008 – frozen
    columns = {"x": np.asarray(values)}
    (found,) = with_usual_values([feature], columns, profile(columns, {}), texts)
    return found


def choices(values: Sequence[str | None], texts: Any = None) -> Any:
    known = {value for value in values if value is not None} if texts is None else texts
    return told(np.array(values, object), Feature("x", "category", "?"), known).choices or ()


@pytest.mark.parametrize(
    ("values", "usual"),
    [
        (np.arange(1001), (20, 980)),
        (np.arange(1001) / 10 - 50, (-48, 48)),
        (np.linspace(1990, 2010, 500), (1990, 2010)),
        (np.repeat(np.array([13.1, 20.8], np.float32), 50), (13.1, 20.8)),
        (np.repeat([1.1, 1.4], 50), (1.1, 1.4)),
        (np.repeat([-0.0, 0.26], 50), (0, 0.26)),
        (np.append(np.arange(100.0), [np.nan, np.inf, -np.inf]), (4, 95)),
        (np.repeat([5e-324, 1.7e308], 50), (0, 1.7e308)),
        (np.repeat([1e15, 1e15 + 1], 50), (1e15, 1e15 + 1)),
    ],
)
def test_a_number_is_usually_in_the_middle_of_the_sample_in_few_digits(values: Array, usual: Any) -> None:
    assert told(values).usual == usual


@pytest.mark.parametrize(
    "values",
    [
        np.arange(FEWEST - 1),
        np.append(np.arange(FEWEST - 1.0), np.nan),
        np.full(1000, 7.25),
        np.append(np.zeros(1000), np.arange(20)),
        np.repeat([-1.79e308, 1.79e308], 50),
        np.repeat([True, False], 100),
        np.zeros((200, 2)),
        np.array([]),
    ],
    ids=["too few", "too few that are there", "constant", "nearly constant", "too wide", "truths", "tensor", "none"],
)
def test_of_some_columns_no_range_is_told(values: Array) -> None:
    assert told(values) == Feature("x")


def test_a_number_that_stands_for_a_category_has_no_range() -> None:
    category = Feature("x", "category")

    assert told(np.arange(1000) % 7, category) == category


NUMBERS = st.one_of(st.floats(allow_nan=False, width=32), st.integers(-50, 50).map(float), st.floats(39, 40, width=32))


@given(arrays.arrays(st.sampled_from([np.float32, np.float64]), st.integers(100, 300), elements=NUMBERS))
@settings(deadline=None)
def test_most_of_the_sample_is_usual(values: Array) -> None:
    usual = told(values).usual
    if not usual:
        return

    low, high = (np.asarray(bound, values.dtype) for bound in usual)
    finite = values[np.isfinite(values)]
    most = max(5, np.ceil(finite.size / 40))
    assert low < high
    assert (finite < low).sum() < most
    assert (finite > high).sum() < most


@given(st.lists(st.floats(1e3, 1e9), min_size=4, max_size=4), st.lists(st.floats(1e3, 1e9), min_size=4, max_size=4))
@settings(deadline=None)
def test_the_four_at_an_end_could_be_anybody(some: list[float], others: list[float]) -> None:
    rest = np.random.default_rng(0).normal(0, 10, 150)

    assert told(np.append(rest, some)) == told(np.append(rest, others))
    assert told(np.append(rest, np.negative(some))) == told(np.append(rest, np.negative(others)))


@pytest.mark.parametrize(
    ("values", "texts", "found"),
    [
        (["b"] * 5 + ["a"] * 90 + [None] * 9, None, ("a", "b")),
        (["a"] * 90 + ["rare"] * 4, None, ("a",)),
        (["a"] * 90 + ["written by a person"] * 50, {"a", "b"}, ("a",)),
        (["a"] * 90 + [""] * 50 + ["?"] * 50, None, ("a",)),
        ([f"{number}" for number in range(200)] + ["a"] * 9, None, ()),
        (TEN * 20, None, tuple(TEN)),
        ([f"{number:02}" for number in range(50)] * 5, None, tuple(f"{number:02}" for number in range(50))),
        ([f"{number:02}" for number in range(51)] * 5, None, ()),
        (["a" * 100] * 50 + ["b"] * 50, None, ("a" * 100, "b")),
        (["a" * 101] * 50 + ["b"] * 50, None, ()),
        ([None] * 200, None, ()),
    ],
    ids=[
        *("in order", "rare", "not in the graph", "missing", "mostly unique", "digits"),
        *("as many as may be", "too many", "long", "too long", "none"),
    ],
)
def test_the_choices_are_the_models_own_categories_that_are_not_rare(values: Any, texts: Any, found: Any) -> None:
    assert choices(values, texts) == found


def test_the_order_of_choices_does_not_tell_which_are_frequent() -> None:
    assert choices(["a"] * 5 + ["b"] * 95) == choices(["a"] * 95 + ["b"] * 5)


def test_what_the_sample_has_not_is_left_as_it_is() -> None:
    columns = {"x": np.arange(200.0)}
    features = (Feature("y"), Feature("x", missing="NaN"))

    found = with_usual_values(features, columns, profile(columns, {}), ())

    assert found == (Feature("y"), Feature("x", missing="NaN", usual=(0, 200)))


@pytest.mark.usefixtures("convert_here")
def test_what_is_added_with_a_sample_tells_callers_and_the_card(
    saved: Callable[..., Path], people: Any, tmp_path: Path
) -> None:
    people.rows().to_csv(tmp_path / "people.csv", index=False)
    path = saved(people.pipeline(), "people.joblib")

    for version, sample in (("1", tmp_path / "people.csv"), ("2", None)):
        add(path, tmp_path / "models", Options(version=version, trust=True, sample=sample, measure=False))

    repository = ModelRepository(tmp_path / "models")
    features = {each.name: each for each in repository.get("people", "1").manifest.features}
    assert features["score one"].usual == (-20, 19)
    assert features["when"].usual == (1_601_000_000, 1_698_000_000)
    assert features["city"].choices == ("León", "Málaga", "Ávila")
    assert features["sex"].choices == ("f", "m")
    card = (tmp_path / "models/people/1/MODEL_CARD.md").read_text()
    assert "| `score one` | number | FP64 | yes | -20 to 19 |" in card
    assert "| `sex` | category | BYTES | yes | `f`, `m` |" in card
    without = Manifest.read(tmp_path / "models/people/2").features
    assert not any(each.usual or each.choices for each in without)
