"""The last touches to a converted graph: users' names, a value a row where there is one, no texts, the same bytes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from despliegue_cli.convert.onnx_parts import graphs

_INLINE: int = 1 << 30
"""Bytes of weights from which a graph keeps them beside it: protobuf takes no more than 2 GiB."""
_TEXTS: Final = ("doc_string", "metadata_props", "value_info")
"""The fields that only people and tools read."""


def finish(
    model: onnx.ModelProto, inputs: Sequence[str], outputs: Mapping[str, str], flat: Mapping[str, int | None]
) -> None:
    """Name inputs and outputs, in place.

    Args:
        model: the graph; its inputs and outputs are not renamed to each other's names, nor to a name inside.
        inputs: a name for each input, in order.
        outputs: new names by old ones; an output that is not among them is dropped.
        flat: outputs, by their new names, that are to be [N]; and which column of theirs, or None for their only one.
    """
    graph = model.graph
    kept = [output for output in graph.output if output.name in outputs]
    del graph.output[:]
    graph.output.extend(kept)
    del graph.value_info[:]
    names = dict(zip([value.name for value in graph.input], inputs, strict=True)) | dict(outputs)
    fresh = _Fresh({*names.values(), *_inside(graph)})
    taken = set(names.values())
    rename(graph, {name: fresh.name(name) for name in sorted(_inside(graph) & taken - set(names))} | names)
    for output in graph.output:
        shape = output.type.tensor_type.shape
        if output.name in flat and len(shape.dim) != 1:
            _flatten(graph, output, flat[output.name], fresh)
        elif shape.dim:
            shape.dim[0].dim_param = "N"
    for value in graph.input:
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    opsets = {each.domain: each.version for each in model.opset_import}
    if any(_is_newer(node) for node in graph.node):
        opsets["ai.onnx.ml"] = 5
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*opset) for opset in sorted(opsets.items()))
    model.graph.name = "model"
    model.doc_string = graph.doc_string = ""


def rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Give values other names, in place, wherever they stand."""
    for each in graphs(graph):
        for value in (*each.input, *each.output, *each.initializer, *each.value_info):
            value.name = names.get(value.name, value.name)
        for node in each.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]


class _Fresh:
    """Names that nothing has yet."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken

    def name(self, near: str) -> str:
        while near in self._taken:
            near += "'"
        self._taken.add(near)
        return near


def _inside(graph: onnx.GraphProto) -> set[str]:
    """All names of values in a graph and those within it."""
    names = {name for each in graphs(graph) for node in each.node for name in (*node.input, *node.output)}
    return names | {constant.name for each in graphs(graph) for constant in each.initializer}


def _is_newer(node: onnx.NodeProto) -> bool:
    """Whether a node is of ai.onnx.ml 5, which no converter but ours knows."""
    names = {attribute.name for attribute in node.attribute}
    return node.op_type == "TreeEnsemble" or (node.op_type == "LabelEncoder" and "keys_tensor" in names)


def _flatten(graph: onnx.GraphProto, output: onnx.ValueInfoProto, column: int | None, fresh: _Fresh) -> None:
    """Make an output [N] that is [N, 1] or [1, N]; or of [N, K] one column."""
    before, index = fresh.name(output.name), fresh.name(f"{output.name} index")
    for node in graph.node:
        node.output[:] = [before if name == output.name else name for name in node.output]
        node.input[:] = [before if name == output.name else name for name in node.input]
    graph.initializer.append(
        numpy_helper.from_array(
            np.array(-1 if column is None else column).reshape([1] if column is None else []), index
        )
    )
    if column is None:
        graph.node.append(helper.make_node("Reshape", [before, index], [output.name]))
    else:
        graph.node.append(helper.make_node("Gather", [before, index], [output.name], axis=1))
    element = output.type.tensor_type.elem_type
    output.CopyFrom(helper.make_tensor_value_info(output.name, element, ["N"]))


def remove_texts(message: Any) -> None:
    """Take descriptions, metadata and the shapes of what is inside out of a model or a part of it, in place.

    They may hold people's names and paths.
    """
    for field, value in message.ListFields():
        if field.name in _TEXTS:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for each in (value,) if hasattr(value, "ListFields") else value:
                remove_texts(each)


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a model without its texts, which are taken out of it; large weights beside it."""
    remove_texts(model)
    if model.ByteSize() < _INLINE:
        onnx.save(model, path)
    else:
        onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=1024)
