"""From an ensemble to an ONNX graph around `TreeEnsemble` (ai.onnx.ml 5), in double."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import batched, groupby

import numpy as np
import onnx
from onnx import TensorProto

from despliegue_cli.trees.ensemble import NEARLY_ZERO, Derived, Ensemble, Labels, Mode, NotConvertible, Tree
from despliegue_cli.trees.graph import Graph
from despliegue_cli.trees.operator import tree_ensemble

MATRIX = "input"
"""The name of the only input, where columns have none of their own."""

_OUTPUTS = ("prediction", "label", "probabilities", "score")

_GATHERED = 256
"""Leaf values gathered at once for a row. It bounds memory: 2 KB a row, however many trees and classes there are."""


def emit(ensemble: Ensemble, inputs: Sequence[str] | None = None) -> onnx.ModelProto:
    """The graph that predicts as `ensemble` does; same ensemble, same bytes.

    Args:
        ensemble: what to emit.
        inputs: a name for each column, each an input of double [N, 1]; None for one input `input`, double [N, columns].

    Returns:
        A model whose outputs are `prediction` double [N] (double [N, scores] where there are several); of a classifier
        `label` int64 or string [N] and `probabilities` double [N, classes]; of an outlier detector `label` int64 [N]
        and `score` double [N].

    Raises:
        NotConvertible: `inputs` are not as many as the columns, or cannot be names of inputs.
    """
    if inputs is not None:
        _check(inputs, ensemble.width)
    graph = Graph(inputs or [MATRIX])
    x = graph.node("Concat", *inputs, axis=1) if inputs is not None else MATRIX
    x = _columns(graph, x, ensemble)
    sums = _table_sums(graph, x, ensemble) if ensemble.trees[0].value.ndim == 2 else _sums(graph, x, ensemble)
    result = _link(graph, sums, ensemble)
    outputs: dict[str, tuple[int, list[int | str]]]
    if ensemble.classes is not None:
        outputs = _classifier(graph, result, ensemble, ensemble.classes)
    elif ensemble.outliers:
        score = graph.node("Squeeze", result, graph.constant([1], np.int64), output="score")
        inlier = graph.node("GreaterOrEqual", score, graph.constant(0.0))
        sides = graph.constant(1, np.int64), graph.constant(-1, np.int64)
        graph.node("Where", inlier, *sides, output="label")
        outputs = {"label": (TensorProto.INT64, ["N"]), "score": (TensorProto.DOUBLE, ["N"])}
    elif ensemble.scores == 1:
        graph.node("Squeeze", result, graph.constant([1], np.int64), output="prediction")
        outputs = {"prediction": (TensorProto.DOUBLE, ["N"])}
    else:
        graph.node("Identity", result, output="prediction")
        outputs = {"prediction": (TensorProto.DOUBLE, ["N", ensemble.scores])}
    shapes = {MATRIX: ["N", ensemble.width]} if inputs is None else {name: ["N", 1] for name in inputs}
    return graph.model(shapes, outputs)


def _check(inputs: Sequence[str], width: int) -> None:
    if len(inputs) != width:
        raise NotConvertible(f"it was trained on {width} columns, but {len(inputs)} names were given")
    if len({*inputs, *_OUTPUTS, ""}) < width + len(_OUTPUTS) + 1:
        raise NotConvertible(f"names of columns must differ from each other, from '' and from {', '.join(_OUTPUTS)}")


def _columns(graph: Graph, x: str, ensemble: Ensemble) -> str:
    if ensemble.float32_inputs:
        x = graph.node("Cast", x, to=TensorProto.FLOAT)
        if not ensemble.float32_sums:
            x = graph.node("Cast", x, to=TensorProto.DOUBLE)
    dtype = np.float32 if ensemble.float32_sums else np.float64
    if ensemble.missing is not None:
        is_missing = graph.node("Equal", x, graph.constant(ensemble.missing, dtype))
        x = graph.node("Where", is_missing, graph.constant(np.nan, dtype), x)
    parts = [x]
    for (how, values), group in groupby(ensemble.derived, lambda column: (column.how, column.values)):
        sources = [column.source for column in group]
        part = graph.node("Gather", x, graph.constant(sources, np.int64), axis=1)
        parts.append(_derive(graph, part, Derived(0, how, values), dtype))
    return graph.node("Concat", *parts, axis=1) if len(parts) > 1 else x


def _derive(graph: Graph, x: str, column: Derived, dtype: type[np.floating]) -> str:
    match column.how:
        case "floor":
            return graph.node("Floor", x)
        case "truncate":
            negative = graph.node("Less", x, graph.constant(0, dtype))
            return graph.node("Where", negative, graph.node("Ceil", x), graph.node("Floor", x))
        case "zero_is_missing":
            zero = graph.node("LessOrEqual", graph.node("Abs", x), graph.constant(NEARLY_ZERO, dtype))
            return graph.node("Where", zero, graph.constant(np.nan, dtype), x)
        case "codes":
            return graph.node(
                "LabelEncoder",
                x,
                domain="ai.onnx.ml",
                keys_tensor=np.array(column.values, dtype),
                values_tensor=np.arange(len(column.values), dtype=dtype),
                default_tensor=np.array([np.nan], dtype),
            )


def _sums(graph: Graph, x: str, ensemble: Ensemble) -> str:
    # A tree of its own, so that floats are added in the library's order, which starts from the base.
    base = [Tree.constant(value, score) for score, value in enumerate(ensemble.base)]
    trees = [*base, *ensemble.trees]
    sums = tree_ensemble(graph, x, trees, ensemble.scores, np.float32 if ensemble.float32_sums else np.float64)
    return graph.node("Cast", sums, to=TensorProto.DOUBLE) if ensemble.float32_sums else sums


def _table_sums(graph: Graph, x: str, ensemble: Ensemble) -> str:
    """Sums of leaves that have a value for every score, which a leaf of TreeEnsemble cannot.

    Each tree says which leaf was reached, and the values are looked up, some trees at a time.
    """
    parts = []
    for trees in batched(ensemble.trees, max(1, _GATHERED // ensemble.scores), strict=False):
        numbered, rows, start = [], [], 0
        for score, tree in enumerate(trees):
            is_leaf = tree.mode == Mode.LEAF
            numbered.append(replace(tree, value=start - 1.0 + np.cumsum(is_leaf), score=score))
            rows.append(tree.value[is_leaf])
            start += len(rows[-1])
        leaves = tree_ensemble(graph, x, numbered, len(trees), np.float64)
        table = graph.constant(np.concatenate(rows))
        values = graph.node("Gather", table, graph.node("Cast", leaves, to=TensorProto.INT64))
        parts.append(graph.node("ReduceSum", values, graph.constant([1], np.int64), keepdims=0))
    return graph.node("Sum", *parts) if len(parts) > 1 else parts[0]


def _link(graph: Graph, x: str, ensemble: Ensemble) -> str:
    if ensemble.divisor != 1.0:
        x = graph.node("Div", x, graph.constant(ensemble.divisor))
    if ensemble.scale != 1.0:
        x = graph.node("Mul", x, graph.constant(ensemble.scale))
    match ensemble.link:
        case "logistic":
            # Not Sigmoid, which ONNX Runtime approximates.
            one = graph.constant(1.0)
            x = graph.node("Div", one, graph.node("Add", one, graph.node("Exp", graph.node("Neg", x))))
        case "softmax":
            x = graph.node("Softmax", x, axis=1)
        case "exp":
            x = graph.node("Exp", x)
        case "signed_square":
            x = graph.node("Mul", x, graph.node("Abs", x))
        case "log1p_exp":
            x = graph.node("Log", graph.node("Add", graph.constant(1.0), graph.node("Exp", x)))
        case "isolation":
            x = graph.node("Neg", graph.node("Pow", graph.constant(2.0), graph.node("Neg", x)))
        case "identity":
            pass
    return graph.node("Sub", x, graph.constant(ensemble.offset)) if ensemble.offset else x


def _classifier(graph: Graph, x: str, ensemble: Ensemble, classes: Labels) -> dict[str, tuple[int, list[int | str]]]:
    if ensemble.scores == 1 and len(classes) == 2:
        # The sum is of the second class.
        graph.node("Concat", graph.node("Sub", graph.constant(1.0), x), x, axis=1, output="probabilities")
    else:
        graph.node("Identity", x, output="probabilities")
    best = graph.node("ArgMax", "probabilities", axis=1, keepdims=0, select_last_index=int(ensemble.last_of_equals))
    is_text = isinstance(classes[0], str)
    graph.node("Gather", graph.constant(classes, object if is_text else np.int64), best, output="label")
    return {
        "label": (TensorProto.STRING if is_text else TensorProto.INT64, ["N"]),
        "probabilities": (TensorProto.DOUBLE, ["N", len(classes)]),
    }
