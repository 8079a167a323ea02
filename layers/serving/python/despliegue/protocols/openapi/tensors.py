"""Tensors and their values. Source of the rules: `protocols.tensors`, which reads and writes them."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from despliegue.models import Datatype, TensorSpec
from despliegue.protocols.infer_form import MAX_RANK
from despliegue.protocols.openapi import JsonSchema

_NESTED: Final = "Nested like the shape, or flat in row-major order"
_FORMATS: Final = {"FP32": "float", "FP64": "double", "INT32": "int32", "INT64": "int64"}


def value(datatype: Datatype, *, sent: bool, null: bool = True) -> JsonSchema:
    """One value.

    Args:
        datatype: its type.
        sent: it comes from the caller, so that its range is checked; what goes out may be infinite.
        null: a float may be null, which stands for NaN.
    """
    if datatype.kind in "bO":
        return {"type": "boolean" if datatype.kind == "b" else "string"}
    schema: JsonSchema = {"type": ["number", "null"] if null else "number"}
    if datatype.kind in "iu":
        schema = {"type": "integer"}
    if datatype.name in _FORMATS:
        schema["format"] = _FORMATS[datatype.name]
    return schema | (_range(datatype) if sent else {})


def array(sizes: Sequence[int], item: JsonSchema) -> JsonSchema:
    """Arrays nested as deep as there are sizes; a negative one is open."""
    for size in reversed(sizes):
        item = {"type": "array", "items": item} | ({} if size < 0 else {"minItems": size, "maxItems": size})
    return item


def shape(spec: TensorSpec) -> JsonSchema:
    """A tensor's shape: what the graph fixes is fixed."""
    size = {"type": "integer", "minimum": 0}
    schema: JsonSchema = {"type": "array", "items": size}
    if not spec.shape:
        return schema | {"maxItems": MAX_RANK}
    if max(spec.shape) >= 0:
        # As a range: openapi-python-client takes the constant of one place for that of all.
        schema["prefixItems"] = [
            size if fixed < 0 else {"type": "integer", "minimum": fixed, "maximum": fixed} for fixed in spec.shape
        ]
    return schema | {"minItems": len(spec.shape), "maxItems": len(spec.shape)}


def data(spec: TensorSpec) -> JsonSchema:
    """A tensor's values as they may be sent: nested like its shape, or flat in row-major order."""
    item = value(spec.datatype, sent=True)
    if not spec.shape:
        return {"anyOf": [item, array([-1], {}) | {"description": _NESTED}]}
    nested = array(spec.shape, item)
    if len(spec.shape) == 1:
        return nested
    flat = array([-1 if min(spec.shape) < 0 else math.prod(spec.shape)], item)
    return {"anyOf": [nested, flat], "description": _NESTED}


def _range(datatype: Datatype) -> JsonSchema:
    """What fits. A float beyond the largest is taken as that while it rounds down to it, which it does below these."""
    if datatype.kind in "iu":
        limits = np.iinfo(datatype.dtype)  # type: ignore[type-var]
        return {"minimum": int(limits.min), "maximum": int(limits.max)}
    if datatype.dtype.itemsize > 4:
        return {}
    largest = np.finfo(datatype.dtype).max  # type: ignore[type-var]
    beyond = float(largest) + float(largest - np.nextafter(largest, 0, dtype=datatype.dtype)) / 2
    return {"exclusiveMinimum": -beyond, "exclusiveMaximum": beyond}
