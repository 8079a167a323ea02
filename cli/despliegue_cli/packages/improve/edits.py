"""Changes to a graph that leave what it computes: what nobody uses, and what is there twice, goes."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import onnx

from despliegue_cli.convert.finishing import remove_texts, rename
from despliegue_cli.convert.onnx_parts import bodies

type Edit = Callable[[onnx.ModelProto], None]


def remove_unused(model: onnx.ModelProto) -> None:
    """Take out nodes and constants that no output comes from. A constant that a caller may give stays."""
    graph = model.graph
    del model.training_info[:]
    producers = {name: number for number, node in enumerate(graph.node) for name in node.output}
    needed: set[str] = set()
    waiting = [output.name for output in graph.output]
    while waiting:
        if (name := waiting.pop()) not in needed:
            needed.add(name)
            if name in producers:
                waiting += _reads(graph.node[producers[name]])
    kept = needed | {value.name for value in graph.input}
    _keep(graph.node, [bool(needed.intersection(node.output)) for node in graph.node])
    _keep(graph.initializer, [constant.name in kept for constant in graph.initializer])
    _keep(graph.sparse_initializer, [constant.values.name in kept for constant in graph.sparse_initializer])


def _reads(node: onnx.NodeProto) -> list[str]:
    """The values that a node takes, those that the graphs within it take from outside among them."""
    names = list(node.input)
    for each in bodies(node):
        names += [name for inner in each.node for name in inner.input]
        names += [output.name for output in each.output]
    return names


def _keep(items: Any, flags: list[bool]) -> None:
    for number in reversed(range(len(flags))):
        if not flags[number]:
            del items[number]


def merge_duplicates(model: onnx.ModelProto) -> None:
    """Keep one of the constants that are the same in type, shape and bytes."""
    graph = model.graph
    named = {value.name for value in (*graph.input, *graph.output)}
    firsts: dict[bytes, str] = {}
    names: dict[str, str] = {}
    for constant in graph.initializer:
        if constant.name not in named:
            first = firsts.setdefault(_content(constant), constant.name)
            if first != constant.name:
                names[constant.name] = first
    _keep(graph.initializer, [constant.name not in names for constant in graph.initializer])
    rename(graph, names)


def _content(constant: onnx.TensorProto) -> bytes:
    unnamed = onnx.TensorProto()
    unnamed.CopyFrom(constant)
    unnamed.ClearField("name")
    return sha256(unnamed.SerializeToString(deterministic=True)).digest()


def remove_identities(model: onnx.ModelProto) -> None:
    """Take out Identity nodes. One between an input, or a constant, and an output is needed and stays."""
    graph = model.graph
    outputs = {output.name for output in graph.output}
    computed = {name for node in graph.node for name in node.output}
    for node in [node for node in graph.node if node.op_type == "Identity" and not node.domain]:
        source, target = node.input[0], node.output[0]
        if target not in outputs:
            names = {target: source}
        elif source in computed and source not in outputs:
            names = {source: target}
        else:
            continue
        graph.node.remove(node)
        rename(graph, names)


EDITS: dict[str, Edit] = {
    "unused nodes and weights out": remove_unused,
    "equal weights merged": merge_duplicates,
    "Identity nodes out": remove_identities,
}


def tidy(model: onnx.ModelProto) -> None:
    """Apply all of them, take texts out, and put the constants in the order in which they are read."""
    for edit in EDITS.values():
        edit(model)
    remove_texts(model)
    graph = model.graph
    read = {name: number for number, name in enumerate(name for node in graph.node for name in _reads(node))}
    graph.initializer.sort(key=lambda constant: (read.get(constant.name, -1), constant.name))
