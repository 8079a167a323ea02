"""The original model, loaded: what it is called with, what it becomes, and what it predicts."""

from pathlib import Path
from typing import Protocol

import numpy as np

from despliegue.models.manifest import Feature
from despliegue.models.model import Array
from despliegue_cli.convert.isolation import Refused
from despliegue_cli.convert.messages import ConversionError, RefusesEveryRow, Request, one_line

_MOST_CALLS = 2_000

type Columns = dict[str, Array]
"""By feature: float64 [N] with NaN, or objects [N], strings with None, where one is missing."""


class Original(Protocol):
    """A model as its own library has it.

    Attributes:
        features: the columns, in order.
        labels: the classes, in the order of the probabilities; empty for any other model.
        source: framework and versions.
    """

    labels: tuple[str, ...]

    @property
    def source(self) -> dict[str, str]: ...  # noqa: D102

    @property
    def features(self) -> tuple[Feature, ...]: ...  # noqa: D102

    def convert(self, path: Path) -> None:
        """Write it as ONNX."""

    def predict(self, columns: Columns) -> dict[str, Array]:
        """Its predictions, by the names of the graph's outputs."""


def load(request: Request) -> Original:
    """Load what `request` names.

    Raises:
        ConversionError: its library is not installed, or not of the version that it needs.
    """
    path = Path(request.path)
    try:
        match request.kind:
            case "onnx":
                from despliegue_cli.convert.from_onnx import OnnxModel

                return OnnxModel(path, request.names)
            case "xgboost":
                from despliegue_cli.convert.from_xgboost import XGBoostModel

                return XGBoostModel(path, request.names)
            case "lightgbm":
                from despliegue_cli.convert.from_lightgbm import LightGBMModel

                return LightGBMModel(path, request.names)
            case _:
                from despliegue_cli.convert.estimator_files import load_estimator
                from despliegue_cli.convert.from_sklearn import SklearnModel

                return SklearnModel(load_estimator(path, request.kind, trust=request.trust), request.names)
    except ModuleNotFoundError as error:
        raise ConversionError(missing_module(error.name or "")) from error


def missing_module(name: str) -> str:
    """What to do where a module is missing: an extra of ours, or the user's own code."""
    extra = {"sklearn": "sklearn", "skl2onnx": "sklearn", "skops": "sklearn", "pandas": "sklearn"}.get(name, name)
    if extra in ("onnx", "sklearn", "xgboost", "lightgbm"):
        return f"it needs {name}, which is not installed: pip install 'despliegue[{extra}]'"
    return f"it needs the module '{name}', which is not found: install it, or name its folder in PYTHONPATH"


def predict(original: Original, columns: Columns) -> tuple[dict[str, Array], Array, str]:
    """The original's predictions of the rows that it accepts.

    Returns:
        The outputs, whether each row was accepted (bool [N]), and its own words where one was not. Of a table with
        very many such rows some are left out that it might accept.

    Raises:
        RefusesEveryRow: it refuses every row.
        MemoryError: there is too little for even one row.
    """
    rows = len(next(iter(columns.values())))
    parts: list[dict[str, Array]] = []
    accepted = np.zeros(rows, bool)
    refusals: list[Exception] = []
    left = _MOST_CALLS

    def attempt(start: int, end: int) -> None:
        # In halves: one row that it refuses, such as a category that it does not know, must not hide the others.
        nonlocal left
        left -= 1
        try:
            found = original.predict({name: values[start:end] for name, values in columns.items()})
        except Refused:
            raise
        except Exception as error:  # every library has its own
            refusals.append(error.with_traceback(None))  # which would keep the rows
            if end - start == 1 or left < 0:
                return
            middle = (start + end) // 2
            attempt(start, middle)
            attempt(middle, end)
        else:
            parts.append(found)
            accepted[start:end] = True

    attempt(0, rows)
    if not parts and isinstance(refusals[-1], MemoryError):
        raise refusals[-1]
    if not parts:
        raise RefusesEveryRow(f"the original refuses every row: {one_line(refusals[0])}")
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return outputs, accepted, one_line(refusals[0]) if refusals else ""
