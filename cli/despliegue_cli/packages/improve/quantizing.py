"""Smaller weights for a little accuracy: int8 and fp16, as ONNX Runtime ships them."""

import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from despliegue.errors import DespliegueError
from despliegue_cli.convert.messages import one_line
from despliegue_cli.packages.improve.edits import tidy

type Precision = Literal["int8", "fp16"]

_PRODUCTS: Final = ("MatMul", "Gemm")
_QUANTIZED: Final = (*_PRODUCTS, "Gather")
_MADE: Final = ("MatMulInteger", "DequantizeLinear")


def quantized(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """A graph whose large weights are int8 or fp16; inputs and outputs keep their types.

    Args:
        model: with all its weights, before ONNX Runtime fuses its nodes; it may be changed.
        precision: `int8` for what is multiplied by weights or looked up in them (MatMul, Gemm, Gather): weights are
            uint8 with a scale a column, and what they are multiplied with is rounded by the range that a call has, so
            that a row's result depends a little on the rows beside it. `fp16` for all that is float32: on x86 it
            is still computed in float32, while other processors may round on the way too. Products by double weights,
            as scikit-learn's, count as float32.

    Raises:
        DespliegueError: nothing in it can be, or the library fails.
    """
    try:
        with _quiet():
            _in_float32(model.graph)
            made = _int8(model) if precision == "int8" else _fp16(model)
    except Exception as error:  # whatever a graph that it does not expect makes it raise
        raise DespliegueError(
            f"the model cannot be quantised to {precision}: {one_line(error)}; leave --quantize out"
        ) from error
    if made is None:
        raise DespliegueError(
            "the model cannot be quantised to int8: it has no MatMul, Gemm or Gather with floating-point"
            " weights (trees have none); leave --quantize out"
        )
    tidy(made)
    return made


def _in_float32(graph: onnx.GraphProto) -> None:
    """Let products by constant double weights be made in float32, in place; what is around them stays double."""
    double = {constant.name: constant for constant in graph.initializer if constant.data_type == TensorProto.DOUBLE}
    narrowed: dict[str, str] = {}
    for number, node in reversed(list(enumerate(graph.node))):
        if node.op_type not in _PRODUCTS or node.input[1] not in double:
            continue
        output = node.output[0]
        node.output[0] = f"{output} float32"
        graph.node.insert(number + 1, helper.make_node("Cast", [node.output[0]], [output], to=TensorProto.DOUBLE))
        for at, name in enumerate(node.input):
            if name in double and name not in narrowed:
                narrowed[name] = f"{name} float32"
                values = numpy_helper.to_array(double[name]).astype(np.float32)
                graph.initializer.append(numpy_helper.from_array(values, narrowed[name]))
            if name in double:
                node.input[at] = narrowed[name]
            elif name:  # the last input of Gemm may be left out
                node.input[at] = f"{output} input {at}"
                graph.node.insert(number, helper.make_node("Cast", [name], [node.input[at]], to=TensorProto.FLOAT))


def _int8(model: onnx.ModelProto) -> onnx.ModelProto | None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    count = _count(model)
    with tempfile.TemporaryDirectory(prefix="despliegue-") as folder:
        path = Path(folder) / "int8.onnx"
        # Unsigned: without VNNI, signed products of x86 are cut off at 16 bits, and Lambda does not say what it has.
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=list(_QUANTIZED),
            per_channel=True,
            weight_type=QuantType.QUInt8,
            # Of what comes after a node of another domain, which onnx cannot infer.
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
        made = onnx.load(path)
    return made if _count(made) > count else None


def _count(model: onnx.ModelProto) -> int:
    return sum(node.op_type in _MADE for node in model.graph.node)


def _fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import convert_float_to_float16

    made = ONNXModel(convert_float_to_float16(model, keep_io_types=True))
    made.topological_sort()
    converted: onnx.ModelProto = made.model
    return converted


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice that the library logs and warns of, and the folder that it adds to the search path."""
    handler, root, path = logging.NullHandler(), logging.getLogger(), sys.path.copy()
    root.addHandler(handler)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        root.removeHandler(handler)
        sys.path[:] = path
