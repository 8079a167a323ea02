"""Weights that ONNX keeps in files beside the graph: inside its folder, there, and as long as they should be."""

from collections.abc import Iterator
from math import prod
from pathlib import Path, PurePosixPath

import numpy as np
import onnx
from onnx import helper

from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.onnx_parts import all_graphs, nodes


def check_external_data(model: onnx.ModelProto, folder: Path) -> bool:
    """Make sure that all weights beside a graph can be read.

    Args:
        model: the graph, without them.
        folder: where it lies.

    Returns:
        Whether there are any.

    Raises:
        ConversionError: a file is not there, is cut short, or lies outside of the folder.
    """
    found = False
    for tensor in tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            found = True
            _check(tensor, {entry.key: entry.value for entry in tensor.external_data}, folder)
    return found


def tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """All constants of a model: of its graph, those within it, and its functions."""
    for graph in all_graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in nodes(model):
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _check(tensor: onnx.TensorProto, entries: dict[str, str], folder: Path) -> None:
    location = entries.get("location", "")
    named = PurePosixPath(location)
    path = folder / location
    # What a link leads to counts: the folder is copied, and a link out of it would not be.
    if named.is_absolute() or ".." in named.parts or not path.resolve().is_relative_to(folder.resolve()):
        raise ConversionError(f"its external data '{location}' lies outside of its folder; save it beside the graph")
    if not path.is_file():
        raise ConversionError(f"its external data '{location}' is not beside it; put it there")
    needed = int(entries.get("offset") or 0) + int(entries.get("length") or _size(tensor))
    if needed > (size := path.stat().st_size):
        raise ConversionError(
            f"its external data '{location}' is cut short: it has {size:,} bytes, and '{tensor.name}' needs"
            f" {needed:,}; copy it again"
        )


def _size(tensor: onnx.TensorProto) -> int:
    """What a tensor takes in bytes, which a graph may leave to its shape; 0 where its type says nothing."""
    try:
        return int(prod(tensor.dims)) * np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
    except KeyError:
        return 0
