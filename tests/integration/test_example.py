"""The example model is what its script trains, and answers as scikit-learn does."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from despliegue.models import Model, ModelRepository


@pytest.fixture(scope="session")
def example(root: Path) -> Any:
    """The training script, as a module."""
    sys.path.insert(0, str(root / "examples"))
    yield importlib.import_module("breast_cancer")
    sys.path.remove(str(root / "examples"))


def outputs(model: Model, rows: Any) -> list[Any]:
    return model.run({"input": rows}, ["label", "probabilities"])


def test_the_committed_model_predicts_as_the_classifier_does(root: Path, example: Any) -> None:
    rows, diagnoses, features = example.load_data()
    classifier = example.train()
    model = ModelRepository(root / "layers" / "models").get("breast-cancer")

    label, probabilities = outputs(model, rows)

    np.testing.assert_allclose(probabilities, classifier.predict_proba(rows), rtol=0, atol=2e-6)
    assert label.tolist() == classifier.predict(rows).tolist()
    assert (label == diagnoses).mean() > 0.97
    assert list(model.manifest.labels) == classifier.classes_.tolist()
    assert [feature.name for feature in model.manifest.features] == features


def test_training_again_gives_the_same_predictions(root: Path, example: Any, tmp_path: Path) -> None:
    script = root / "examples" / "breast_cancer.py"
    subprocess.run([sys.executable, script, "--models", tmp_path], check=True, capture_output=True, timeout=300)
    rows, _, _ = example.load_data()

    trained, kept = (ModelRepository(at).get("breast-cancer") for at in (tmp_path, root / "layers" / "models"))
    assert trained.manifest.features == kept.manifest.features
    again, committed = outputs(trained, rows), outputs(kept, rows)

    assert again[0].tolist() == committed[0].tolist()
    np.testing.assert_allclose(again[1], committed[1], rtol=0, atol=1e-6)
