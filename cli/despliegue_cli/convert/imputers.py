"""scikit-learn's SimpleImputer as ONNX: in double, with indicators, and for texts, whose missing value is ''.

The stock converter rounds statistics to float32, forgets the indicators, and refuses texts whose missing value is NaN.
"""

from typing import Any

import numpy as np
from skl2onnx.common.data_types import StringTensorType

from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.missing import MISSING_TEXT, is_missing
from despliegue_cli.convert.onnx_steps import Steps


def imputer_width(operator: Any) -> int:
    """How many columns SimpleImputer gives."""
    imputer = operator.raw_operator
    indicated = 0 if imputer.indicator_ is None else len(imputer.indicator_.features_)
    return len(_kept(imputer)) + indicated


def convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """Write a SimpleImputer."""
    imputer, steps = operator.raw_operator, Steps(scope, operator, container)
    is_text = isinstance(operator.inputs[0].type, StringTensorType)
    if any(isinstance(variable.type, StringTensorType) != is_text for variable in operator.inputs):
        raise ConversionError("SimpleImputer takes texts and numbers together; give each its own")
    if is_text and imputer.indicator_ is not None:
        raise ConversionError(
            "SimpleImputer(add_indicator=True) puts texts and numbers side by side; use MissingIndicator"
        )
    x, kept = steps.matrix(), _kept(imputer)
    filled = imputer.statistics_[kept]
    if is_text:
        filled = np.where(_leaves_missing(operator), MISSING_TEXT, filled)
    marker = imputer.missing_values
    if is_missing(marker) and not is_text:
        gaps = steps.add("IsNaN", x)
    else:
        gaps = steps.add("Equal", x, steps.constant([MISSING_TEXT if is_missing(marker) else marker], steps.dtype))
    parts = [
        steps.add(
            "Where",
            _gather(steps, gaps, kept),
            steps.constant([filled], steps.dtype),
            _gather(steps, x, kept),
        )
    ]
    if imputer.indicator_ is not None:
        parts.append(steps.cast(_gather(steps, gaps, imputer.indicator_.features_.tolist()), steps.element))
    steps.finish(parts)


def _kept(imputer: Any) -> list[int]:
    """The columns that it does not drop for having no value at all."""
    return [column for column, value in enumerate(imputer.statistics_) if not is_missing(value)]


def _leaves_missing(operator: Any) -> Any:
    """For each column of texts whether a missing one is None or '', while the imputer replaces another marker.

    Whoever trained it so has None or '' as a category in the encoder that follows.
    """
    followers = [each.raw_operator for each in operator.outputs[0].operators_inputs_]
    known = next((each.categories_ for each in followers if hasattr(each, "categories_")), ())
    marker = operator.raw_operator.missing_values
    passed = [
        any(
            (category is None and marker is not None) or (isinstance(category, str) and category == MISSING_TEXT)
            for category in each
        )
        for each in known
    ]
    if marker == MISSING_TEXT and any(passed):
        raise ConversionError(
            "SimpleImputer replaces '' and leaves None, which a graph cannot tell apart; give it missing_values=None"
        )
    return passed or False


def _gather(steps: Steps, x: str, columns: list[int]) -> str:
    return steps.add("Gather", x, steps.constant(columns, np.int64), axis=1)
