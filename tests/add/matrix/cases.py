"""What a model of the matrix is: how it is trained, kept and asked, and how near its package must come."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import skops.io

from despliegue.models.model import Array

ROWS = 2_500
"""What each model is asked, over HTTP."""
EXACT, SINGLE = 1e-12, 1e-5
"""Differences relative to the largest number: of double graphs, and of those that sum in float32."""

type Outputs = dict[str, Array]


def classes(model: Any, rows: Any) -> Outputs:
    """Of a classifier."""
    return {"label": np.asarray(model.predict(rows)), "probabilities": np.asarray(model.predict_proba(rows))}


def numbers(model: Any, rows: Any) -> Outputs:
    """Of a regressor."""
    return {"prediction": np.asarray(model.predict(rows))}


def decisions(model: Any, rows: Any) -> Outputs:
    """Of a classifier of several classes without probabilities."""
    return {"label": np.asarray(model.predict(rows)), "scores": np.asarray(model.decision_function(rows))}


def outliers(model: Any, rows: Any) -> Outputs:
    """Of an outlier detector."""
    return {"label": np.asarray(model.predict(rows)), "score": np.asarray(model.decision_function(rows))}


def clusters(model: Any, rows: Any) -> Outputs:
    """Of a clustering."""
    return {"label": np.asarray(model.predict(rows)), "distances": np.asarray(model.transform(rows))}


def by_joblib(model: Any, path: Path) -> Path:
    """A file that is loaded on the user's word."""
    joblib.dump(model, path.with_suffix(".joblib"))
    return path.with_suffix(".joblib")


def by_skops(model: Any, path: Path) -> Path:
    """A file that needs no trust."""
    skops.io.dump(model, path.with_suffix(".skops"))
    return path.with_suffix(".skops")


def in_form(form: str) -> Callable[[Any, Path], Path]:
    """A file of XGBoost (`json`, `ubj`) or LightGBM (`txt`) itself."""

    def save(model: Any, path: Path) -> Path:
        path = path.with_suffix(f".{form}")
        getattr(model, "booster_", model).save_model(path)
        return path

    return save


@dataclass(frozen=True, eq=False)
class Case:
    """A model of the matrix.

    Attributes:
        train: gives the fitted original.
        rows: what it is asked, as whoever calls it has them: numbers, texts, and None or NaN where one is missing.
        ask: the original's answers, by the names of the package's outputs.
        given: `rows` as the original takes them, if they are not so already.
        save: writes the file that is added.
        tolerance: how far numbers may be apart, relative to the largest.
        sample: the form of the file of sample rows.
    """

    train: Callable[[], Any]
    rows: pd.DataFrame
    ask: Callable[[Any, Any], Outputs] = classes
    given: Callable[[pd.DataFrame], Any] = lambda rows: rows
    save: Callable[[Any, Path], Path] = by_joblib
    tolerance: float = EXACT
    sample: str = "csv"

    @property
    def trusted(self) -> bool:
        """Whether the file is only loaded on the user's word."""
        return self.save is by_joblib
