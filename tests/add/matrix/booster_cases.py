"""XGBoost's and LightGBM's models of the matrix: their own files, and their estimators by joblib."""

from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from tests.add.matrix.cases import SINGLE, Case, Outputs, in_form, numbers
from tests.add.matrix.sklearn_cases import categorical, mixed, on_people
from tests.add.matrix.tables import NUMBERS, answers, asked, near, real, trained, wealth

_digits, _digit = real("digits")
_diabetes, _progress = real("diabetes")
_people_numbers = asked()[list(NUMBERS)]
_light: dict[str, Any] = {"n_estimators": 40, "verbose": -1, "n_jobs": 1, "min_data_per_group": 20}


def _numbered(model: Any, names: int = 2) -> Any:
    """`model`, trained on the columns of people that are numbers, and classes from 0."""
    return model.fit(trained()[list(NUMBERS)], answers(trained(), range(names)))


def _named(model: Any) -> Any:
    """`model`, trained on pandas' categories."""
    return model.fit(categorical(trained()), answers(trained(), [0, 1]))


def _raw(booster: xgboost.Booster, rows: pd.DataFrame) -> Outputs:
    """Of a Booster of two classes, all of its trees."""
    second = np.asarray(booster.predict(xgboost.DMatrix(rows)), float)
    return {"label": (second > 0.5).astype(int), "probabilities": np.column_stack([1 - second, second])}


def _stopped_early() -> xgboost.Booster:
    """A Booster with more trees than its best iteration, of which its own `predict` uses all."""
    data = [
        xgboost.DMatrix(rows[list(NUMBERS)], answers(rows, [0, 1])) for rows in (trained()[:1200], trained()[1200:])
    ]
    settings = {"objective": "binary:logistic", "eta": 1.0}
    booster = xgboost.train(
        settings, data[0], 60, evals=[(data[1], "others")], early_stopping_rounds=5, verbose_eval=False
    )
    assert booster.best_iteration + 1 < booster.num_boosted_rounds()
    return booster


CASES = {
    "XGBoost, binary": Case(
        lambda: _numbered(xgboost.XGBClassifier(n_estimators=60)),
        _people_numbers,
        save=in_form("json"),
        tolerance=SINGLE,
    ),
    "XGBoost, multi": Case(
        lambda: xgboost.XGBClassifier(n_estimators=20, max_depth=4).fit(_digits, _digit),
        near(_digits, missing=0.05),
        save=in_form("ubj"),
        tolerance=SINGLE,
        sample="parquet",
    ),
    "XGBoost, categories": Case(
        lambda: _named(xgboost.XGBClassifier(n_estimators=40, enable_categorical=True)),
        asked(),
        given=categorical,
        save=in_form("json"),
        tolerance=SINGLE,
    ),
    "XGBoost, dart": Case(
        lambda: xgboost.XGBRegressor(n_estimators=40, booster="dart", rate_drop=0.3, random_state=0, verbosity=0).fit(
            trained()[list(NUMBERS)], wealth(trained())
        ),
        _people_numbers,
        numbers,
        save=in_form("ubj"),
        tolerance=SINGLE,
    ),
    "XGBoost, a Booster that stopped early": Case(
        _stopped_early, _people_numbers, _raw, save=in_form("ubj"), tolerance=SINGLE, sample="jsonl"
    ),
    "XGBoost, in a pipeline": Case(
        lambda: on_people(mixed(xgboost.XGBClassifier(n_estimators=30)), [0, 1, 2]), asked(), tolerance=SINGLE
    ),
    "LightGBM, binary": Case(
        lambda: _numbered(lightgbm.LGBMClassifier(**_light)), _people_numbers, save=in_form("txt")
    ),
    "LightGBM, multi": Case(
        lambda: lightgbm.LGBMClassifier(**_light).fit(_digits, _digit),
        near(_digits, missing=0.05),
        save=in_form("txt"),
    ),
    "LightGBM, regression": Case(
        lambda: lightgbm.LGBMRegressor(**_light).fit(_diabetes, _progress),
        near(_diabetes, missing=0.05),
        numbers,
        save=in_form("txt"),
        sample="parquet",
    ),
    "LightGBM, categories": Case(
        lambda: _named(lightgbm.LGBMClassifier(**_light)), asked(), given=categorical, save=in_form("txt")
    ),
    "LightGBM, an estimator of named classes": Case(
        lambda: lightgbm.LGBMClassifier(**_light).fit(
            categorical(trained()), answers(trained(), ["no", "sí", "quizá"])
        ),
        asked(),
        given=categorical,
    ),
}
