"""Categories, texts and missing values reach a package's estimator as they reach the original's; so do the names."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from despliegue.errors import InvalidRequest
from despliegue.features import Schema
from despliegue.models.manifest import Manifest
from despliegue.models.model import Model, SessionSettings
from despliegue_cli.convert.from_sklearn import SklearnModel
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.originals import predict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.add.conftest import People

    type Compare = Callable[..., dict[str, float]]

ROWS = 600
WORDS = """
    árbol Árbol niño canción corazón ñandú pingüino él ella rápido lento día noche sí no Éxito ÑOÑO co-op 3.5 x_1
    año2020 über
""".split()  # noqa: SIM905
EXACT = 1e-12


def texts(seed: int = 0) -> list[str]:
    """Spanish words in any order, none of them sometimes."""
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, draw.integers(0, 12))) for _ in range(ROWS)]


forest = RandomForestClassifier(10, random_state=0)
ENCODERS = {
    "ignoring unknown ones": OneHotEncoder(handle_unknown="ignore"),
    "refusing unknown ones": OneHotEncoder(),
    "infrequent": OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=30),
    "infrequent, unknown ignored": OneHotEncoder(handle_unknown="ignore", max_categories=2),
    "the first dropped": OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=30, drop="first"),
    "of two one dropped": OneHotEncoder(drop="if_binary"),
    "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    "ordinal, infrequent": OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2, min_frequency=30
    ),
    "target": TargetEncoder(),
    "filled": make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(handle_unknown="ignore")),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_missing_unknown_and_rare_categories_are_encoded_as_by_the_original(
    name: str, people: People, compare: Compare
) -> None:
    cities = ["Málaga"] * 20 + ["Ávila"] * 20 + ["León"] * 2 + ["El Bierzo"]
    frame = people.rows(cities=cities)
    columns = make_column_transformer(
        (SimpleImputer(), list(people.numbers)), (ENCODERS[name], list(people.categories))
    )
    model = make_pipeline(columns, StandardScaler(with_mean=False), LogisticRegression(max_iter=5000))
    model.fit(frame, people.answers(frame))
    found = compare(model, people.columns(people.rows(seed=1, cities=[*cities, "Cádiz"])))
    assert found["label"] == 0
    assert found["probabilities"] <= EXACT


@pytest.mark.parametrize("missing", ["", None])
def test_missing_categories_may_be_none_or_empty_in_the_original(
    missing: str | None, people: People, compare: Compare
) -> None:
    frame = people.rows()
    for name in people.categories:
        frame[name] = frame[name].astype(object).where(frame[name].notna(), missing)
    encode = make_pipeline(SimpleImputer(missing_values=missing, strategy="most_frequent"), OneHotEncoder())
    columns = make_column_transformer((encode, ["sex"]), (OneHotEncoder(), ["city"]), remainder=SimpleImputer())
    model = make_pipeline(columns, forest).fit(frame, people.answers(frame))
    found = compare(model, people.columns(people.rows(seed=1)))
    assert found["label"] == 0
    assert found["probabilities"] <= EXACT


def test_a_gradient_boosting_that_names_categories_predicts_as_the_original(people: People, compare: Compare) -> None:
    frame = people.rows()
    model = HistGradientBoostingClassifier(max_iter=20, categorical_features="from_dtype")
    model.fit(frame.astype(dict.fromkeys(people.categories, "category")), people.answers(frame))
    found = compare(model, people.columns(people.rows(seed=1, cities=["Málaga", "Ávila", "Cádiz"])))
    assert found["label"] == 0
    assert found["probabilities"] <= EXACT


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ngram_range": (1, 2)},
        {"lowercase": False, "sublinear_tf": True, "norm": "l1"},
        {"binary": True, "use_idf": False, "norm": None},
        {"stop_words": ["no", "él"]},
        {"token_pattern": r"(?u)\b\w+\b", "ngram_range": (2, 3)},
    ],
)
def test_accented_texts_are_predicted_as_by_the_original(options: dict[str, Any], compare: Compare) -> None:
    labels = np.random.default_rng(0).choice(["neg", "pos"], ROWS)
    model = make_pipeline(TfidfVectorizer(**options), LogisticRegression()).fit(texts(), labels)
    others = [*texts(seed=1), "ÁRBOL ÉXITO ñandú", "", "desconocido 世界 árbol世", "  \n", "Über-ÜBER"]
    found = compare(model, {"text": np.array(others, object)})
    assert found == {"label": 0, "probabilities": pytest.approx(0, abs=EXACT)}


def test_texts_without_any_word_are_predicted(compare: Compare) -> None:
    labels = np.random.default_rng(0).choice(["neg", "pos"], ROWS)
    model = make_pipeline(CountVectorizer(), MultinomialNB()).fit(texts(), labels)
    found = compare(model, {"text": np.array(["", "!"], object)})
    assert found == {"label": 0, "probabilities": pytest.approx(0, abs=EXACT)}


def test_a_text_column_beside_others_is_predicted_as_by_the_original(people: People, compare: Compare) -> None:
    frame = people.rows().assign(text=texts())
    columns = make_column_transformer((TfidfVectorizer(), "text"), (StandardScaler(), ["when"]))
    model = make_pipeline(columns, LogisticRegression()).fit(frame, people.answers(frame))
    found = compare(model, people.columns(people.rows(seed=1).assign(text=texts(seed=1))))
    assert found["label"] == 0
    assert found["probabilities"] <= EXACT


def test_columns_may_have_the_names_of_outputs_and_of_each_other(people: People, compare: Compare) -> None:
    names = {"score one": "label", "when": "a b", "sex": "a_b", "city": "variable"}
    frame = people.rows().rename(columns=names)
    encode = OneHotEncoder(handle_unknown="ignore")
    columns = make_column_transformer((SimpleImputer(), ["label", "a b"]), (encode, ["a_b", "variable"]))
    model = make_pipeline(columns, forest).fit(frame, people.answers(people.rows()))
    found = compare(model, people.columns(people.rows(seed=1).rename(columns=names)))
    assert found == {"label_": 0, "probabilities": pytest.approx(0, abs=EXACT)}


def test_a_category_that_the_original_refuses_is_refused_by_the_package(
    people: People, tmp_path: Path, skl2onnx_unchanged: None
) -> None:
    model = people.pipeline(encode=make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()))
    columns = people.columns(people.rows(8, seed=1, cities=["Málaga", "Cádiz"]))
    original = SklearnModel(model, ())
    _, accepted, refusal = predict(original, columns)
    assert accepted.tolist() == (columns["city"] == "Málaga").tolist()
    assert "Found unknown categories" in refusal

    original.convert(tmp_path / "model.onnx")
    package = Model.load(tmp_path, "m", "1", SessionSettings())
    arrays = Schema.read(package.signature, Manifest(features=original.features)).arrays_from_columns(columns)
    for row, known in enumerate(accepted):
        one = {name: values[row : row + 1] for name, values in arrays.items()}
        with nullcontext() if known else pytest.raises(InvalidRequest, match="refused its inputs"):
            package.run(one, ["label"])


def test_a_missing_value_is_allowed_where_the_original_allows_it(people: People) -> None:
    features = SklearnModel(people.pipeline(), ()).features
    assert [(feature.name, feature.kind, feature.missing) for feature in features] == [
        ("score one", "number", "NaN"),
        ("when", "number", "NaN"),
        ("sex", "category", ""),
        ("city", "category", ""),
    ]
    frame = people.rows()[["when"]]
    plain = SklearnModel(LogisticRegression().fit(frame, (frame["when"] > 1_650_000_000).astype(int)), ())
    assert [feature.missing for feature in plain.features] == [None]


def test_columns_without_names_take_the_samples() -> None:
    model = GaussianNB().fit([[0, 1], [1, 0]], ["a", "b"])
    assert [feature.name for feature in SklearnModel(model, ("ancho", "alto")).features] == ["ancho", "alto"]
    assert [feature.name for feature in SklearnModel(model, ()).features] == ["x0", "x1"]
    with pytest.raises(ConversionError, match="on 2 columns, and the sample has 3; leave only the model's columns"):
        SklearnModel(model, ("ancho", "alto", "clase"))
