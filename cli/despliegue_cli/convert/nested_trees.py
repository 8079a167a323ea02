"""Trees inside other estimators: our own exact ensembles in the place of skl2onnx's, which compare in float32."""

from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx.common.data_types import StringTensorType

from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.onnx_steps import DOMAINS, ELEMENT, Steps
from despliegue_cli.convert.tree_models import read_trees
from despliegue_cli.trees import Ensemble, emit
from despliegue_cli.trees.emit import MATRIX


def convert_trees(scope: Any, operator: Any, container: Any) -> None:
    """Write a tree ensemble of any of the libraries."""
    estimator, steps = operator.raw_operator, Steps(scope, operator, container)
    ensemble = read_trees(estimator)
    if ensemble.categories:
        raise ConversionError(
            f"{type(estimator).__name__} names its categories and is inside another estimator; encode them before it"
        )
    # Only those with a decision function can be asked for it; skl2onnx asks all.
    is_scored = ensemble.classes is not None and hasattr(estimator, "decision_function")
    if is_scored and container.get_options(estimator, {"raw_scores": False})["raw_scores"]:
        _write_scores(scope, steps, container, ensemble)
        return
    for variable, found in zip(operator.outputs, _insert(scope, steps, container, ensemble), strict=False):
        if not isinstance(variable.type, StringTensorType):
            found = steps.cast(found, ELEMENT.get(type(variable.type), TensorProto.DOUBLE))
        # skl2onnx has [N, 1] where we have [N].
        shape = [-1, *variable.type.shape[1:]] if len(variable.type.shape) == 2 else [-1]
        shape = [-1 if size is None else size for size in shape]
        steps.add("Reshape", found, steps.constant(shape, np.int64), output=variable.full_name)


def _write_scores(scope: Any, steps: Steps, container: Any, ensemble: Ensemble) -> None:
    """Labels, and the decision function as the second output: of two classes for either, as skl2onnx has it."""
    raw = replace(ensemble, link="identity", scale=1.0, classes=None)
    scores = steps.cast(_insert(scope, steps, container, raw)[0], steps.element)
    if ensemble.scores == 1:
        scores = steps.add("Reshape", scores, steps.constant([-1, 1], np.int64))
        scores = steps.add("Concat", steps.add("Neg", scores), scores, axis=1)
    names = steps.constant(
        ensemble.classes, object if isinstance(steps.outputs[0].type, StringTensorType) else np.int64
    )
    steps.add("Gather", names, steps.add("ArgMax", scores, axis=1, keepdims=0), output=steps.outputs[0].full_name)
    steps.add("Identity", scores, output=steps.outputs[-1].full_name)


def _insert(scope: Any, steps: Steps, container: Any, ensemble: Ensemble) -> list[str]:
    """Add the graph of an ensemble; gives the names of its outputs."""
    graph = emit(ensemble).graph
    x = steps.matrix() if len(steps.inputs) > 1 else steps.inputs[0].full_name
    names = {MATRIX: steps.cast(x, TensorProto.DOUBLE)}
    for constant in graph.initializer:
        names[constant.name] = scope.get_unique_variable_name(constant.name)
        constant.name = names[constant.name]
        container.initializers.append(constant)
    for node in graph.node:
        for output in node.output:
            names[output] = scope.get_unique_variable_name(output)
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
        node.name = scope.get_unique_operator_name(node.op_type)
        container.nodes.append(node)
        container.node_domain_version_pair_sets.add((node.domain, DOMAINS[node.domain]))
    return [names[output.name] for output in graph.output]
