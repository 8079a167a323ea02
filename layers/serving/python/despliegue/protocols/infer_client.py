"""Values → an Open Inference request, as a client writes it: what a model is warmed up with, and shown by."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from despliegue.models import Model
from despliegue.models.model import Array
from despliegue.protocols import binary, tensors


def encode_request(model: Model, inputs: Mapping[str, Array]) -> tuple[bytes, int | None]:
    """A request for all outputs of `model`, in JSON if it can be, and how many bytes of it are JSON; None for all."""
    entries = []
    raw = []
    for name, array in inputs.items():
        datatype = model.signature.inputs[name].datatype.name
        entry: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(array.shape)}
        if model.in_json:
            entry["data"] = tensors.encode(array)
        else:
            raw.append(binary.encode(array))
            entry["parameters"] = {"binary_data_size": len(raw[-1])}
        entries.append(entry)
    if model.in_json:
        return tensors.dumps({"inputs": entries}), None
    header = orjson.dumps({"inputs": entries, "parameters": {"binary_data_output": True}})
    return b"".join([header, *raw]), len(header)


def example_values(model: Model) -> dict[str, Any]:
    """Nested values for each required input: the manifest's example, or a row of zeros where it has none that fits."""
    values = {}
    for name, zeros in model.zeros().items():
        value = model.manifest.example.get(name)
        values[name] = value if value is not None and _fits(model, name, value) else zeros.tolist()
    return values


def plain_request(model: Model, values: Mapping[str, Any]) -> dict[str, Any]:
    """A request for all outputs of a model that JSON can carry, with nested values as they are."""
    specs = model.signature.inputs
    return {
        "inputs": [
            {"name": name, "shape": list(np.shape(value)), "datatype": specs[name].datatype.name, "data": value}
            for name, value in values.items()
        ]
    }


def _fits(model: Model, name: str, value: Any) -> bool:
    try:
        return model.signature.inputs[name].fits(np.shape(value))
    except ValueError:  # its rows differ in length
        return False
