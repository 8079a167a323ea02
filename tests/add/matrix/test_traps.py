"""Models that stock converters get wrong: they predict as the original does, or are refused by name; never wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, LinearSVC
from tests.add.matrix.cases import EXACT, SINGLE
from tests.add.matrix.tables import CATEGORIES, NUMBERS, answers, asked, trained

from despliegue_cli.convert.from_sklearn import SklearnModel
from despliegue_cli.convert.messages import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from despliegue.models.model import Array

    type Compare = Callable[..., dict[str, float]]

LABELS: dict[str, list[Any]] = {"two": ["no", "sí"], "three": ["no", "sí", "quizá"], "numbers": [-1, 7]}
numbers_of = list(NUMBERS)


def columns_of(frame: pd.DataFrame) -> dict[str, Array]:
    """A table as `Converted.predict` takes it."""
    return {
        str(name): values.to_numpy(float)
        if name in NUMBERS
        else np.array([value if isinstance(value, str) else None for value in values], object)
        for name, values in frame.items()
    }


def filled(frame: pd.DataFrame, missing: Any) -> pd.DataFrame:
    """A table whose missing texts are `missing`."""
    return frame.assign(**{name: frame[name].where(frame[name].notna(), missing).astype(object) for name in CATEGORIES})


def scaled(final: Any) -> Any:
    return make_pipeline(StandardScaler(), final)


boosting = GradientBoostingClassifier(n_estimators=5, random_state=0)
histograms = HistGradientBoostingClassifier(max_iter=5)
logistic = LogisticRegression(max_iter=1000)
EQUAL: dict[str, tuple[Any, float]] = {
    # Labels are of the scores: of several probabilities that round to 1 the first would win.
    "stochastic gradient": (SGDClassifier(loss="log_loss", random_state=0), EXACT),
    "stochastic gradient, modified Huber": (SGDClassifier(loss="modified_huber", random_state=0), EXACT),
    "discriminant analysis": (LinearDiscriminantAnalysis(), EXACT),
    # What is calibrated are decisions, where there are any.
    "calibrated gradient boosting": (CalibratedClassifierCV(boosting, cv=2), EXACT),
    "calibrated histogram gradient boosting": (CalibratedClassifierCV(histograms, cv=2), EXACT),
    "calibrated forest": (CalibratedClassifierCV(RandomForestClassifier(5, random_state=0), cv=2), EXACT),
    "calibrated neighbours": (CalibratedClassifierCV(scaled(KNeighborsClassifier()), cv=2), EXACT),
    "calibrated pipeline of vectors": (CalibratedClassifierCV(scaled(SVC()), cv=2), SINGLE),
    "calibrated linear pipeline": (CalibratedClassifierCV(scaled(LinearSVC(random_state=0)), cv=2), EXACT),
    "calibrated boosting pipeline": (CalibratedClassifierCV(scaled(boosting), cv=2), EXACT),
    "weighted voting": (
        VotingClassifier([("a", scaled(logistic)), ("b", GaussianNB())], voting="soft", weights=[1, 2]),
        EXACT,
    ),
    "powers": (make_pipeline(PowerTransformer(), logistic), 1e-9),
    "stacked discriminants": (
        StackingClassifier([("a", scaled(LinearDiscriminantAnalysis())), ("b", GaussianNB())], cv=2),
        EXACT,
    ),
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("name", EQUAL)
def test_a_classifier_predicts_as_the_original(name: str, labels: str, compare: Compare) -> None:
    model, tolerance = EQUAL[name]
    frame = trained()[numbers_of].dropna()
    model.fit(frame, answers(trained(), LABELS[labels])[frame.index])
    rows = asked()[numbers_of].dropna()
    assert len(rows) >= 2_000
    found = compare(model, columns_of(rows))
    assert found.pop("label") == 0
    assert all(distance <= tolerance for distance in found.values()), found


def test_a_missing_number_is_none_after_a_power_either(compare: Compare) -> None:
    model = make_pipeline(PowerTransformer(), RandomForestClassifier(10, random_state=0))
    model.fit(trained()[numbers_of], answers(trained(), LABELS["three"]))
    found = compare(model, columns_of(asked()[numbers_of]))
    assert found["label"] == 0


most = {"strategy": "most_frequent"}
ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
rare = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=3)
one_hot = OneHotEncoder(handle_unknown="ignore")
ENCODERS = {
    "one-hot": one_hot,
    "one-hot, infrequent": OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=200),
    "ordinal": ordinal,
    "ordinal, infrequent": rare,
    "target": TargetEncoder(),
    "one-hot after the most frequent": make_pipeline(SimpleImputer(**most), one_hot),
    "one-hot after a constant": make_pipeline(SimpleImputer(strategy="constant", fill_value="falta"), one_hot),
    "one-hot after the most frequent for None": make_pipeline(SimpleImputer(missing_values=None, **most), one_hot),
    "ordinal after the most frequent": make_pipeline(SimpleImputer(**most), ordinal),
    "target after the most frequent": make_pipeline(SimpleImputer(**most), TargetEncoder()),
}


# scikit-learn itself refuses NaN where None is to be replaced.
TEXTS = [
    (name, missing) for name in ENCODERS for missing in (None, np.nan, "") if missing is None or "None" not in name
]


@pytest.mark.parametrize(("name", "missing"), TEXTS)
def test_a_missing_text_is_encoded_as_it_was_when_trained(name: str, missing: Any, compare: Compare) -> None:
    frame = filled(trained(), missing)
    columns = make_column_transformer((ENCODERS[name], list(CATEGORIES)), remainder="passthrough", sparse_threshold=0)
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=10))
    model.fit(frame, answers(trained(), LABELS["three"]))
    rows = asked()
    found = compare(model, columns_of(rows))
    assert found["label"] == 0
    assert found["probabilities"] <= EXACT

    # Null is what the original was trained on as missing.
    given = filled(rows, missing)
    np.testing.assert_allclose(
        SklearnModel(model, ()).predict(columns_of(rows))["probabilities"], model.predict_proba(given), atol=EXACT
    )


REFUSED: dict[str, Any] = {
    "KNeighborsClassifier cannot be converted: weights='distance'": KNeighborsClassifier(weights="distance"),
    "OneVsRestClassifier cannot be converted: it decides": OneVsRestClassifier(LinearSVC()),
    "StackingClassifier cannot be converted: of two classes": StackingClassifier(
        [("a", scaled(LinearSVC())), ("b", GaussianNB())]
    ),
    "VotingClassifier cannot be converted: it counts": VotingClassifier(
        [("a", RidgeClassifier()), ("b", GaussianNB())]
    ),
    "Normalizer cannot be converted: norm='max'": make_pipeline(StandardScaler(), Normalizer("max"), logistic),
    "NearestCentroid has no converter to ONNX": NearestCentroid(),
    # What nobody has named yet is found by its predictions of made-up rows.
    r"converts it wrongly: its output 'label' is \[3\]": BaggingClassifier(RidgeClassifier(), n_estimators=3),
    "converts it wrongly: on made-up rows": CalibratedClassifierCV(scaled(QuadraticDiscriminantAnalysis())),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_skl2onnx_converts_wrongly_or_not_at_all_is_refused(message: str, compare: Compare) -> None:
    frame = trained()[numbers_of].dropna()
    model = REFUSED[message].fit(frame, answers(trained(), LABELS["two"])[frame.index])
    with pytest.raises(ConversionError, match=message):
        compare(model, columns_of(asked()[numbers_of].dropna()))
