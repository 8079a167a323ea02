"""Estimators through skl2onnx, with our own converters where its are wrong: in double if that runs, else in float32."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.ensemble import VotingClassifier, VotingRegressor

from despliegue.errors import DespliegueError
from despliegue.models.model import Array, SessionSettings
from despliegue_cli.convert.converters import register
from despliegue_cli.convert.messages import ConversionError, one_line
from despliegue_cli.convert.onnx_steps import DOMAINS
from despliegue_cli.convert.probing import rows

if TYPE_CHECKING:
    from despliegue_cli.convert.from_sklearn import SklearnModel

_ROWS = 64
_WRONG = 0.05
"""From here on a difference is no rounding, but another model. Smaller ones are for the comparison on real rows."""


def closest(model: "SklearnModel") -> onnx.ModelProto:
    """The graph whose predictions of made-up rows are closest to the original's: in double, else in float32.

    Raises:
        ConversionError: neither can be made, or run, or both are wrong.
    """
    columns = rows(model.names, model.traits, _ROWS)
    expected = model.predict(columns)
    found: list[tuple[float, onnx.ModelProto]] = []
    problems: list[Exception] = []
    for number in (DoubleTensorType, FloatTensorType):
        try:
            graph = _convert(model, number)
            found.append((_distance(graph, model, columns, expected), graph))
        except Exception as error:  # skl2onnx and ONNX Runtime raise whatever comes
            problems.append(error)
        else:
            if found[-1][0] < 1e-9:
                break
    if not found:
        known = next((error for error in problems if isinstance(error, DespliegueError)), None)
        raise known or ConversionError(_reason(problems[-1])) from problems[-1]
    distance, graph = min(found, key=lambda each: each[0])
    if distance > _WRONG:
        raise ConversionError(
            f"skl2onnx converts it wrongly: on made-up rows its graph is off by {distance:.0%}; train another estimator"
            " in its place, or add an ONNX file of your own making"
        )
    return graph


def _reason(error: Exception) -> str:
    if missing := re.search(r"find a (?:shape calculator|converter) .*?'<class '(?:\w+\.)*(\w+)'>'", str(error)):
        return f"{missing[1]} has no converter to ONNX; train another estimator in its place"
    return f"skl2onnx cannot convert it: {one_line(error)}"


def _convert(model: "SklearnModel", number: type[Any]) -> onnx.ModelProto:
    register(number)
    estimator = model.estimator
    final = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if isinstance(final, VotingClassifier):
        final.flatten_transform = False  # only its transform heeds it, and the converter takes no other
    if getattr(final, "weights", None) is not None and isinstance(final, VotingClassifier | VotingRegressor):
        final.weights = np.asarray(final.weights)  # nor any list
    if model.is_matrix:
        types = [("input", number([None, len(model.names)]))]
    else:
        types = [
            (name, StringTensorType([None, 1]) if trait.text else number([None, 1]))
            for name, trait in zip(model.names, model.traits, strict=True)
        ]
    graph: onnx.ModelProto = convert_sklearn(
        estimator,
        initial_types=types,
        options={id(final): {"zipmap": False}} if hasattr(final, "classes_") else None,
        target_opset={"": DOMAINS[""], "ai.onnx.ml": DOMAINS["ai.onnx.ml"]},
    )
    model.finish(graph)
    return graph


def _distance(graph: onnx.ModelProto, model: "SklearnModel", columns: Any, expected: dict[str, Array]) -> float:
    """How far a graph's numbers are from the original's, relative to them; or the share of labels that differ."""
    session = ort.InferenceSession(graph.SerializeToString(), SessionSettings().options())
    inputs = {}
    for given in session.get_inputs():
        values = columns.get(given.name)
        if given.name == "input" and values is None:
            values = np.column_stack(list(columns.values()))
        dtype = {"tensor(string)": object, "tensor(float)": np.float32}.get(given.type, np.float64)
        inputs[given.name] = np.asarray(values).reshape(_ROWS, -1).astype(dtype)
    worst = 0.0
    for output, came in zip(session.get_outputs(), session.run(None, inputs), strict=True):
        wanted = expected[output.name]
        if came.shape != wanted.shape:
            raise ConversionError(
                f"skl2onnx converts it wrongly: its output '{output.name}' is {list(came.shape)}, and the original's"
                f" {list(wanted.shape)}; train another estimator in its place"
            )
        if wanted.dtype.kind in "Oi":
            worst = max(worst, float((came != wanted).mean()))
        else:
            scale = max(float(np.abs(wanted).max()), 1e-300)
            apart = np.where(np.isnan(came) & np.isnan(wanted), 0, np.abs(came - wanted))
            worst = max(worst, float(np.nan_to_num(apart, nan=np.inf).max()) / scale)
    return worst
