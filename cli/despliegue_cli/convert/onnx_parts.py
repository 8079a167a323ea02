"""All parts of a model, however deep they lie: graphs within graphs, nodes, and those of its functions."""

from collections.abc import Iterator

import onnx


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and all those within it: branches and bodies of loops."""
    yield graph
    for node in graph.node:
        yield from bodies(node)


def bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs that a node holds, and all those within them."""
    for attribute in node.attribute:
        for each in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            yield from graphs(each)


def all_graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """The graph of a model, all those within it, and those within its functions."""
    yield from graphs(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from bodies(node)


def nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """All nodes of a model: of all its graphs and its functions."""
    for graph in all_graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node
