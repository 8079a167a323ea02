"""scikit-learn's linear classifiers as ONNX, where the stock converter takes the label from probabilities, or is wrong.

A label is that of the highest score, as the originals have it: of several probabilities that round to 1, any could win.
"""

from typing import Any

import numpy as np

from despliegue_cli.convert.onnx_steps import Steps


def convert_linear(scope: Any, operator: Any, container: Any) -> None:
    """Write a LinearSVC, an SGDClassifier or a LinearDiscriminantAnalysis.

    It gives labels [N] and, as all of skl2onnx's classifiers, probabilities or scores [N, K]; of two classes, the score
    of the first is that of the second, negated.
    """
    model, steps = operator.raw_operator, Steps(scope, operator, container)
    x = steps.matrix()
    scores = steps.add("MatMul", x, steps.constant(model.coef_.T, steps.dtype))
    scores = steps.add("Add", scores, steps.constant(np.ravel(model.intercept_), steps.dtype))
    if len(model.classes_) == 2:
        scores = steps.add("Concat", steps.add("Neg", scores), scores, axis=1)
    best = steps.add("ArgMax", scores, axis=1, keepdims=0)
    names = steps.constant(model.classes_, object if model.classes_.dtype.kind in "OU" else np.int64)
    steps.add("Gather", names, best, output=operator.outputs[0].full_name)
    raw = container.get_options(model, {"raw_scores": False})["raw_scores"]
    if hasattr(model, "predict_proba") and not raw:
        scores = _probabilities(model, steps, scores)
    steps.add("Identity", scores, output=operator.outputs[1].full_name)


def _probabilities(model: Any, steps: Steps, scores: str) -> str:
    classes = len(model.classes_)
    one = steps.constant(1, steps.dtype)
    loss = getattr(model, "loss", "")
    if loss == "" and classes > 2:
        return steps.add("Softmax", scores, axis=1)
    if loss == "modified_huber":
        clipped = steps.add("Clip", scores, steps.constant(-1, steps.dtype), one)
        each = steps.add("Div", steps.add("Add", clipped, one), steps.constant(2, steps.dtype))
    else:
        # Not Sigmoid, which ONNX Runtime approximates.
        each = steps.add("Div", one, steps.add("Add", one, steps.add("Exp", steps.add("Neg", scores))))
    total = steps.add("ReduceSum", each, steps.constant([1], np.int64))
    none = steps.add("Equal", total, steps.constant(0, steps.dtype))
    return steps.add("Where", none, steps.constant(1 / classes, steps.dtype), steps.add("Div", each, total))
