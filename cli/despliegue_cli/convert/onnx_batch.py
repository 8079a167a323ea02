"""A graph exported for one batch size only, opened to any: its shapes, and the constants that repeat the size."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

HOW_TO_OPEN: Final = (
    "export it with a dynamic batch: dynamic_shapes={'x': {0: torch.export.Dim('N')}} (PyTorch),"
    " tf.TensorSpec([None, …]) (TensorFlow), [('x', FloatTensorType([None, K]))] (skl2onnx)"
)


def fixed_batch(graph: onnx.GraphProto) -> int:
    """How many rows a graph takes, where it takes so many only; 0 where that is open, or nothing in it is a row.

    A batch is the first dimension of all inputs and outputs alike; one of the inputs has another dimension, since one
    alone may as well be the features.
    """
    initialised = {tensor.name for tensor in graph.initializer}
    inputs = [_shape(value) for value in graph.input if value.name not in initialised]
    outputs = [_shape(value) for value in graph.output]
    if any(shape is None for shape in inputs) or all(len(shape or ()) < 2 for shape in inputs):
        return 0
    first = {shape[0] if shape else 0 for shape in (*inputs, *(each for each in outputs if each is not None))}
    return first.pop() if len(first) == 1 else 0


def open_batch(graph: onnx.GraphProto, batch: int) -> str:
    """Let a graph take any number of rows, in place, as far as that can be told from it; the result is to be compared.

    Args:
        graph: it.
        batch: the only number that it takes.

    Returns:
        What was done, in words.
    """
    for value in (*graph.input, *graph.output):
        shape = value.type.tensor_type.shape
        if shape.dim and shape.dim[0].dim_value == batch:
            shape.dim[0].dim_param = "N"
    del graph.value_info[:]
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in _small_constants(graph)}
    computed = _computed(graph)
    rows: list[onnx.NodeProto] = []
    for place, node in reversed(list(enumerate(graph.node))):
        shape = constants.get(node.input[1]) if len(node.input) > 1 else None
        if shape is None or shape.ndim != 1 or not shape.size:
            continue
        if node.op_type == "Reshape" and node.input[0] in computed:
            if (opened := _open_shape(shape, batch)) is not None:
                node.input[1] = _constant(graph, f"{node.output[0]} shape", opened)
        elif node.op_type == "Expand" and shape[0] == batch:
            rest = _constant(graph, f"{node.output[0]} rest", shape[1:])
            node.input[1] = f"{node.output[0]} shape"
            graph.node.insert(place, helper.make_node("Concat", ["batch size", rest], [node.input[1]], axis=0))
            rows = rows or _count_rows(graph)
    for node in reversed(rows):
        graph.node.insert(0, node)
    return f"any number of rows instead of {batch}"


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    """The dimensions, 0 where one is open; None where the graph is silent, or it is no tensor."""
    if not value.type.tensor_type.HasField("shape"):
        return None
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _small_constants(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """The constants that may be shapes: short, of int64, by the names of their values."""
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT64 and len(tensor.dims) == 1 and tensor.dims[0] < 16:
            yield tensor
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value" and attribute.t.data_type == onnx.TensorProto.INT64:
                    yield numpy_helper.from_array(numpy_helper.to_array(attribute.t), node.output[0])
                elif attribute.name == "value_ints":
                    yield numpy_helper.from_array(np.array(attribute.ints, np.int64), node.output[0])


def _computed(graph: onnx.GraphProto) -> set[str]:
    """The values that depend on an input; others are constants, whatever their first dimension."""
    initialised = {tensor.name for tensor in graph.initializer}
    found = {value.name for value in graph.input} - initialised
    for node in graph.node:
        if found & set(node.input):
            found |= set(node.output)
    return found


def _open_shape(
    shape: np.ndarray[tuple[int], np.dtype[np.int64]], batch: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    """A Reshape's shape for any number of rows; None where it is one already, or none is known."""
    opened = shape.copy()
    if -1 not in shape:
        # What is left over is always right for `batch` rows; for others, where this is the rows' dimension.
        merged = batch > 1 and shape[0] % batch == 0  # rows and another dimension in one
        opened[0 if merged else int(np.argmax(shape == batch))] = -1
        return opened
    if shape[0] == batch:
        opened[0] = 0  # as many as came
        return opened
    return None


def _constant(graph: onnx.GraphProto, name: str, values: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    graph.initializer.append(numpy_helper.from_array(values, name))
    return name


def _count_rows(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Nodes that give the number of rows, [1], as 'batch size'."""
    initialised = {tensor.name for tensor in graph.initializer}
    first = next(
        value.name for value in graph.input if value.name not in initialised and value.type.tensor_type.shape.dim
    )
    index = _constant(graph, "batch index", np.array([0]))
    return [
        helper.make_node("Shape", [first], ["batch shape"]),
        helper.make_node("Gather", ["batch shape", index], ["batch size"], axis=0),
    ]
