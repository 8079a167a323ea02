"""What people often bring that is no model yet: told in one line, with what to do."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

from despliegue_cli.convert import Converted
from despliegue_cli.convert.from_sklearn import SklearnModel
from despliegue_cli.convert.messages import ConversionError

type Convert = Callable[..., Converted]

SCRIPT = """
import joblib
from sklearn.linear_model import LinearRegression

class Mine(LinearRegression):
    pass

joblib.dump(Mine().fit([[0], [1]], [0, 1]), "model.joblib")
"""


@pytest.mark.parametrize("estimator", [RandomForestClassifier(), make_pipeline(StandardScaler(), LogisticRegression())])
def test_an_estimator_that_was_not_fitted(estimator: object, saved: Callable[..., Path], converted: Convert) -> None:
    with pytest.raises(ConversionError, match=r"the \w+ was not fitted: call fit before you save it$"):
        converted(saved(estimator), trust=True)


def test_a_model_in_a_dict_is_found_and_named(saved: Callable[..., Path], converted: Convert) -> None:
    model = LogisticRegression().fit([[0], [1]], [0, 1])

    with pytest.raises(ConversionError, match=r"holds a dict.*its \['clf'\] is a LogisticRegression: save that alone$"):
        converted(saved({"columns": ["a"], "clf": model}), trust=True)


def test_a_class_of_the_script_that_trained_it(tmp_path: Path, converted: Convert) -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, check=True)

    with pytest.raises(ConversionError, match="it needs 'Mine', which was defined in the script or notebook"):
        converted(tmp_path / "model.joblib", trust=True)


def test_more_quantiles_than_can_be_converted() -> None:
    rows = np.random.default_rng(0).normal(size=(500, 2))
    estimator = make_pipeline(QuantileTransformer(n_quantiles=500), Lasso()).fit(rows, rows[:, 0])

    with pytest.raises(ConversionError, match="500 quantiles take its converter minutes; use n_quantiles=100"):
        SklearnModel(estimator, ())


def test_missing_texts_that_the_original_gets_as_none_are_said() -> None:
    rows = np.array([["a"], [None], ["b"], [None]], object)
    estimator = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(rows, [0, 1, 0, 1])

    source = SklearnModel(estimator, ("grade",)).source

    assert source["missing"] == "given to the original as None, as in training: grade"
