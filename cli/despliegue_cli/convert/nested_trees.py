"""Trees inside other estimators: our own exact ensembles in the place of skl2onnx's, which compare in float32."""

from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx.common.data_types import StringTensorType

from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.onnx_steps import DOMAINS, ELEMENT, Steps
from despliegue_cli.convert.tree_models import read_trees
from despliegue_cli.trees import emit
from despliegue_cli.trees.emit import MATRIX


def convert_trees(scope: Any, operator: Any, container: Any) -> None:
    """Write a tree ensemble of any of the libraries."""
    estimator, steps = operator.raw_operator, Steps(scope, operator, container)
    ensemble = read_trees(estimator)
    if ensemble.categories:
        raise ConversionError(
            f"{type(estimator).__name__} names its categories and is inside another estimator; encode them before it"
        )
    graph = emit(ensemble).graph
    x = steps.matrix() if len(operator.inputs) > 1 else operator.inputs[0].full_name
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
    for variable, output in zip(operator.outputs, graph.output, strict=False):
        found = names[output.name]
        if not isinstance(variable.type, StringTensorType):
            found = steps.cast(found, ELEMENT.get(type(variable.type), TensorProto.DOUBLE))
        # skl2onnx has [N, 1] where we have [N].
        shape = [-1, *variable.type.shape[1:]] if len(variable.type.shape) == 2 else [-1]
        shape = [-1 if size is None else size for size in shape]
        steps.add("Reshape", found, steps.constant(shape, np.int64), output=variable.full_name)
