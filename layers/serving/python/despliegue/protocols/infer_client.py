"""Named arrays → an Open Inference request's bytes, as a client writes it: what a model is warmed up with."""

from collections.abc import Mapping
from typing import Any

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
