"""LightGBM's models predict the same in their graph, to the last digits and leaf by leaf."""

from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from despliegue_cli.trees import Ensemble, NotConvertible
from despliegue_cli.trees.ensemble import NEARLY_ZERO, Mode, leaves_of
from despliegue_cli.trees.lightgbm import read

type AtThresholds = Callable[[Ensemble, Any], Any]

CLOSE: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}
SMALL = {"verbose": -1, "num_threads": 1, "min_data_per_group": 5, "cat_smooth": 1, "cat_l2": 1}


def train(options: dict[str, Any], rows: Any, target: Any, categorical: Any = "auto", rounds: int = 20) -> lgb.Booster:
    return lgb.train(SMALL | options, lgb.Dataset(rows, target, categorical_feature=categorical), rounds)


def equal(booster: lgb.Booster, ensemble: Ensemble, run: Any, rows: Any) -> None:
    outputs, expected = run(ensemble, rows), np.asarray(booster.predict(rows))
    if ensemble.classes is None:
        np.testing.assert_allclose(outputs["prediction"], expected, **CLOSE)
    else:
        if expected.ndim == 1:
            expected = np.stack([1 - expected, expected], axis=1)
        np.testing.assert_allclose(outputs["probabilities"], expected, **CLOSE)
        np.testing.assert_array_equal(outputs["label"], expected.argmax(axis=1))
    leaves = run(leaves_of(ensemble), rows)["prediction"].reshape(len(rows), -1)
    splits = [np.count_nonzero(tree.mode != Mode.LEAF) for tree in ensemble.trees]
    np.testing.assert_array_equal(leaves - splits, np.reshape(booster.predict(rows, pred_leaf=True), leaves.shape))


@pytest.fixture
def odd_rows(table: Any) -> Any:
    """Rows with what LightGBM rounds: numbers next to zero, codes with a fraction, codes beyond int32, infinities."""
    rows = table.unseen.copy()
    tiny = [NEARLY_ZERO, np.nextafter(NEARLY_ZERO, 1), NEARLY_ZERO / 2, 0.0, np.inf]
    rows[1000:1010, 0] = [*tiny, *(-value for value in tiny)]
    rows[1100:1200, 3] += 0.5
    rows[1200:1210, 4] = [-0.5, -1, 1e10, np.inf, -np.inf, 2.0**31, 59.9, 0.99, -0.99, 1e300]
    return rows


