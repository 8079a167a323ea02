"""Small models of every kind, trained once, and what compares a package with its original."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skl2onnx._parse as skl2onnx_parse
import skl2onnx._supported_operators as skl2onnx_operators
import skl2onnx.common._registration as skl2onnx_registration
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from despliegue.features import Schema
from despliegue.models.manifest import Feature, Manifest
from despliegue.models.model import Array, Model, SessionSettings
from despliegue_cli.convert import Converted, Reference, convert, process, worker
from despliegue_cli.convert.from_sklearn import SklearnModel
from despliegue_cli.convert.messages import Reply, Request
from despliegue_cli.convert.originals import predict

ROWS = 600
type Columns = dict[str, Array]


class People:
    """Tables of people, the same every time, and models trained on them."""

    numbers = ("score one", "when")
    categories = ("sex", "city")

    def rows(
        self, number: int = ROWS, seed: int = 0, cities: Sequence[str] = ("Málaga", "Ávila", "León")
    ) -> pd.DataFrame:
        """Numbers, one of them epoch seconds, and categories; of `score one` and `sex` some are missing."""
        draw = np.random.default_rng(seed)
        frame = pd.DataFrame(
            {
                "score one": draw.normal(0, 10, number),
                "when": draw.integers(1_600_000_000, 1_700_000_000, number).astype(float),
                "sex": draw.choice(["m", "f", None], number),
                "city": draw.choice(list(cities), number),
            }
        )
        frame.loc[draw.random(number) < 0.1, "score one"] = np.nan
        return frame

    def answers(self, frame: pd.DataFrame) -> Array:
        """Two classes, of which `score one` and `sex` tell most."""
        yes = (frame["score one"].fillna(0) > 1) ^ (frame["sex"] == "f")
        return np.where(yes, "sí", "no")

    def columns(self, frame: pd.DataFrame) -> Columns:
        """A table as `Converted.predict` takes it."""
        return {
            str(name): values.to_numpy(float)
            if pd.api.types.is_numeric_dtype(values)
            else np.array([value if isinstance(value, str) else None for value in values], object)
            for name, values in frame.items()
        }

    def pipeline(self, encode: Any = None, final: Any = None) -> Pipeline:
        """Imputed, indicated, scaled, encoded; then logistic regression, unless `encode` or `final` says otherwise."""
        numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
        usual = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
        columns = make_column_transformer((numbers, list(self.numbers)), (encode or usual, list(self.categories)))
        frame = self.rows()
        return make_pipeline(columns, final or LogisticRegression()).fit(frame, self.answers(frame))


@pytest.fixture(scope="session")
def people() -> People:
    """Tables of people, and models trained on them."""
    return People()


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Saves an estimator by joblib; gives the path."""

    def save(estimator: Any, name: str = "model.joblib", **options: Any) -> Path:
        joblib.dump(estimator, tmp_path / name, **options)
        return tmp_path / name

    return save


@pytest.fixture
def converted(request: pytest.FixtureRequest) -> Iterator[Callable[..., Converted]]:
    """`convert`, whose results are closed after the test; parametrised with "here" it is done in this process."""
    found: list[Converted] = []

    def make(path: Path, **options: Any) -> Converted:
        found.append(convert(path, **options))
        return found[-1]

    with converting_here() if getattr(request, "param", "") == "here" else nullcontext():
        yield make
    for each in found:
        each.close()


@pytest.fixture
def differences() -> Callable[[Converted, Columns], dict[str, float]]:
    """By output, how far a package is from its original; see `distances`."""
    return lambda found, columns: distances(found.folder, found.features, found.predict(columns), columns)


def distances(folder: Path, features: tuple[Feature, ...], reference: Reference, columns: Columns) -> dict[str, float]:
    """By output: how many labels differ, or by how much numbers do, relative to the largest.

    The package is run as it is served: columns through its schema, missing values as null.
    """
    model = Model.load(folder, "m", "1", SessionSettings())
    schema = Schema.read(model.signature, Manifest(features=features))
    rows = {feature.name: columns[feature.name][reference.accepted] for feature in features}
    arrays = schema.arrays_from_columns(rows)
    names = list(model.signature.outputs)
    assert names == list(reference.outputs)
    outputs = {}
    for name, came in zip(names, model.run(arrays, names), strict=True):
        expected = reference.outputs[name]
        assert came.shape == expected.shape
        if expected.dtype.kind in "Oi":
            outputs[name] = float((came != expected).sum())
        else:
            outputs[name] = float(np.abs(came - expected).max() / np.abs(expected).max())
    return outputs


@pytest.fixture
def compare(tmp_path: Path, skl2onnx_unchanged: None) -> Callable[..., dict[str, float]]:
    """Converts an estimator in this process, and gives how far it is from the original."""

    def run(estimator: Any, columns: Columns, names: tuple[str, ...] = ()) -> dict[str, float]:
        with warnings.catch_warnings(action="ignore"):  # as the worker does
            original = SklearnModel(estimator, names)
            original.convert(tmp_path / "model.onnx")
            reference = Reference(*predict(original, columns))
        return distances(tmp_path, original.features, reference, columns)

    return run


@contextmanager
def converting_here() -> Iterator[None]:
    """What a worker would load, convert and predict is done in this process, which has the libraries already.

    Importing them takes a process of its own three seconds, twice for each model. So what a test tells of the processes
    themselves, of errors that come back from them, or of a whole command, is not for this.
    """

    def run(request: Request, folder: Path, time_limit_s: float) -> Reply:
        (folder / process.MODEL).mkdir(exist_ok=True)
        with original_skl2onnx(), warnings.catch_warnings(action="ignore"):  # as the worker does
            return worker.answer(request, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "run", run)
        yield


@pytest.fixture
def convert_here() -> Iterator[None]:
    """See `converting_here`."""
    with converting_here():
        yield


@pytest.fixture
def skl2onnx_unchanged() -> Iterator[None]:
    """See `original_skl2onnx`."""
    with original_skl2onnx():
        yield


@contextmanager
def original_skl2onnx() -> Iterator[None]:
    """Puts skl2onnx's converters back, which a conversion replaces for all of the process."""
    registers: list[dict[Any, Any]] = [
        skl2onnx_operators.sklearn_operator_name_map,
        skl2onnx_registration._converter_pool,
        skl2onnx_registration._shape_calculator_pool,
        skl2onnx_parse.sklearn_parsers_map,
    ]
    before = [dict(register) for register in registers]
    yield
    for register, content in zip(registers, before, strict=True):
        register.clear()
        register.update(content)
