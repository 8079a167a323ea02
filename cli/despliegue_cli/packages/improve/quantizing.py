"""Weights of a network as int8 or fp16, for a little accuracy; ONNX Runtime makes them what they were when it loads."""

from typing import Final, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from despliegue.errors import DespliegueError
from despliegue.models.model import Array
from despliegue_cli.convert.onnx_parts import graphs

type Precision = Literal["int8", "fp16"]

_FIRST: Final = ("Conv", "FusedConv")
"""Of their weights an output takes one entry of the first axis, of all others' one of the last."""
_READERS: Final = (*_FIRST, "MatMul", "FusedMatMul", "Gemm", "FusedGemm", "Gather")
_FEWEST: Final = 1_024
"""Of fewer numbers, what is saved is no more than what the nodes take."""


def quantize(model: onnx.ModelProto, precision: Precision) -> None:
    """Make the large weights of a graph int8 or fp16, in place.

    What is computed stays float32 or float64: a constant is Cast back and, of int8, multiplied by its scales, which
    ONNX Runtime does once, at load. So a row's result depends on no other, and is the same on every processor that
    gave the same before. DequantizeLinear would be done at every call: ten times the time of a row, measured with 256
    units.

    Args:
        model: with all its weights.
        precision: `int8`, a scale for each column of a matrix or each filter of a convolution; or `fp16`.

    Raises:
        DespliegueError: nothing in it can be.
    """
    graph = model.graph
    axes = {
        name: 0 if node.op_type in _FIRST else -1
        for each in graphs(graph)
        for node in each.node
        if node.op_type in _READERS
        for name in node.input
    }
    given = {value.name for value in graph.input}
    nodes, constants = [], []
    for constant in graph.initializer:
        name = constant.name
        small = _smaller(constant, axes[name], precision) if name in axes and name not in given else {}
        constants += [numpy_helper.from_array(array, f"{name}{suffix}") for suffix, array in small.items()]
        if not small:
            constants.append(constant)
        elif precision == "fp16":
            nodes.append(helper.make_node("Cast", [f"{name} fp16"], [name], to=constant.data_type))
        else:
            nodes.append(helper.make_node("Cast", [f"{name} int8"], [f"{name} whole"], to=constant.data_type))
            nodes.append(helper.make_node("Mul", [f"{name} whole", f"{name} scales"], [name]))
    if not nodes:
        raise DespliegueError(
            f"the model cannot be quantised to {precision}: it has no MatMul, Gemm, Gather or Conv with large"
            " floating-point weights (trees have none); leave --quantize out"
        )
    parts = onnx.GraphProto(node=[*nodes, *graph.node], initializer=constants)
    for field in ("node", "initializer"):
        graph.ClearField(field)
    graph.MergeFrom(parts)


def _smaller(constant: TensorProto, axis: int, precision: Precision) -> dict[str, Array]:
    """What is stored instead of a constant, by the ends of their names; nothing where it is to stay."""
    if constant.data_type not in (TensorProto.FLOAT, TensorProto.DOUBLE) or len(constant.dims) < 2:
        return {}
    values = numpy_helper.to_array(constant)
    if values.size < _FEWEST or not np.isfinite(values).all():
        return {}
    if precision == "fp16":
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        return {" fp16": half} if np.isfinite(half).all() else {}
    others = tuple(at for at in range(values.ndim) if at != axis % values.ndim)
    largest = np.abs(values).max(axis=others, keepdims=True)
    scales = np.where(largest > 0, largest / 127, 1).astype(values.dtype)
    whole = np.rint(values / scales).clip(-127, 127).astype(np.int8)
    return {" int8": whole, " scales": scales} if whole.nbytes + scales.nbytes < values.nbytes else {}
