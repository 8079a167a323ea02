"""The penguins model is what its script trains, and answers as scikit-learn does: nulls and unseen categories too."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from despliegue.models import Model, ModelRepository

CATEGORIES = ["island", "sex"]
NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
MISSING = dict.fromkeys(CATEGORIES, "") | dict.fromkeys(NUMBERS, np.nan)
UNSEEN = ["Isla Decepción", "Torgersen ", "torgersen", "nan", "企鹅"]


@pytest.fixture(scope="module")
def example(root: Path) -> Any:
    """The training script, as a module."""
    sys.path.insert(0, str(root / "examples"))
    yield importlib.import_module("penguins")
    sys.path.remove(str(root / "examples"))


@pytest.fixture(scope="module")
def pipeline(example: Any) -> Any:
    """The pipeline that the model was converted from."""
    return example.train()


@pytest.fixture(scope="module")
def model(root: Path) -> Model:
    """The committed model."""
    return ModelRepository(root / "layers" / "models").get("penguins")


@pytest.fixture
def rows(example: Any) -> Any:
    """Every row of the data, to change."""
    return example.load_data()[0]


def outputs(model: Model, rows: Any) -> list[Any]:
    return model.run({name: rows[[name]].to_numpy() for name in rows}, ["label", "probabilities"])


def assert_equals(model: Model, pipeline: Any, rows: Any) -> None:
    label, probabilities = outputs(model, rows)
    assert probabilities.dtype == np.float32
    assert label.tolist() == pipeline.predict(rows).tolist()
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(rows), rtol=0, atol=1e-6)


def test_the_committed_model_predicts_as_the_pipeline_does_on_every_row(
    model: Model, pipeline: Any, example: Any, rows: Any
) -> None:
    _, species = example.load_data()

    assert len(rows) == 344
    assert rows[NUMBERS].isna().to_numpy().sum() == 8
    assert (rows["sex"] == "").sum() == 11
    assert_equals(model, pipeline, rows)
    assert (outputs(model, rows)[0] == species.to_numpy()).mean() > 0.97


@pytest.mark.parametrize("name", MISSING)
def test_it_predicts_as_the_pipeline_does_where_one_feature_is_missing(
    model: Model, pipeline: Any, rows: Any, name: str
) -> None:
    complete = outputs(model, rows)[1]
    rows[name] = np.full(len(rows), MISSING[name], rows[name].dtype)

    assert_equals(model, pipeline, rows)
    assert not np.array_equal(outputs(model, rows)[1], complete)


def test_it_predicts_as_the_pipeline_does_where_every_feature_is_missing(
    model: Model, pipeline: Any, rows: Any
) -> None:
    for name, marker in MISSING.items():
        rows[name] = np.full(len(rows), marker, rows[name].dtype)

    assert_equals(model, pipeline, rows)
    assert len(np.unique(outputs(model, rows)[1], axis=0)) == 1


@pytest.mark.parametrize("value", UNSEEN)
@pytest.mark.parametrize("name", CATEGORIES)
def test_it_predicts_as_the_pipeline_does_for_a_category_it_never_saw(
    model: Model, pipeline: Any, rows: Any, name: str, value: str
) -> None:
    rows[name] = np.full(len(rows), value, object)

    assert_equals(model, pipeline, rows)


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_any_number_of_rows_can_be_sent(model: Model, pipeline: Any, rows: Any, count: int) -> None:
    assert_equals(model, pipeline, rows.sample(count, replace=True, random_state=0))


def test_every_column_is_an_input(model: Model, rows: Any) -> None:
    inputs = {spec.name: (spec.datatype.name, spec.shape) for spec in model.signature.inputs.values()}
    given = {spec.name: (spec.datatype.name, spec.shape) for spec in model.signature.outputs.values()}

    assert list(inputs) == list(rows)
    assert inputs == dict.fromkeys(CATEGORIES, ("BYTES", (-1, 1))) | dict.fromkeys(NUMBERS, ("FP32", (-1, 1)))
    assert given == {"label": ("BYTES", (-1,)), "probabilities": ("FP32", (-1, 3))}


def test_the_manifest_describes_every_input(model: Model, pipeline: Any) -> None:
    features = {feature.name: (feature.kind, feature.missing) for feature in model.manifest.features}

    assert list(features) == list(model.signature.inputs)
    assert features == dict.fromkeys(CATEGORIES, ("category", "")) | dict.fromkeys(NUMBERS, ("number", "NaN"))
    assert list(model.manifest.labels) == pipeline.classes_.tolist()


def test_the_manifest_says_what_is_usual_in_the_data(model: Model, rows: Any) -> None:
    for feature in model.manifest.features:
        if feature.name in CATEGORIES:
            assert set(feature.choices or ()) == set(rows[feature.name]) - {""}
        else:
            assert 0.95 <= rows[feature.name].dropna().between(*feature.usual or ()).mean() < 1, feature.name


def test_the_example_of_the_manifest_is_a_row_of_the_data(model: Model, rows: Any) -> None:
    example = model.manifest.example

    assert list(example) == list(model.signature.inputs)
    for name in rows:
        np.testing.assert_array_equal(np.array(example[name], rows[name].dtype), rows[[name]].to_numpy()[:1])


def test_training_again_gives_the_same_predictions(root: Path, model: Model, rows: Any, tmp_path: Path) -> None:
    script = root / "examples" / "penguins.py"
    subprocess.run([sys.executable, script, "--models", tmp_path], check=True, capture_output=True, timeout=300)

    trained = ModelRepository(tmp_path).get("penguins")
    assert trained.manifest.features == model.manifest.features
    again = outputs(trained, rows)
    committed = outputs(model, rows)

    assert again[0].tolist() == committed[0].tolist()
    np.testing.assert_allclose(again[1], committed[1], rtol=0, atol=1e-6)
