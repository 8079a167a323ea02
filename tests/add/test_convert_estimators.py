"""scikit-learn's estimators as ONNX give the original's predictions, or are refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC

from despliegue_cli.convert.messages import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.add.conftest import Columns

    from despliegue.models.model import Array

    type Compare = Callable[..., dict[str, float]]

ROWS = 600
EXACT, FLOAT32 = 1e-12, 2e-6


def numbers(missing: float = 0.0, seed: int = 0) -> tuple[Array, Array]:
    """Eight columns, and three classes of them."""
    draw = np.random.default_rng(seed)
    x = draw.normal(3, 10, (ROWS, 8))
    y = np.digitize(x[:, 0] + x[:, 1] * x[:, 2] / 10, [0, 8])
    x[draw.random(x.shape) < missing] = np.nan
    return x, y


def columns_of(x: Array) -> Columns:
    return {f"x{place}": column for place, column in enumerate(x.T)}


forest = RandomForestClassifier(10, random_state=0)
CLASSIFIERS: dict[str, tuple[Any, float]] = {
    "logistic regression": (LogisticRegression(max_iter=1000), EXACT),
    "stochastic gradient": (SGDClassifier(random_state=0), EXACT),
    "linear SVC": (make_pipeline(StandardScaler(), LinearSVC()), FLOAT32),
    "SVC": (make_pipeline(StandardScaler(), SVC()), FLOAT32),
    "nearest neighbours": (KNeighborsClassifier(), EXACT),
    "MLP": (make_pipeline(StandardScaler(), MLPClassifier(tol=1e-2, random_state=0)), EXACT),
    "naive Bayes": (GaussianNB(), EXACT),
    "principal components": (make_pipeline(StandardScaler(), PCA(3), LogisticRegression()), EXACT),
    "stacking": (StackingClassifier([("a", LogisticRegression(max_iter=1000)), ("b", forest)]), EXACT),
    "soft voting": (VotingClassifier([("a", GaussianNB()), ("b", forest)], voting="soft"), EXACT),
    "hard voting": (VotingClassifier([("a", GaussianNB()), ("b", forest)]), EXACT),
    "AdaBoost": (AdaBoostClassifier(n_estimators=10), FLOAT32),
    "calibrated by sigmoid": (CalibratedClassifierCV(LogisticRegression(max_iter=1000)), EXACT),
    "calibrated forest": (CalibratedClassifierCV(forest), EXACT),
    "search": (GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [3, 5]}), EXACT),
    "random forest": (forest, EXACT),
    "gradient boosting": (HistGradientBoostingClassifier(max_iter=20), EXACT),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("labels", [("a", "é", "z"), (0, 1, 2), (-1, 7)])
def test_a_classifier_predicts_as_the_original(name: str, labels: tuple[Any, ...], compare: Compare) -> None:
    model, tolerance = CLASSIFIERS[name]
    x, y = numbers()
    model.fit(x, np.array(labels)[np.minimum(y, len(labels) - 1)])
    found = compare(getattr(model, "best_estimator_", model), columns_of(numbers(seed=1)[0]))
    assert found.pop("label") == 0
    assert all(distance <= tolerance for distance in found.values())


@pytest.mark.parametrize(
    ("model", "tolerance"),
    [
        (Ridge(), EXACT),
        (make_pipeline(StandardScaler(), SVR()), FLOAT32),
        (ExtraTreesRegressor(10), EXACT),
        (make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=20, loss="poisson")), EXACT),
    ],
)
def test_a_regressor_predicts_as_the_original(model: Any, tolerance: float, compare: Compare) -> None:
    x, y = numbers()
    found = compare(model.fit(x, y * 1.5), columns_of(numbers(seed=1)[0]))
    assert list(found) == ["prediction"]
    assert found["prediction"] <= tolerance


@pytest.mark.parametrize(
    ("model", "output"),
    [
        (KMeans(3, random_state=0), "distances"),
        (IsolationForest(n_estimators=20, random_state=0), "score"),
        (make_pipeline(StandardScaler(), IsolationForest(n_estimators=20, random_state=0)), "score"),
    ],
)
def test_clusters_and_outliers_are_as_the_original_finds_them(model: Any, output: str, compare: Compare) -> None:
    found = compare(model.fit(numbers()[0]), columns_of(numbers(seed=1)[0]))
    assert found["label"] == 0
    assert found[output] <= EXACT


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(20, random_state=0),
        make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=20)),
        make_pipeline(SimpleImputer(add_indicator=True), forest),
        make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression()),
        VotingClassifier([("a", RandomForestClassifier(5)), ("b", HistGradientBoostingClassifier(max_iter=5))]),
    ],
)
def test_missing_numbers_are_predicted_as_by_the_original(model: Any, compare: Compare) -> None:
    model.fit(*numbers(missing=0.1))
    found = compare(model, columns_of(numbers(missing=0.1, seed=1)[0]))
    assert found.pop("label") == 0
    assert all(distance <= EXACT for distance in found.values())


x, y = numbers()
positive = np.abs(x)
REFUSED: dict[str, Callable[[], Any]] = {
    r"CalibratedClassifierCV .* isotonic .* use method='sigmoid'": lambda: CalibratedClassifierCV(
        GaussianNB(), method="isotonic"
    ).fit(x, y),
    "TransformedTargetRegressor": lambda: TransformedTargetRegressor(Ridge()).fit(x, y),
    "SplineTransformer": lambda: make_pipeline(SplineTransformer(), Ridge()).fit(x, y),
    "KNNImputer": lambda: make_pipeline(KNNImputer(), Ridge()).fit(x, y),
    "FunctionTransformer .* Python function": lambda: make_pipeline(FunctionTransformer(np.log1p), Ridge()).fit(
        positive, y
    ),
    r"TfidfVectorizer\(analyzer='char_wb'\)": lambda: make_pipeline(
        TfidfVectorizer(analyzer="char_wb"), MultinomialNB()
    ).fit(["uno dos", "dos"], [0, 1]),
    r"TfidfVectorizer\(strip_accents='unicode'\)": lambda: make_pipeline(
        TfidfVectorizer(strip_accents="unicode"), MultinomialNB()
    ).fit(["uno dos", "dos"], [0, 1]),
    "neither texts nor integers, but 0.0": lambda: GaussianNB().fit(x, y * 1.0),
    "neither texts nor integers, but False": lambda: GaussianNB().fit(x, y > 1),
    "several targets": lambda: KNeighborsClassifier().fit(x, np.column_stack([y, y])),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_converted_rightly_is_refused_by_name(
    message: str, compare: Compare, recwarn: pytest.WarningsRecorder
) -> None:
    model = REFUSED[message]()
    with pytest.raises(ConversionError, match=message):
        compare(model, columns_of(x))
