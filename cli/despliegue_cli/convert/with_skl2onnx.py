"""Estimators through skl2onnx, with our own converters where its are wrong: in double if that runs, else in float32."""

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn import ensemble, tree
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder
from sklearn.svm import LinearSVC

from despliegue.models.model import Array, SessionSettings
from despliegue_cli.convert import encoders, imputers, texts
from despliegue_cli.convert.messages import ConversionError, one_line
from despliegue_cli.convert.nested_trees import convert_trees
from despliegue_cli.convert.onnx_steps import DOMAINS, width
from despliegue_cli.convert.predictor import check_labels
from despliegue_cli.convert.probing import rows
from despliegue_cli.convert.tree_models import BOOSTERS, TREES

if TYPE_CHECKING:
    from despliegue_cli.convert.from_sklearn import SklearnModel

_ROWS = 64
_CLASSIFIER_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "nocl": [True, False],
    "output_class_labels": [False, True],
    "raw_scores": [True, False],
}
_OUTLIER_OPTIONS = {"score_samples": [True, False]}


def closest(model: "SklearnModel") -> onnx.ModelProto:
    """The graph whose predictions of made-up rows are closest to the original's: in double, else in float32.

    Raises:
        ConversionError: neither can be made, or run.
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
        known = next((error for error in problems if isinstance(error, ConversionError)), None)
        raise known or ConversionError(f"skl2onnx cannot convert it: {one_line(problems[-1])}") from problems[-1]
    return min(found, key=lambda each: each[0])[1]


def _convert(model: "SklearnModel", number: type[Any]) -> onnx.ModelProto:
    _register(number)
    estimator = model.estimator
    final = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if isinstance(final, VotingClassifier):
        final.flatten_transform = False  # only its transform heeds it, and the converter takes no other
    if model.is_matrix:
        types = [("input", number([None, len(model.names)]))]
    else:
        types = [
            (name, StringTensorType([None, 1]) if trait.text else number([None, 1]))
            for name, trait in zip(model.names, model.traits, strict=True)
        ]
    # A classifier without options gets a ZipMap in a pipeline, even LinearSVC, which has no such option.
    option = {"nocl": False} if isinstance(final, LinearSVC) else {"zipmap": False}
    graph: onnx.ModelProto = convert_sklearn(
        estimator,
        initial_types=types,
        options={id(final): option} if hasattr(final, "classes_") else None,
        target_opset={"": DOMAINS[""], "ai.onnx.ml": DOMAINS["ai.onnx.ml"]},
    )
    model.finish(graph)
    return graph


def _distance(graph: onnx.ModelProto, model: "SklearnModel", columns: Any, expected: dict[str, Array]) -> float:
    """How far a graph's numbers are from the original's, relative to them; infinite where a label differs."""
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
                f"output '{output.name}' is {list(came.shape)}, where the original gives {list(wanted.shape)}"
            )
        if wanted.dtype.kind in "Oi":
            worst = worst if np.array_equal(came, wanted) else np.inf
        else:
            scale = max(float(np.abs(wanted).max()), 1e-300)
            worst = max(worst, float(np.abs(came - wanted).max()) / scale)
    return worst


def _register(number: type[Any]) -> None:
    """Our converters, giving `number`; for this process."""

    def numbers(columns: Any, operator: Any) -> None:
        operator.outputs[0].set_type(number([operator.inputs[0].get_first_dimension(), columns(operator)]))

    def imputed(operator: Any) -> None:
        kind = StringTensorType if isinstance(operator.inputs[0].type, StringTensorType) else number
        shape = [operator.inputs[0].get_first_dimension(), imputers.imputer_width(operator)]
        operator.outputs[0].set_type(kind(shape))

    def parsed(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
        # skl2onnx takes what comes out of texts for float32, and would have all that follows in it.
        text = isinstance(model, SimpleImputer) and isinstance(inputs[0].type, StringTensorType)
        operator = scope.declare_local_operator(f"Despliegue{type(model).__name__}", model)
        operator.inputs = inputs
        operator.outputs.append(scope.declare_local_variable("variable", (StringTensorType if text else number)()))
        return operator.outputs

    def trees(operator: Any) -> None:
        rows, classes = operator.inputs[0].get_first_dimension(), getattr(operator.raw_operator, "classes_", None)
        if classes is not None:
            label = StringTensorType if isinstance(check_labels(classes)[0], str) else Int64TensorType
            operator.outputs[0].set_type(label([rows]))
        elif len(operator.outputs) == 2:  # inlier or outlier, and its score
            operator.outputs[0].set_type(Int64TensorType([rows, 1]))
        operator.outputs[-1].set_type(number([rows, 1 if classes is None else len(classes)]))

    for step, shape, convert in (
        (SimpleImputer, imputed, imputers.convert_imputer),
        (OneHotEncoder, partial(numbers, encoders.one_hot_width), encoders.convert_one_hot),
        (OrdinalEncoder, partial(numbers, width), encoders.convert_ordinal),
        (TargetEncoder, partial(numbers, encoders.target_width), encoders.convert_target),
        (CountVectorizer, partial(numbers, texts.words_width), texts.convert_words),
        (TfidfVectorizer, partial(numbers, texts.words_width), texts.convert_words),
    ):
        update_registered_converter(step, f"Despliegue{step.__name__}", shape, convert, parser=parsed)
    for kind in _tree_classes():
        is_outlier = kind is ensemble.IsolationForest
        is_classifier = kind.__name__.endswith("Classifier")
        update_registered_converter(
            kind,
            f"Despliegue{kind.__name__}",
            trees,
            convert_trees,
            options=_CLASSIFIER_OPTIONS if is_classifier else _OUTLIER_OPTIONS if is_outlier else None,
        )


def _tree_classes() -> list[Any]:
    """Classes whose place ours take; those of other libraries where they are loaded."""
    found = [getattr(module, name) for module in (ensemble, tree) for name in sorted(TREES) if hasattr(module, name)]
    for library in ("xgboost", "lightgbm"):
        # An estimator of theirs brought its module with it.
        module = sys.modules.get(library)
        found += [getattr(module, name) for name in sorted(BOOSTERS) if hasattr(module, name)]
    return found
