"""What the Open Inference Protocol says of a model: metadata, and Triton's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from despliegue.models import Model, TensorSpec
    from despliegue.models.deprecation import Deprecation

PLATFORM: Final = "onnxruntime_onnx"
"""Triton's name for an ONNX model run by ONNX Runtime."""


def encode_metadata(model: Model, versions: list[str], deprecation: Deprecation | None = None) -> bytes:
    """The model's metadata: its versions and signature, and what its manifest adds, under `parameters`."""
    metadata: dict[str, Any] = {
        "name": model.name,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": inputs_metadata(model),
        "outputs": [tensor_metadata(spec) for spec in model.signature.outputs.values()],
        "parameters": {
            "version": model.version,
            "description": model.manifest.description,
            "features": [feature.name for feature in model.manifest.features],
            "labels": list(model.manifest.labels),
        },
    }
    if deprecation is not None:
        said = {"since": deprecation.since, "sunset": deprecation.sunset, "successor": deprecation.successor}
        metadata["parameters"]["deprecated"] = {key: value for key, value in said.items() if value is not None}
    return orjson.dumps(metadata)


def encode_configuration(model: Model) -> bytes:
    """The model's configuration as far as there is one. Source: Triton's model configuration extension."""
    return orjson.dumps(
        {
            "name": model.name,
            "platform": PLATFORM,
            "backend": "onnxruntime",
            "max_batch_size": 0,  # shapes are given in full, the batch included
            "input": [_configured(spec) for spec in model.signature.inputs.values()],
            "output": [_configured(spec) for spec in model.signature.outputs.values()],
        }
    )


def inputs_metadata(model: Model) -> list[dict[str, Any]]:
    """The inputs as the protocol describes them; of an image's, what it may be."""
    found = [tensor_metadata(spec) for spec in model.signature.inputs.values()]
    if model.media_types:
        found[0]["parameters"] = {"media_types": list(model.media_types)}
    return found


def tensor_metadata(spec: TensorSpec) -> dict[str, Any]:
    """An input or output as the protocol describes it."""
    return {"name": spec.name, "datatype": spec.datatype.name, "shape": list(spec.shape)}


def _configured(spec: TensorSpec) -> dict[str, Any]:
    kind = "STRING" if spec.datatype.name == "BYTES" else spec.datatype.name
    return {"name": spec.name, "data_type": f"TYPE_{kind}", "dims": list(spec.shape)}
