"""Values that a graph tells apart, by the features they belong to: its categories, and the thresholds of its trees."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import onnx
from onnx import helper, numpy_helper

_SAME: Final = frozenset(
    {"Cast", "CastLike", "Clip", "Flatten", "Identity", "Imputer", "Reshape", "Squeeze", "Unsqueeze"}
)
"""Operators that leave each column where it was, values aside."""
_KEYS: Final = ("keys_strings", "cats_strings", "keys_tensor", "keys_int64s", "cats_int64s", "keys_floats")
_SPLITS: Final = ("nodes_splits", "nodes_values")

type _Sources = tuple[str | None, ...]
"""For each column of a value in the graph, the feature that it is; None where it is none."""


class GraphValues(msgspec.Struct, frozen=True):
    """What a graph knows of its features; nothing of one that it computes with before it compares.

    Attributes:
        categories: strings or numbers, in order.
        thresholds: of trees, ascending.
    """

    categories: dict[str, tuple[Any, ...]] = {}
    thresholds: dict[str, tuple[float, ...]] = {}


def graph_values(path: Path, features: Sequence[str]) -> GraphValues:
    """The values in a graph whose inputs are columns, or one matrix of them.

    Args:
        path: of the ONNX file; its external data is not read.
        features: their names, in order.
    """
    graph = onnx.load(path, load_external_data=False).graph
    constants = {each.name: each for each in graph.initializer}
    required = [value.name for value in graph.input if value.name not in constants]
    whole = len(required) == 1 and len(features) > 1
    sources: dict[str, _Sources] = {name: tuple(features) if whole else (name,) for name in required}
    categories: dict[str, dict[Any, None]] = {}
    thresholds: dict[str, set[float]] = {}
    for node in graph.node:
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        if node.op_type == "Constant" and "value" in attributes:
            constants[node.output[0]] = attributes["value"]
            continue
        columns = _columns(node, attributes, sources, constants)
        if columns and node.op_type in ("LabelEncoder", "OneHotEncoder", "CategoryMapper") and len(set(columns)) == 1:
            known = categories.setdefault(str(columns[0]), {})
            known |= dict.fromkeys(_values(attributes, _KEYS))
            if node.op_type != "OneHotEncoder":
                sources[node.output[0]] = columns
        elif columns and node.op_type.startswith("TreeEnsemble"):
            places = np.asarray(attributes.get("nodes_featureids", ()), int)
            for place, value in zip(places, _values(attributes, _SPLITS), strict=False):
                if 0 <= place < len(columns) and np.isfinite(value):
                    thresholds.setdefault(str(columns[place]), set()).add(float(value))
        else:
            sources |= dict.fromkeys(node.output[:1], columns)
    return GraphValues(
        {name: tuple(known) for name, known in categories.items() if name in features},
        {name: tuple(sorted(found)) for name, found in thresholds.items() if name in features},
    )


def graph_texts(path: Path) -> frozenset[str]:
    """The texts that an ONNX file works with, for whoever gets it to read: its categories, tokens and labels."""
    graph = onnx.load(path, load_external_data=False).graph
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    tensors = [*graph.initializer, *(attribute.t for attribute in attributes)]
    found = [*(attribute.strings for attribute in attributes), *(tensor.string_data for tensor in tensors)]
    return frozenset(text.decode(errors="replace") for texts in found for text in texts)


def _columns(
    node: onnx.NodeProto,
    attributes: Mapping[str, Any],
    sources: Mapping[str, _Sources],
    constants: Mapping[str, onnx.TensorProto],
) -> _Sources:
    """The features in the columns of what a node gives, or of what an encoder or a tree takes; none where unclear."""
    given = [sources.get(name, ()) for name in node.input]
    if node.op_type == "Concat":
        return tuple(column for columns in given for column in columns) if all(given) else ()
    if node.op_type in ("Gather", "ArrayFeatureExtractor") and node.input[1] in constants:
        places = numpy_helper.to_array(constants[node.input[1]]).ravel().tolist() if given[0] else []
        return tuple(given[0][place] for place in places if -len(given[0]) <= place < len(given[0]))
    if node.op_type == "Where":
        return given[2] or given[1]
    if node.op_type in _SAME or node.op_type.startswith("TreeEnsemble") or "Encoder" in node.op_type:
        return given[0]
    return given[0] if node.op_type == "CategoryMapper" else ()


def _values(attributes: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """The values of the first attribute of these names."""
    for name in names:
        if name in attributes:
            found = attributes[name]
            values = numpy_helper.to_array(found).ravel().tolist() if isinstance(found, onnx.TensorProto) else found
            return [value.decode() if isinstance(value, bytes) else value for value in values]
    return []
