"""Small packages made of a graph's text, and rows of a table."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from despliegue.models import Manifest, Model, SessionSettings
from despliegue.models.manifest import Feature
from despliegue.models.model import Array
from despliegue_cli.proof.rows import Rows

type Package = Callable[..., Model]


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """Writes a package of a graph's text, `(double[N] a) => (double[N] y) { … }`, and gives its model."""

    def make(graph: str, *features: Feature, labels: tuple[str, ...] = (), folder: str = "m/1") -> Model:
        at = tmp_path / folder
        at.mkdir(parents=True, exist_ok=True)
        text = f'<ir_version: 10, opset_import: ["": 21, "ai.onnx.ml": 5]> model {graph}'
        onnx.save(onnx.parser.parse_model(text), at / "model.onnx")
        Manifest(features=features, labels=labels).write(at)
        return Model.load(at, at.parent.name, at.name, SessionSettings())

    return make


@pytest.fixture
def rows_of() -> Callable[..., Rows]:
    """Rows of columns, numbered from 1; `made_up` of them, at the end, are of nobody."""

    def make(made_up: int = 0, **columns: Array) -> Rows:
        count = len(next(iter(columns.values())))
        places = tuple(f"row {number}" for number in range(1, count + 1))
        return Rows(columns, places, np.arange(count) >= count - made_up)

    return make
