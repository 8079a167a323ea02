"""The second example: logistic regression on the Palmer penguins (344 birds; strings and numbers, some missing).

Trains a pipeline, converts all of it to ONNX, imputing, scaling and encoding included, with one input per column, and
writes it with its manifest into a model repository:

    python examples/penguins.py [--models layers/models]

The data comes with palmerpenguins (Gorman, Williams and Fraser 2014, doi:10.1371/journal.pone.0090081; CC0).
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import sklearn
from palmerpenguins import load_penguins
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from despliegue.models.manifest import Feature, Manifest
from despliegue.monitoring import profile
from despliegue_cli.packages.description.usual_values import with_usual_values

ROOT = Path(__file__).parent.parent
NAME, VERSION = "penguins", "1"

NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
CATEGORIES = ["island", "sex"]
COLUMNS = ["island", *NUMBERS, "sex"]
"""As in the data. The year is left out: it says when a bird was measured, not what it is."""


def load_data() -> tuple[pd.DataFrame, pd.Series]:
    """The measurements (float32, NaN where missing; str, '' where missing; [344, 6]) and the species (str [344])."""
    data = load_penguins()
    rows = data[COLUMNS].astype(dict.fromkeys(NUMBERS, np.float32) | dict.fromkeys(CATEGORIES, object))
    return rows.fillna(dict.fromkeys(CATEGORIES, "")), data["species"]


def train() -> Pipeline:
    """The pipeline, trained on three quarters of the data; the same every time."""
    rows, species = load_data()
    train_rows, _, train_species, _ = train_test_split(rows, species, random_state=0, stratify=species)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    # Missing is '': ONNX has no null string, and skl2onnx refuses an imputer of None.
    categories = make_pipeline(
        SimpleImputer(missing_values="", strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    columns = make_column_transformer((numbers, NUMBERS), (categories, CATEGORIES))
    return make_pipeline(columns, LogisticRegression()).fit(train_rows, train_species)


def convert(pipeline: Pipeline) -> onnx.ModelProto:
    """The pipeline as ONNX: six inputs [N, 1], FP32 or BYTES → `label` BYTES [N], `probabilities` FP32 [N, 3]."""
    model: onnx.ModelProto = convert_sklearn(
        pipeline,
        name=NAME,
        initial_types=[
            (name, FloatTensorType([None, 1]) if name in NUMBERS else StringTensorType([None, 1])) for name in COLUMNS
        ],
        final_types=[("label", None), ("probabilities", None)],
        options={"zipmap": False},
        target_opset={"": 21, "ai.onnx.ml": 3},
    )
    # skl2onnx lists them in any order; this way the same training gives the same bytes.
    model.opset_import.sort(key=lambda opset: opset.domain)
    return model


def describe(pipeline: Pipeline) -> Manifest:
    """What ONNX cannot say of it; the example is the first row of the public data set, and any text in it is public."""
    rows, _ = load_data()
    first = rows.iloc[0]
    features = [
        Feature(name, "number", "NaN") if name in NUMBERS else Feature(name, "category", "") for name in COLUMNS
    ]
    columns = {name: rows[name].to_numpy() for name in COLUMNS}
    texts = set(rows[CATEGORIES].to_numpy().ravel())
    return Manifest(
        description="Which species a penguin is, from its island, its measurements and its sex",
        features=with_usual_values(features, columns, profile(columns, {}), texts),
        labels=tuple(str(label) for label in pipeline.classes_),
        source={"framework": f"scikit-learn {sklearn.__version__}", "script": "examples/penguins.py"},
        example={name: [[float(str(first[name])) if name in NUMBERS else first[name]]] for name in COLUMNS},
    )


def main() -> None:
    """Train, convert, write."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--models", type=Path, default=ROOT / "layers" / "models")
    folder: Path = arguments.parse_args().models / NAME / VERSION
    folder.mkdir(parents=True, exist_ok=True)
    pipeline = train()
    onnx.save(convert(pipeline), folder / "model.onnx")
    describe(pipeline).write(folder)
    print(f"wrote {folder}/model.onnx and manifest.json")


if __name__ == "__main__":
    main()
