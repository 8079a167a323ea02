"""Which converters skl2onnx is to use: our own for what its own do wrongly, or in float32."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from skl2onnx import update_registered_converter
from skl2onnx.common._registration import register_converter
from skl2onnx.common.data_types import Int64TensorType, StringTensorType
from skl2onnx.operator_converters import pipelines
from sklearn import ensemble, tree
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, PowerTransformer, TargetEncoder
from sklearn.svm import LinearSVC

from despliegue_cli.convert import encoders, imputers, linear, power, texts
from despliegue_cli.convert.nested_trees import convert_trees
from despliegue_cli.convert.onnx_steps import width
from despliegue_cli.convert.predictor import check_labels
from despliegue_cli.convert.tree_models import BOOSTERS, TREES

type Converter = Callable[[Any, Any, Any], None]

_CLASSIFIER_OPTIONS: Final = {
    "zipmap": [True, False, "columns"],
    "nocl": [True, False],
    "output_class_labels": [False, True],
    "raw_scores": [True, False],
}
_OUTLIER_OPTIONS: Final = {"score_samples": [True, False]}
_STEPS: Final[dict[Any, tuple[Callable[[Any], int], Converter]]] = {
    SimpleImputer: (imputers.imputer_width, imputers.convert_imputer),
    OneHotEncoder: (encoders.one_hot_width, encoders.convert_one_hot),
    OrdinalEncoder: (width, encoders.convert_ordinal),
    TargetEncoder: (encoders.target_width, encoders.convert_target),
    CountVectorizer: (texts.words_width, texts.convert_words),
    TfidfVectorizer: (texts.words_width, texts.convert_words),
    PowerTransformer: (width, power.convert_power),
}
"""Steps before an estimator: how many columns they give, and what writes them."""


def register(number: type[Any]) -> None:
    """Have skl2onnx use our converters, giving numbers of type `number`; for all of this process."""
    register_converter("SklearnPipeline", _convert_pipeline, overwrite=True, options=_CLASSIFIER_OPTIONS)
    for step, (columns, convert) in _STEPS.items():
        shape = partial(_shape_step, number, columns)
        update_registered_converter(step, _name(step), shape, convert, parser=partial(_parse_step, number))
    for kind in (LinearSVC, SGDClassifier, LinearDiscriminantAnalysis, *_tree_classes()):
        is_outlier = kind is ensemble.IsolationForest
        is_classifier = not is_outlier and not kind.__name__.endswith("Regressor")
        options = _CLASSIFIER_OPTIONS if is_classifier else _OUTLIER_OPTIONS if is_outlier else None
        convert = convert_trees if kind.__name__ in TREES | BOOSTERS else linear.convert_linear
        update_registered_converter(kind, _name(kind), partial(_shape_final, number), convert, options=options)


def _name(kind: type[Any]) -> str:
    return f"Despliegue{kind.__name__}"


def _is_text(step: Any, inputs: Any) -> bool:
    return isinstance(step, SimpleImputer) and isinstance(inputs[0].type, StringTensorType)


def _shape_step(number: type[Any], columns: Callable[[Any], int], operator: Any) -> None:
    kind = StringTensorType if _is_text(operator.raw_operator, operator.inputs) else number
    operator.outputs[0].set_type(kind([operator.inputs[0].get_first_dimension(), columns(operator)]))


def _parse_step(number: type[Any], scope: Any, step: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    # skl2onnx takes what comes out of texts for float32, and would have all that follows in it.
    operator = scope.declare_local_operator(_name(type(step)), step)
    operator.inputs = inputs
    kind = StringTensorType if _is_text(step, inputs) else number
    operator.outputs.append(scope.declare_local_variable("variable", kind()))
    return operator.outputs


def _shape_final(number: type[Any], operator: Any) -> None:
    rows, classes = operator.inputs[0].get_first_dimension(), getattr(operator.raw_operator, "classes_", None)
    if classes is not None:
        label = StringTensorType if isinstance(check_labels(classes)[0], str) else Int64TensorType
        operator.outputs[0].set_type(label([rows]))
    elif len(operator.outputs) == 2:  # inlier or outlier, and its score
        operator.outputs[0].set_type(Int64TensorType([rows, 1]))
    operator.outputs[-1].set_type(number([rows, 1 if classes is None else len(classes)]))


def _convert_pipeline(scope: Any, operator: Any, container: Any) -> None:
    """A pipeline inside an estimator: what is asked of it is asked of its last step, which skl2onnx forgets."""
    model = operator.raw_operator
    final = model.steps[-1][1]
    # Only those with a decision function can be asked for it; skl2onnx asks all.
    asked = container.get_options(model, {"raw_scores": False})["raw_scores"] and hasattr(final, "decision_function")
    if asked and container.has_options(final, "raw_scores"):
        for each in (scope, container):
            each.add_options(id(final), {"raw_scores": True})
    pipelines.convert_pipeline(scope, operator, container)


def _tree_classes() -> list[Any]:
    """Classes whose place ours take; those of other libraries where they are loaded."""
    found = [getattr(module, name) for module in (ensemble, tree) for name in sorted(TREES) if hasattr(module, name)]
    for library in ("xgboost", "lightgbm"):
        # An estimator of theirs brought its module with it.
        module = sys.modules.get(library)
        found += [getattr(module, name) for name in sorted(BOOSTERS) if hasattr(module, name)]
    return found
