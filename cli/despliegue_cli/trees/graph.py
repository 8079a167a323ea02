"""Nodes and constants of an ONNX graph, named in order, so that the same calls give the same bytes."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSETS = {"": 21, "ai.onnx.ml": 5}
IR_VERSION = 10


class Graph:
    """A graph in the making.

    Args:
        inputs: names that none of its nodes and constants may have.
    """

    def __init__(self, inputs: Iterable[str]) -> None:
        self._inputs = frozenset(inputs)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def node(self, operator: str, *inputs: str, domain: str = "", output: str = "", **attributes: Any) -> str:
        """Add a node; gives the name of its output."""
        name = output or self._name(f"{operator}_{len(self._nodes)}")
        # The form that the checker and the schema know, not helper's guess, which walks lists of millions of integers.
        self._nodes.append(onnx.NodeProto(op_type=operator, domain=domain, input=inputs, output=[name]))
        self._nodes[-1].attribute.extend(_attribute(key, value) for key, value in attributes.items())
        return name

    def constant(self, value: Any, dtype: Any = np.float64) -> str:
        """Add a constant; gives its name."""
        name = self._name(f"constant_{len(self._constants)}")
        self._constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def _name(self, name: str) -> str:
        while name in self._inputs:
            name += "_"
        return name

    def model(self, inputs: dict[str, Any], outputs: dict[str, tuple[int, list[Any]]]) -> onnx.ModelProto:
        """The finished model.

        Args:
            inputs: the shapes of the inputs, all double, by name.
            outputs: element type and shape of the outputs, by name.
        """
        graph = helper.make_graph(
            self._nodes,
            "trees",
            [helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info(name, *kind) for name, kind in outputs.items()],
            self._constants,
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="despliegue")


def _attribute(name: str, value: Any) -> onnx.AttributeProto:
    if isinstance(value, np.ndarray) and value.dtype == np.int64:
        return onnx.AttributeProto(name=name, type=onnx.AttributeProto.INTS, ints=value.tolist())
    if isinstance(value, np.ndarray):
        return onnx.AttributeProto(name=name, type=onnx.AttributeProto.TENSOR, t=numpy_helper.from_array(value, name))
    return helper.make_attribute(name, value)
