"""scikit-learn's models of the matrix."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from tests.add.matrix.cases import ROWS, SINGLE, Case, by_skops, clusters, decisions, numbers, outliers
from tests.add.matrix.tables import CATEGORIES, NUMBERS, answers, asked, near, real, reviews, trained, wealth

_NAMES = ["no", "sí", "quizá"]


def mixed(final: Any) -> Pipeline:
    """Numbers imputed, indicated and scaled, categories imputed and one-hot; then `final`."""
    numeric = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    named = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    return make_pipeline(make_column_transformer((numeric, list(NUMBERS)), (named, list(CATEGORIES))), final)


def categorical(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of texts as pandas' categories, of the people that models are trained on; any other is missing."""
    known = {name: sorted(trained()[name].dropna().unique()) for name in CATEGORIES}
    return frame.assign(
        **{name: pd.Categorical(frame[name].where(frame[name].isin(known[name])), known[name]) for name in known}
    )


def on_people(model: Any, names: list[Any] = _NAMES) -> Any:
    """`model`, trained on all columns of people."""
    return model.fit(trained(), answers(trained(), names))


def on_numbers(model: Any, names: list[Any] = _NAMES) -> Any:
    """`model`, trained on the columns of people that are numbers."""
    return model.fit(trained()[list(NUMBERS)], answers(trained(), names))


def _text_model() -> Any:
    texts, labels = reviews(1_500, 0)
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(texts["text"], labels)


_cancer, _malignant = real("breast_cancer")
_wine, _cultivar = real("wine")
_digits, _digit = real("digits")
_diabetes, _progress = real("diabetes")
_people_numbers = asked()[list(NUMBERS)]

CASES = {
    "mixed columns with nulls": Case(lambda: on_people(mixed(LogisticRegression(max_iter=1000))), asked()),
    "mixed columns, boosted": Case(
        lambda: on_people(
            make_pipeline(
                make_column_transformer(
                    (
                        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
                        list(CATEGORIES),
                    ),
                    remainder="passthrough",
                ),
                HistGradientBoostingClassifier(max_iter=30, categorical_features=[0, 1]),
            )
        ),
        asked(),
        sample="jsonl",
    ),
    "logistic regression": Case(
        lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(_cancer, _malignant),
        near(_cancer),
        save=by_skops,
        sample="parquet",
    ),
    "random forest": Case(
        lambda: RandomForestClassifier(30, random_state=0).fit(_wine, np.array(["tinto", "rosé", "añejo"])[_cultivar]),
        near(_wine),
    ),
    "random forest with nulls": Case(
        lambda: on_numbers(RandomForestClassifier(30, min_samples_leaf=3, random_state=0)), _people_numbers
    ),
    "extra trees": Case(
        lambda: ExtraTreesRegressor(30, random_state=0).fit(_diabetes, _progress), near(_diabetes), numbers
    ),
    "gradient boosting": Case(
        lambda: GradientBoostingClassifier(n_estimators=30, random_state=0).fit(_digits, _digit),
        near(_digits),
        sample="parquet",
    ),
    "histogram gradient boosting with nulls": Case(
        lambda: on_numbers(HistGradientBoostingClassifier(max_iter=40), ["no", "sí"]), _people_numbers
    ),
    "histogram gradient boosting with categories": Case(
        lambda: HistGradientBoostingClassifier(max_iter=40).fit(categorical(trained()), answers(trained(), _NAMES)),
        asked(),
        given=categorical,
    ),
    "histogram gradient boosting of counts": Case(
        lambda: HistGradientBoostingRegressor(loss="poisson", max_iter=40).fit(
            trained()[list(NUMBERS)], np.floor(wealth(trained()).clip(0))
        ),
        _people_numbers,
        numbers,
        sample="parquet",
    ),
    "SVC": Case(
        lambda: make_pipeline(StandardScaler(), SVC()).fit(_wine, _cultivar),
        near(_wine),
        decisions,
        save=by_skops,
        tolerance=SINGLE,
    ),
    "nearest neighbours": Case(
        lambda: make_pipeline(StandardScaler(), KNeighborsClassifier()).fit(_cancer, _malignant), near(_cancer)
    ),
    "MLP": Case(
        lambda: make_pipeline(StandardScaler(), MLPClassifier((32, 16), tol=1e-2, random_state=0)).fit(_digits, _digit),
        near(_digits),
    ),
    "TF-IDF of accented texts": Case(
        _text_model,
        reviews(ROWS, 1, ["desconocido", "世界", "Über"])[0],
        given=lambda rows: rows["text"],
        sample="jsonl",
    ),
    "isolation forest": Case(
        lambda: IsolationForest(n_estimators=40, random_state=0).fit(trained()[list(NUMBERS)]),
        _people_numbers,
        outliers,
    ),
    "k-means": Case(
        lambda: make_pipeline(StandardScaler(), KMeans(4, n_init=3, random_state=0)).fit(_wine),
        near(_wine),
        clusters,
        save=by_skops,
    ),
    "stacking": Case(
        lambda: on_people(
            mixed(
                StackingClassifier(
                    [
                        ("forest", RandomForestClassifier(10, max_depth=5, random_state=0)),
                        ("vectors", make_pipeline(StandardScaler(), LinearSVC(random_state=0))),
                    ],
                    final_estimator=LogisticRegression(max_iter=1000),
                )
            )
        ),
        asked(),
    ),
    "calibrated": Case(
        lambda: on_people(mixed(CalibratedClassifierCV(GradientBoostingClassifier(n_estimators=20, random_state=0)))),
        asked(),
    ),
}
