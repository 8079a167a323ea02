"""Which estimators are trees, of scikit-learn, XGBoost and LightGBM; and the graph of one that stands alone."""

from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, compose, helper

from despliegue_cli.trees import Ensemble, emit, lightgbm, sklearn_trees, xgboost
from despliegue_cli.trees.emit import MATRIX
from despliegue_cli.trees.graph import IR_VERSION, OPSETS

TREES: Final = frozenset(
    {
        *(
            f"{kind}{task}"
            for kind in (
                "DecisionTree",
                "ExtraTree",
                "RandomForest",
                "ExtraTrees",
                "GradientBoosting",
                "HistGradientBoosting",
            )
            for task in ("Classifier", "Regressor")
        ),
        "IsolationForest",
    }
)
BOOSTERS: Final = frozenset(
    {"XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor", "LGBMClassifier", "LGBMRegressor"}
)


def are_trees(estimator: Any) -> bool:
    """Whether `read_trees` reads it."""
    return type(estimator).__name__ in TREES | BOOSTERS


def read_trees(estimator: Any) -> Ensemble:
    """The ensemble of an estimator of any of the libraries.

    Raises:
        NotConvertible: it has a part that a graph would not give exactly.
    """
    match type(estimator).__name__[:3]:
        case "XGB":
            return xgboost.read(estimator)
        case "LGB":
            return lightgbm.read(estimator)
        case _:
            return sklearn_trees.read(estimator)


def tree_graph(ensemble: Ensemble) -> onnx.ModelProto:
    """The graph of an ensemble: of one input, double [N, K].

    Where columns are named categories it has one input a column: text or double [N, 1], whichever the names are.
    """
    trees = emit(ensemble)
    if not ensemble.categories:
        return trees
    inputs, nodes, parts = [], [], []
    for place in range(ensemble.width):
        known, name = ensemble.categories.get(place, ()), f"column {place}"
        element = TensorProto.STRING if is_text(known) else TensorProto.DOUBLE
        inputs.append(helper.make_tensor_value_info(name, element, ["N", 1]))
        parts.append(f"code {place}" if known else name)
        if known:
            nodes.append(_codes(known, name, parts[-1]))
    nodes.append(helper.make_node("Concat", parts, ["columns"], axis=1))
    return _joined(inputs, nodes, trees, ensemble.width)


def is_text(known: tuple[Any, ...]) -> bool:
    """Whether the names of a column's categories are text."""
    return any(isinstance(name, str) for name in known)


def _codes(known: tuple[Any, ...], x: str, output: str) -> onnx.NodeProto:
    """The code of each category, NaN for any other."""
    text, size = is_text(known), [len(known)]
    keys = [name.encode() for name in known] if text else [float(name) for name in known]
    return helper.make_node(
        "LabelEncoder",
        [x],
        [output],
        domain="ai.onnx.ml",
        keys_tensor=helper.make_tensor("keys", TensorProto.STRING if text else TensorProto.DOUBLE, size, keys),
        values_tensor=helper.make_tensor(
            "values", TensorProto.DOUBLE, size, [float(code) for code in range(len(known))]
        ),
        default_tensor=helper.make_tensor("default", TensorProto.DOUBLE, [1], [np.nan]),
    )


def _joined(inputs: Any, nodes: Any, trees: onnx.ModelProto, width: int) -> onnx.ModelProto:
    columns = helper.make_tensor_value_info("columns", TensorProto.DOUBLE, ["N", width])
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    first = helper.make_model(
        helper.make_graph(nodes, "columns", inputs, [columns]),
        opset_imports=opsets,
        ir_version=IR_VERSION,
        producer_name=trees.producer_name,
    )
    outputs = [output.name for output in trees.graph.output]
    prefixed = compose.add_prefix(trees, "trees/", rename_inputs=False, rename_outputs=False)
    return compose.merge_models(first, prefixed, [("columns", MATRIX)], outputs=outputs)
