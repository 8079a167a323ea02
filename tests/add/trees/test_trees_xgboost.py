"""XGBoost's models reach the same leaves in their graph, and sum them to the same float32."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from despliegue_cli.trees import Ensemble, NotConvertible
from despliegue_cli.trees.ensemble import leaves_of
from despliegue_cli.trees.xgboost import read

type AtThresholds = Callable[[Ensemble, Any], Any]

CLOSE: dict[str, Any] = {"rtol": 1e-5, "atol": 0}
KINDS = ["q", "q", "q", "c", "c", "q"]


def train(options: dict[str, Any], rows: Any, target: Any, kinds: Any = None, rounds: int = 20) -> xgb.Booster:
    data = xgb.DMatrix(rows, target, feature_types=kinds, enable_categorical=True)
    return xgb.train({"verbosity": 0, "nthread": 1} | options, data, rounds)


def equal(booster: xgb.Booster, ensemble: Ensemble, run: Any, rows: Any, kinds: Any = None, trees: int = 0) -> None:
    data = xgb.DMatrix(rows, feature_types=kinds, enable_categorical=True)
    leaves = run(leaves_of(ensemble), rows)["prediction"]
    expected = booster.predict(data, pred_leaf=True, iteration_range=(0, trees))
    np.testing.assert_array_equal(leaves.reshape(len(rows), -1), expected.reshape(len(rows), -1))

    raw = run(replace(ensemble, link="identity", classes=None), rows)["prediction"]
    np.testing.assert_array_equal(raw, booster.predict(data, output_margin=True, iteration_range=(0, trees)))

    outputs, expected = run(ensemble, rows), booster.predict(data, iteration_range=(0, trees))
    if ensemble.classes is None:
        np.testing.assert_allclose(outputs["prediction"], expected, **CLOSE)
    elif expected.ndim == 1:
        np.testing.assert_allclose(outputs["probabilities"][:, 1], expected, **CLOSE)
        np.testing.assert_array_equal(outputs["label"], expected > 0.5)
    else:
        np.testing.assert_allclose(outputs["probabilities"], expected, **CLOSE)
        np.testing.assert_array_equal(outputs["label"], expected.argmax(axis=1))


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({"objective": "binary:logistic"}, "binary"),
        ({"objective": "binary:logistic", "base_score": 0.2}, "binary"),
        ({"objective": "binary:logitraw"}, "binary"),
        ({"objective": "reg:logistic"}, "binary"),
        ({"objective": "multi:softprob", "num_class": 4}, "classes"),
        ({"objective": "reg:squarederror"}, "number"),
        ({"objective": "reg:squarederror", "base_score": 3}, "number"),
        ({"objective": "reg:squarederror", "gamma": 5, "max_depth": 8, "tree_method": "exact"}, "number"),
        ({"objective": "reg:absoluteerror"}, "number"),
        ({"objective": "reg:pseudohubererror"}, "number"),
        ({"objective": "reg:quantileerror", "quantile_alpha": 0.3}, "number"),
        ({"objective": "reg:squaredlogerror"}, "positive"),
        ({"objective": "count:poisson"}, "counts"),
        ({"objective": "reg:gamma"}, "positive"),
        ({"objective": "reg:tweedie"}, "positive"),
        ({"objective": "survival:cox"}, "positive"),
        ({"objective": "binary:logistic", "num_parallel_tree": 8, "subsample": 0.5, "learning_rate": 1}, "binary"),
        ({"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.3}, "binary"),
        ({"objective": "multi:softprob", "num_class": 4, "booster": "dart", "rate_drop": 0.3}, "classes"),
        ({"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.3, "normalize_type": "forest"}, "number"),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else value,
)
def test_objectives_and_boosters(
    options: dict[str, Any], target: str, table: Any, run: Any, at_thresholds: AtThresholds
) -> None:
    booster = train(options, table.nulls, getattr(table, target))

    ensemble = read(booster)

    equal(booster, ensemble, run, at_thresholds(ensemble, table.unseen))


def test_three_hundred_trees_sum_to_the_same_float32(table: Any, run: Any) -> None:
    booster = train({"objective": "reg:squarederror"}, table.nulls, table.number, rounds=300)

    equal(booster, read(booster), run, table.unseen)


@pytest.mark.parametrize("options", [{}, {"max_cat_to_onehot": 100}], ids=["sets", "one-hot"])
@pytest.mark.parametrize("cardinality", [60, 900])
def test_categories(
    options: dict[str, Any], cardinality: int, table: Any, run: Any, at_thresholds: AtThresholds
) -> None:
    rows = table.nulls.copy()
    rows[:, 4] *= cardinality // 60
    booster = train({"objective": "binary:logistic"} | options, rows, table.binary, KINDS)
    ensemble = read(booster)
    assert any(tree.members for tree in ensemble.trees)
    rows = at_thresholds(ensemble, table.unseen)
    rows[1100:1200, 3] += 0.5
    rows[1200:1209, 4] = [-0.5, -1, 1e10, 3e38, -3e38, 2.0**31, 59.9, 0.99, 2.0**24 + 4]

    equal(booster, ensemble, run, rows, KINDS)


def test_trees_of_one_leaf(table: Any, run: Any) -> None:
    booster = train({"objective": "reg:squarederror"}, table.x, np.full(len(table.x), 7.25))

    equal(booster, read(booster), run, table.x)


def test_an_estimator_stops_where_it_stopped_early_and_a_booster_does_not(table: Any, run: Any, tmp_path: Path) -> None:
    model = xgb.XGBClassifier(n_estimators=300, early_stopping_rounds=5, n_jobs=1)
    held_out = [(table.nulls[1600:], table.classes[1600:])]
    model.fit(table.nulls[:1600], table.classes[:1600], eval_set=held_out, verbose=False)
    booster, stop = model.get_booster(), model.best_iteration + 1
    assert stop < booster.num_boosted_rounds()
    for name in ("model.ubj", "model.json"):
        model.save_model(tmp_path / name)
    booster.save_model(tmp_path / "booster.ubj")

    for same in (model, tmp_path / "model.ubj", str(tmp_path / "model.json")):
        outputs = run(read(same), table.unseen)
        np.testing.assert_allclose(outputs["probabilities"], model.predict_proba(table.unseen), **CLOSE)
        np.testing.assert_array_equal(outputs["label"], model.predict(table.unseen))
    equal(booster, read(tmp_path / "booster.ubj"), run, table.unseen)


def test_a_number_that_an_estimator_takes_for_missing(table: Any, run: Any) -> None:
    rows = np.where(np.isnan(table.nulls), -999, table.nulls)
    model = xgb.XGBRegressor(n_estimators=20, missing=-999, n_jobs=1).fit(rows, table.number)
    rows[::5, 0] = np.nan

    np.testing.assert_allclose(run(read(model), rows)["prediction"], model.predict(rows), **CLOSE)


def test_named_categories_are_codes_and_the_ensemble_says_which(table: Any, run: Any) -> None:
    frame = pd.DataFrame(table.nulls, columns=list("abcdef"))
    frame["d"] = pd.Categorical(np.array(["rojo", "verde", "azul", "añil"])[table.x[:, 3].astype(int) % 4])
    frame["e"] = pd.Categorical(table.x[:, 4].astype(int) % 5 * 10)
    frame.loc[::9, "d"] = np.nan
    model = xgb.XGBRegressor(n_estimators=20, enable_categorical=True, n_jobs=1).fit(frame, table.number)

    ensemble = read(model)

    assert ensemble.categories == {3: ("azul", "añil", "rojo", "verde"), 4: (0, 10, 20, 30, 40)}
    codes = frame.assign(d=frame["d"].cat.codes.where(frame["d"].notna()), e=frame["e"].cat.codes).to_numpy(float)
    np.testing.assert_allclose(run(ensemble, codes)["prediction"], model.predict(frame), **CLOSE)


@pytest.mark.parametrize(
    ("options", "target", "reason"),
    [
        ({"booster": "gblinear"}, "number", "gblinear has no trees"),
        ({"objective": "binary:hinge"}, "binary", "objective 'binary:hinge' is not known"),
        ({"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.9]}, "number", "has 2 targets"),
    ],
    ids=["gblinear", "hinge", "quantiles"],
)
def test_what_cannot_be_exact_is_refused_by_name(options: dict[str, Any], target: str, reason: str, table: Any) -> None:
    booster = train(options, table.x, getattr(table, target), rounds=2)

    with pytest.raises(NotConvertible, match=reason):
        read(booster)
