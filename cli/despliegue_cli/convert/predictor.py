"""What a fitted estimator predicts with, and how its graph's outputs are called."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from despliegue.models.model import Array
from despliegue_cli.convert.finishing import finish
from despliegue_cli.convert.messages import ConversionError


class Predictor:
    """The predictions of an estimator, by output.

    Attributes:
        labels: the classes, in the order of the probabilities; empty where there are none.
        outputs: the method that gives each output, by its name in the graph: `label` and `probabilities` (of a
            classifier without, `score` of the second of two classes, or `scores` of more; `distances`, of a clustering;
            `score`, of an outlier detector), or `prediction`. A name that a column has too gets a '_'.
    """

    def __init__(self, estimator: Any, columns: Sequence[str]) -> None:
        self._estimator = estimator
        self._classes = getattr(estimator, "classes_", None)
        labels = () if self._classes is None else tuple(map(str, check_labels(self._classes)))
        methods = _methods(estimator, len(labels))
        self.labels = labels if "predict_proba" in methods.values() else ()
        taken = set(columns)
        self.outputs = {f"{name}_" if name in taken else name: method for name, method in methods.items()}

    def predict(self, table: Any) -> dict[str, Array]:
        """The outputs, of `table` in whatever form the estimator takes: [N] or [N, K], float64, int64 or objects."""
        outputs = {}
        for name, method in self.outputs.items():
            array = np.asarray(getattr(self._estimator, method)(table))
            if method == "predict" and array.ndim == 2 and array.shape[1] == 1:
                array = array[:, 0]
            kind = {"O": object, "U": object, "i": np.int64, "u": np.int64}.get(array.dtype.kind, np.float64)
            outputs[name] = array.astype(kind)
        return outputs

    def finish(self, model: onnx.ModelProto, inputs: Sequence[str]) -> None:
        """Name inputs and outputs of the estimator's graph, whose outputs come in the same order."""
        names = dict(zip([output.name for output in model.graph.output], self.outputs, strict=False))
        flat: dict[str, int | None] = {
            name: None for name, method in self.outputs.items() if method == "predict" and not self._has_targets(model)
        }
        score = next((name for name, method in self.outputs.items() if method == "decision_function"), None)
        if score is not None and (self._classes is None or len(self._classes) == 2):
            # skl2onnx has [N, 1], or [N, 2] with the score of either class: as the second, but for SVC.
            final = self._estimator.steps[-1][1] if hasattr(self._estimator, "steps") else self._estimator
            flat[score] = 0 if type(final).__name__ in ("SVC", "NuSVC") else -1
        finish(model, inputs, names, flat)

    def _has_targets(self, model: onnx.ModelProto) -> bool:
        """Whether it predicts several numbers."""
        shape = model.graph.output[0].type.tensor_type.shape.dim
        return self._classes is None and len(shape) == 2 and shape[1].dim_value > 1


def check_labels(classes: Any) -> list[int | str]:
    """Class labels, which are texts or integers.

    Raises:
        ConversionError: they are neither.
    """
    if isinstance(classes, list):
        raise ConversionError("it predicts several targets, each of its own classes; one model a target is served")
    found: list[int | str] = []
    for label in np.asarray(classes).tolist():
        if not isinstance(label, (int, str)) or isinstance(label, bool):
            raise ConversionError(
                f"its class labels are neither texts nor integers, but {label!r}; train it on such labels"
            )
        found.append(label)
    return found


def _methods(estimator: Any, classes: int) -> dict[str, str]:
    kind = _kind(estimator)
    scores = "score" if classes == 2 else "scores"
    second = {
        "classifier": {"probabilities": "predict_proba", scores: "decision_function"},
        "outlier_detector": {"score": "decision_function"},
        "clusterer": {"distances": "transform"},
    }.get(kind)
    if second is None:
        return {"prediction": "predict"}
    return {"label": "predict"} | dict([pair for pair in second.items() if hasattr(estimator, pair[1])][:1])


def _kind(estimator: Any) -> str:
    from sklearn.utils import get_tags

    return str(get_tags(estimator).estimator_type)
