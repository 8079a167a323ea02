"""ZipMap taken out: its sequence of maps, slow to make and in the order of its keys, becomes the matrix that it had."""

import onnx
from onnx import TensorProto, helper

from despliegue_cli.convert.finishing import rename


def read_labels(graph: onnx.GraphProto) -> tuple[str, ...]:
    """The classes that a ZipMap names, else a classifier; none where nodes differ."""
    for wanted in ("ZipMap", None):
        found = {
            labels for node in graph.node if wanted in (None, node.op_type) and (labels := _classes(node)) is not None
        }
        if found:
            return found.pop() if len(found) == 1 else ()
    return ()


def drop_zipmaps(graph: onnx.GraphProto, labels: tuple[str, ...]) -> str:
    """Make each output that is a sequence of maps the matrix [N, K] that they are made of, in place.

    Args:
        graph: it.
        labels: the K columns' names; where a ZipMap has others, it stays.

    Returns:
        What was done, in words; empty where nothing was.
    """
    outputs = {output.name: output for output in graph.output}
    inner = {name for node in graph.node for name in node.output} - set(outputs)
    dropped = 0
    for node in [node for node in graph.node if node.op_type == "ZipMap"]:
        source, target = node.input[0], node.output[0]
        # Only what is computed, and is no output itself, can take the output's name.
        if target in outputs and source in inner and _classes(node) == labels:
            graph.node.remove(node)
            rename(graph, {source: target})
            shape: list[str | int | None] = ["N", len(labels)]
            outputs[target].CopyFrom(helper.make_tensor_value_info(target, TensorProto.FLOAT, shape))
            inner.remove(source)
            dropped += 1
    return "a matrix instead of ZipMap" if dropped else ""


def _classes(node: onnx.NodeProto) -> tuple[str, ...] | None:
    for attribute in node.attribute:
        if attribute.name.startswith("classlabels_") and (attribute.strings or attribute.ints):
            return tuple(each.decode() for each in attribute.strings) or tuple(map(str, attribute.ints))
    return None