@pytest.mark.parametrize("missing", ["none", "nan", "zero", "unused"])
@pytest.mark.parametrize("categorical", ["auto", [3, 4]], ids=["numbers", "categories"])
@pytest.mark.parametrize(
    ("objective", "target"),
    [("binary", "binary"), ("multiclass", "classes"), ("regression", "number"), ("poisson", "counts")],
)
def test_every_missing_type(
    missing: str,
    categorical: Any,
    objective: str,
    target: str,
    table: Any,
    odd_rows: Any,
    run: Any,
    at_thresholds: AtThresholds,
) -> None:
    options: dict[str, Any] = {"objective": objective, "num_class": 4 if objective == "multiclass" else 1}
    trained = table.x if missing == "none" else table.nulls
    if missing == "zero":
        options["zero_as_missing"] = True
        hidden = np.random.default_rng(7).random(trained.shape) < 0.3
        trained, odd_rows = np.where(hidden, 0, trained), np.where(hidden, 0, odd_rows)
    if missing == "unused":
        options["use_missing"] = False
    booster = train(options, trained, getattr(table, target), categorical)

    ensemble = read(booster)

    assert any(tree.members for tree in ensemble.trees) == (categorical != "auto")
    equal(booster, ensemble, run, at_thresholds(ensemble, odd_rows))


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({"objective": "gamma"}, "positive"),
        ({"objective": "tweedie"}, "positive"),
        ({"objective": "regression_l1"}, "number"),
        ({"objective": "huber"}, "number"),
        ({"objective": "fair"}, "number"),
        ({"objective": "quantile", "alpha": 0.3}, "number"),
        ({"objective": "mape"}, "number"),
        ({"objective": "regression", "reg_sqrt": True}, "number"),
        ({"objective": "cross_entropy"}, "binary"),
        ({"objective": "cross_entropy_lambda"}, "binary"),
        ({"objective": "binary", "sigmoid": 0.7}, "binary"),
        ({"objective": "multiclassova", "num_class": 4, "sigmoid": 0.7}, "classes"),
        ({"objective": "binary", "boosting": "dart", "drop_rate": 0.5}, "binary"),
        ({"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "binary"),
        ({"objective": "poisson", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "counts"),
        (
            {"objective": "multiclass", "num_class": 4, "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
            "classes",
        ),
        ({"objective": "binary", "extra_trees": True, "data_sample_strategy": "goss"}, "binary"),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else value,
)
def test_objectives_and_boostings(
    options: dict[str, Any], target: str, table: Any, odd_rows: Any, run: Any, at_thresholds: AtThresholds
) -> None:
    booster = train(options, table.nulls, getattr(table, target))

    ensemble = read(booster)

    equal(booster, ensemble, run, at_thresholds(ensemble, odd_rows))


def test_rankers(table: Any, run: Any, at_thresholds: AtThresholds) -> None:
    groups = lgb.Dataset(table.nulls, table.classes, group=[100] * 24)
    booster = lgb.train(SMALL | {"objective": "lambdarank"}, groups, 10)

    ensemble = read(booster)

    equal(booster, ensemble, run, at_thresholds(ensemble, table.unseen))


def test_trees_of_one_leaf(table: Any, run: Any) -> None:
    booster = train({"objective": "regression"}, table.x, np.full(len(table.x), 7.25))

    equal(booster, read(booster), run, table.x)


def test_an_estimator_stops_where_it_stopped_early(table: Any, run: Any) -> None:
    rows = pd.DataFrame(table.nulls)
    model = lgb.LGBMClassifier(n_estimators=300, verbose=-1, num_threads=1).fit(
        rows[:1600],
        table.classes[:1600],
        eval_X=rows[1600:],
        eval_y=table.classes[1600:],
        callbacks=[lgb.early_stopping(3, verbose=False)],
    )
    assert 0 < model.best_iteration_ < 300

    outputs = run(read(model), table.unseen)

    np.testing.assert_allclose(outputs["probabilities"], model.predict_proba(pd.DataFrame(table.unseen)), **CLOSE)


def test_an_estimator_has_its_labels(table: Any, run: Any) -> None:
    names = np.array(["no", "sí", "quizá", "nunca"])[table.classes]
    rows = pd.DataFrame(table.nulls)
    model = lgb.LGBMClassifier(n_estimators=10, verbose=-1, num_threads=1).fit(rows, names)

    outputs = run(read(model), rows)

    np.testing.assert_array_equal(outputs["label"], model.predict(rows))


def test_the_text_of_a_file_is_enough(table: Any, run: Any) -> None:
    booster = train({"objective": "binary"}, table.nulls, table.binary)

    ensemble = read(booster.model_to_string(), classes=["no", "sí"])

    expected = np.where(np.asarray(booster.predict(table.unseen)) > 0.5, "sí", "no")
    np.testing.assert_array_equal(run(ensemble, table.unseen)["label"], expected)


def test_named_categories_are_codes_and_the_ensemble_says_which(table: Any, run: Any) -> None:
    frame = pd.DataFrame(table.nulls, columns=list("abcdef"))
    frame["d"] = pd.Categorical(np.array(["rojo", "verde", "azul", "añil"])[table.x[:, 3].astype(int) % 4])
    frame.loc[::9, "d"] = np.nan
    booster = train({"objective": "regression"}, frame, table.number)

    ensemble = read(booster)

    assert ensemble.categories == {3: ("azul", "añil", "rojo", "verde")}
    codes = frame.assign(d=frame["d"].cat.codes.where(frame["d"].notna())).to_numpy(float)
    np.testing.assert_allclose(run(ensemble, codes)["prediction"], booster.predict(frame), **CLOSE)


def linear(table: Any) -> Any:
    return train({"objective": "regression", "linear_tree": True}, table.x, table.number)


def custom(table: Any) -> Any:
    return train({"objective": lambda raw, data: (raw - data.get_label(), np.ones(len(raw)))}, table.x, table.number)


def cut_short(table: Any) -> str:
    text = train({"objective": "binary"}, table.x, table.binary).model_to_string()
    return text[: text.index("Tree=7")]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (linear, "linear_tree has a linear model in each leaf"),
        (custom, "objective 'custom' is not known"),
        (cut_short, "is cut short"),
        (lambda table: "tree, my dear Watson", "is no LightGBM text model"),
    ],
    ids=["linear", "custom", "cut", "text"],
)
def test_what_cannot_be_exact_is_refused_by_name(model: Callable[[Any], Any], reason: str, table: Any) -> None:
    with pytest.raises(NotConvertible, match=reason):
        read(model(table))
