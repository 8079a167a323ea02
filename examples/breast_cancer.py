"""The first example: gradient boosting on the Wisconsin diagnostic breast cancer data (569 tumours, 30 measurements).

Trains the classifier, converts it to ONNX, and writes it with its manifest into a model repository:

    python examples/breast_cancer.py [--models layers/models]

The data comes with scikit-learn (UCI Machine Learning Repository, CC BY 4.0).
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import sklearn
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import train_test_split

from despliegue.models.manifest import Feature, Manifest
from despliegue.monitoring import profile
from despliegue_cli.packages.description.usual_values import with_usual_values

ROOT = Path(__file__).parent.parent
NAME, VERSION = "breast-cancer", "1"


def load_data() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], list[str]]:
    """The measurements (float32 [569, 30]), the diagnoses (str [569]) and the names of the measurements."""
    data = load_breast_cancer()
    return data.data.astype(np.float32), data.target_names[data.target], [str(name) for name in data.feature_names]


def train() -> GradientBoostingClassifier:
    """The classifier, trained on three quarters of the data; the same every time."""
    rows, diagnoses, _ = load_data()
    train_rows, _, train_diagnoses, _ = train_test_split(rows, diagnoses, random_state=0, stratify=diagnoses)
    return GradientBoostingClassifier(random_state=0).fit(train_rows, train_diagnoses)


def convert(classifier: GradientBoostingClassifier) -> onnx.ModelProto:
    """The classifier as ONNX: `input` FP32 [N, 30] → `label` BYTES [N], `probabilities` FP32 [N, 2]."""
    model: onnx.ModelProto = convert_sklearn(
        classifier,
        name=NAME,
        initial_types=[("input", FloatTensorType([None, 30]))],
        final_types=[("label", None), ("probabilities", None)],
        options={"zipmap": False},
        target_opset={"": 21, "ai.onnx.ml": 3},
    )
    # skl2onnx lists them in any order; this way the same training gives the same bytes.
    model.opset_import.sort(key=lambda opset: opset.domain)
    return model


def describe(classifier: GradientBoostingClassifier) -> Manifest:
    """What ONNX cannot say of it; the example is the first row of the public data set."""
    rows, _, names = load_data()
    columns = dict(zip(names, rows.T, strict=True))
    return Manifest(
        description="Whether a breast tumour is malignant, from 30 measurements of its cell nuclei",
        features=with_usual_values([Feature(name) for name in names], columns, profile(columns, {}), ()),
        labels=tuple(str(label) for label in classifier.classes_),
        source={"framework": f"scikit-learn {sklearn.__version__}", "script": "examples/breast_cancer.py"},
        example={"input": [[float(str(value)) for value in rows[0]]]},
    )


def main() -> None:
    """Train, convert, write."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--models", type=Path, default=ROOT / "layers" / "models")
    folder: Path = arguments.parse_args().models / NAME / VERSION
    folder.mkdir(parents=True, exist_ok=True)
    classifier = train()
    onnx.save(convert(classifier), folder / "model.onnx")
    describe(classifier).write(folder)
    print(f"wrote {folder}/model.onnx and manifest.json")


if __name__ == "__main__":
    main()
