"""scikit-learn's tree ensembles predict the same in their graph, to the last digits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier

from despliegue_cli.trees import Ensemble, NotConvertible
from despliegue_cli.trees.ensemble import leaves_of
from despliegue_cli.trees.sklearn_trees import read

type AtThresholds = Callable[[Ensemble, Any], Any]

CLOSE: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}

FORESTS = [
    RandomForestClassifier(30, min_samples_leaf=2, random_state=0),
    ExtraTreesClassifier(30, min_samples_leaf=2, random_state=0),
    DecisionTreeClassifier(random_state=0, max_depth=7),
    ExtraTreeClassifier(random_state=0),
]


def equal(model: Any, ensemble: Ensemble, run: Any, rows: Any) -> None:
    outputs = run(ensemble, rows)
    if ensemble.classes is None:
        np.testing.assert_allclose(outputs["prediction"], model.predict(rows), **CLOSE)
    else:
        np.testing.assert_allclose(outputs["probabilities"], model.predict_proba(rows), **CLOSE)
        np.testing.assert_array_equal(outputs["label"], model.predict(rows))


@pytest.mark.parametrize("model", FORESTS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("target", ["binary", "classes"])
@pytest.mark.parametrize("nulls", [False, True], ids=["full", "nulls"])
def test_forests_of_classifiers(
    model: Any, target: str, nulls: bool, table: Any, run: Any, at_thresholds: AtThresholds
) -> None:
    model.fit(table.nulls if nulls else table.x, getattr(table, target))

    ensemble = read(model)

    equal(model, ensemble, run, at_thresholds(ensemble, table.unseen if nulls else table.x))


@pytest.mark.parametrize(
    "model",
    [
        RandomForestRegressor(30, random_state=0),
        ExtraTreesRegressor(30, random_state=0),
        DecisionTreeRegressor(random_state=0),
        DecisionTreeRegressor(max_depth=1, random_state=0),
    ],
    ids=["RandomForest", "ExtraTrees", "DecisionTree", "stump"],
)
def test_forests_of_regressors(model: Any, table: Any, run: Any, at_thresholds: AtThresholds) -> None:
    model.fit(table.nulls, table.number)

    ensemble = read(model)

    equal(model, ensemble, run, at_thresholds(ensemble, table.unseen))


def test_every_row_reaches_the_leaf_that_it_reaches_in_the_original(
    table: Any, run: Any, at_thresholds: AtThresholds
) -> None:
    model = RandomForestClassifier(30, random_state=0).fit(table.nulls, table.classes)
    ensemble = read(model)
    rows = at_thresholds(ensemble, table.unseen)

    leaves = run(leaves_of(ensemble), rows)["prediction"]

    np.testing.assert_array_equal(leaves, model.apply(rows))


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({}, "binary"),
        ({"loss": "exponential"}, "binary"),
        ({"init": "zero"}, "binary"),
        ({}, "classes"),
        ({"init": "zero"}, "classes"),
    ],
)
def test_gradient_boosting_classifiers(
    options: dict[str, Any], target: str, table: Any, run: Any, at_thresholds: AtThresholds
) -> None:
    model = GradientBoostingClassifier(n_estimators=15, random_state=0, **options).fit(table.x, getattr(table, target))

    ensemble = read(model)

    equal(model, ensemble, run, at_thresholds(ensemble, table.x))


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
def test_gradient_boosting_regressors(loss: str, table: Any, run: Any, at_thresholds: AtThresholds) -> None:
    model = GradientBoostingRegressor(n_estimators=15, loss=loss, random_state=0).fit(table.x, table.number)

    ensemble = read(model)

    equal(model, ensemble, run, at_thresholds(ensemble, table.x))


def test_a_tie_of_gradient_boosting_goes_to_the_second_class(run: Any) -> None:
    rows = np.array([[0.0], [0.0], [1.0], [1.0]] * 600)
    model = GradientBoostingClassifier(n_estimators=1, init="zero").fit(rows, [0, 1, 0, 1] * 600)
    assert model.predict_proba(rows[:1]).tolist() == [[0.5, 0.5]]

    equal(model, read(model), run, rows)


CATEGORICAL = pytest.mark.parametrize("categorical", [None, [3, 4]], ids=["numbers", "categories"])


@CATEGORICAL
@pytest.mark.parametrize("target", ["binary", "classes"])
@pytest.mark.parametrize("nulls", [False, True], ids=["full", "nulls"])
def test_histogram_gradient_boosting_classifiers(
    categorical: Any, target: str, nulls: bool, table: Any, run: Any, at_thresholds: AtThresholds
) -> None:
    model = HistGradientBoostingClassifier(max_iter=15, categorical_features=categorical)
    model.fit(table.nulls if nulls else table.x, getattr(table, target))

    ensemble = read(model)

    assert any(tree.members for tree in ensemble.trees) == (categorical is not None)
    equal(model, ensemble, run, at_thresholds(ensemble, table.unseen))


@CATEGORICAL
@pytest.mark.parametrize(
    ("loss", "target"),
    [
        ("squared_error", "number"),
        ("absolute_error", "number"),
        ("poisson", "counts"),
        ("gamma", "positive"),
        ("quantile", "number"),
    ],
)
def test_histogram_gradient_boosting_regressors(
    categorical: Any, loss: str, target: str, table: Any, run: Any, at_thresholds: AtThresholds
) -> None:
    model = HistGradientBoostingRegressor(
        loss=loss, quantile=0.3 if loss == "quantile" else None, max_iter=15, categorical_features=categorical
    ).fit(table.nulls, getattr(table, target))

    ensemble = read(model)

    equal(model, ensemble, run, at_thresholds(ensemble, table.unseen))


def test_categories_need_not_be_small_or_whole(table: Any, run: Any) -> None:
    rows = table.nulls.copy()
    rows[:, 4] = rows[:, 4] * 1e12 + 0.5
    model = HistGradientBoostingClassifier(max_iter=15, categorical_features=[4]).fit(rows, table.binary)
    rows[:200, 4] += 0.25

    equal(model, read(model), run, rows)


@pytest.mark.parametrize("dtype", ["category", "object"])
def test_named_categories_are_codes_and_the_ensemble_says_which(dtype: str, table: Any, run: Any) -> None:
    frame = pd.DataFrame(table.nulls, columns=list("abcdef"))
    names = np.array(["rojo", "verde", "azul", "añil"], object)[table.x[:, 3].astype(int) % 4]
    frame["d"] = pd.Series(np.where(np.arange(len(frame)) % 9 == 0, None, names), dtype=dtype)
    model = HistGradientBoostingClassifier(max_iter=15, categorical_features=["d"]).fit(frame, table.binary)

    ensemble = read(model)

    assert set(ensemble.categories) == {3}
    code = {name: float(number) for number, name in enumerate(ensemble.categories[3])}
    assert set(code) - {None} == set(names)
    frame["d"] = frame["d"].astype(object)
    frame.loc[::7, "d"] = "unseen"
    outputs = run(ensemble, frame.assign(d=[code.get(name, np.nan) for name in frame["d"]]).to_numpy(float))
    np.testing.assert_allclose(outputs["probabilities"], model.predict_proba(frame), **CLOSE)


@pytest.mark.parametrize("options", [{}, {"max_features": 0.5, "contamination": 0.1}], ids=["default", "subsets"])
def test_isolation_forests(options: dict[str, Any], table: Any, run: Any) -> None:
    model = IsolationForest(n_estimators=50, random_state=0, **options).fit(table.nulls)

    outputs = run(read(model), table.unseen)

    np.testing.assert_allclose(outputs["score"], model.decision_function(table.unseen), **CLOSE)
    np.testing.assert_array_equal(outputs["label"], model.predict(table.unseen))


def test_a_tree_of_one_leaf(table: Any, run: Any) -> None:
    model = RandomForestRegressor(3).fit(table.x, np.full(len(table.x), 7.25))

    equal(model, read(model), run, table.x)


@pytest.mark.parametrize("classes", [1, 3, 40, 300])
def test_any_number_of_classes(classes: int, table: Any, run: Any) -> None:
    target = np.arange(len(table.x)) % classes
    model = RandomForestClassifier(12, max_depth=5, random_state=0).fit(table.x, target)

    equal(model, read(model), run, table.x)


@pytest.mark.parametrize("names", [["no", "sí", "quizá", "nunca"], [-3, 5, 10**12, 7], [1.0, 2.0, 4.0, 8.0]])
def test_labels_are_text_or_integers(names: list[Any], table: Any, run: Any) -> None:
    model = RandomForestClassifier(5, max_depth=5, random_state=0).fit(table.x, np.array(names)[table.classes])

    equal(model, read(model), run, table.x)


def two_outputs(table: Any) -> Any:
    return RandomForestRegressor(2).fit(table.x, table.x[:, :2])


def own_start(table: Any) -> Any:
    return GradientBoostingClassifier(init=LogisticRegression(), n_estimators=2).fit(table.x[:, :2], table.binary)


def no_trees(table: Any) -> Any:
    return LinearRegression().fit(table.x, table.number)


def fractions(table: Any) -> Any:
    tree = DecisionTreeClassifier(max_depth=2).fit(table.x, table.binary)
    tree.classes_ = np.array([0.5, 1.5])
    return tree


@pytest.mark.parametrize(
    ("fit", "reason"),
    [
        (two_outputs, "RandomForestRegressor has 2 outputs"),
        (own_start, "starts from a LogisticRegression"),
        (no_trees, "LinearRegression is no tree ensemble"),
        (fractions, r"labels are neither text nor integers, but 0\.5, 1\.5"),
    ],
)
def test_what_cannot_be_exact_is_refused_by_name(fit: Callable[[Any], Any], reason: str, table: Any) -> None:
    model = fit(table)

    with pytest.raises(NotConvertible, match=reason):
        read(model)
