"""What our converters write with: nodes in skl2onnx's container, named by it, and columns taken out of its inputs."""

from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType

from despliegue.models.model import Array

DOMAINS = {"": 21, "ai.onnx.ml": 3, "com.microsoft": 1}
"""The operator sets that skl2onnx is told; it knows no later ones. Ours are of ai.onnx.ml 5, as `finishing` says."""

ELEMENT = {DoubleTensorType: TensorProto.DOUBLE, FloatTensorType: TensorProto.FLOAT, Int64TensorType: TensorProto.INT64}


class Steps:
    """Nodes for one operator.

    Args:
        scope: gives names that nothing else has.
        operator: what is converted; its inputs and outputs are skl2onnx's variables.
        container: where nodes go.
    """

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self._scope, self._container = scope, container
        self.inputs = operator.inputs
        self.outputs = operator.outputs
        self.element: int = ELEMENT.get(type(operator.outputs[-1].type), TensorProto.STRING)
        self.dtype: Any = {TensorProto.STRING: object, TensorProto.DOUBLE: np.float64}.get(self.element, np.float32)

    def add(self, op: str, *inputs: str, domain: str = "", output: str = "", **attributes: Any) -> str:
        """Add a node; gives the name of its output."""
        output = output or self._scope.get_unique_variable_name(op)
        attributes["name"] = self._scope.get_unique_operator_name(op)
        self._container.add_node(op, list(inputs), [output], op_domain=domain, op_version=DOMAINS[domain], **attributes)
        return output

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Add a constant; gives its name. Strings are objects."""
        name: str = self._scope.get_unique_variable_name("constant")
        self._container.initializers.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def look_up(self, x: str, keys: Array, values: Array, default: Array) -> str:
        """Add a LabelEncoder: for each of `keys` in `x` its value, else `default` [1]. Texts are objects."""
        tensors = {"keys_tensor": keys, "values_tensor": values, "default_tensor": default}
        attributes = {name: numpy_helper.from_array(array, name) for name, array in tensors.items()}
        return self.add("LabelEncoder", x, domain="ai.onnx.ml", **attributes)

    def cast(self, x: str, element: int) -> str:
        """`x` as another type."""
        return self.add("Cast", x, to=element)

    def columns(self) -> list[tuple[str, bool]]:
        """Each column of all inputs, [N, 1], and whether it is text."""
        found = []
        for variable in self.inputs:
            is_text = isinstance(variable.type, StringTensorType)
            width = variable.type.shape[1]
            for place in range(width):
                index = self.constant([place], np.int64)
                name = variable.full_name if width == 1 else self.add("Gather", variable.full_name, index, axis=1)
                found.append((name, is_text))
        return found

    def matrix(self) -> str:
        """All inputs side by side, [N, K]; all text, or all of the outputs' type."""
        names = [
            variable.full_name
            if isinstance(variable.type, StringTensorType) or ELEMENT.get(type(variable.type)) == self.element
            else self.cast(variable.full_name, self.element)
            for variable in self.inputs
        ]
        return names[0] if len(names) == 1 else self.add("Concat", *names, axis=1)

    def finish(self, parts: list[str]) -> None:
        """Make `parts` [N, …], side by side, the only output."""
        self.add("Concat", *parts, axis=1, output=self.outputs[0].full_name)


def width(operator: Any) -> int:
    """How many columns an operator gets."""
    return sum(variable.type.shape[1] for variable in operator.inputs)
