"""Open Inference Protocol V2 in JSON. Source: kserve/open-inference-protocol, inference_rest.md."""

import math
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import numpy as np
import orjson

from despliegue.errors import InvalidRequest, shorten
from despliegue.models import DATATYPES, Model, Signature, TensorSpec
from despliegue.models.model import Array
from despliegue.protocols import tensors
from despliegue.protocols.document import parse_object, pick, plain, type_name

PLATFORM: Final = "onnxruntime_onnx"
"""Triton's name for an ONNX model run by ONNX Runtime."""
MAX_EMPTY_SIZE: Final = 65_536
"""Most that the other dimensions of an empty tensor may multiply to: no data bounds them, and a model may make much of
them."""


class InferRequest(msgspec.Struct, frozen=True):
    """A decoded inference request.

    Attributes:
        inputs: an array for each given input, fitting the signature.
        outputs: names of the wanted outputs, in the wanted order.
        id: the caller's, echoed; None where none was given.
    """

    inputs: dict[str, Array]
    outputs: tuple[str, ...]
    id: str | None

    @property
    def rows(self) -> int:
        """The first dimension of the first input: the batch size, by convention; 1 where there is none."""
        return next((array.shape[0] for array in self.inputs.values() if array.ndim), 1)


def decode_request(body: bytes, signature: Signature) -> InferRequest:
    """The inference request that `body` is, checked against the model's signature. Unknown keys are ignored.

    Raises:
        InvalidRequest: it is not valid JSON, or does not fit the protocol or the signature.
    """
    document = pick(parse_object(body), ("id", "inputs", "outputs"))
    given = _objects(document, "inputs")
    inputs: dict[str, Array] = {}
    arrays = sum(type_name(document.get(key)) == "an array" for key in ("inputs", "outputs"))
    for item in given:
        name = _text(item, "name", "inputs")
        spec = signature.inputs.get(name)
        if spec is None:
            raise InvalidRequest(f"unknown input {shorten(name)}; expected {_listed(signature.inputs)}")
        if name in inputs:
            raise InvalidRequest(f"input '{name}' is given twice", subject=name)
        array, found = _decode_input(item, spec)
        inputs[name] = array
        arrays += 1 + (found or 0)
    if missing := [name for name in signature.required if name not in inputs]:
        raise InvalidRequest(f"missing input {_listed(missing)}; came {_listed(inputs) or 'none'}", subject=missing[0])
    if _brackets(body) > arrays:
        # More arrays than a regular request has: in keys that are ignored, in strings, or where a value belongs.
        # Only reading value by value tells.
        for item in given:
            _decode_input(item, signature.inputs[item["name"]], careful=True)
    return InferRequest(inputs, _decode_outputs(document, signature), _decode_id(document))


def encode_response(model: Model, request: InferRequest, arrays: list[Array]) -> bytes:
    """The reply: an array for each of `request.outputs`."""
    reply: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
    if request.id is not None:
        reply["id"] = request.id
    reply["outputs"] = [
        {
            "name": name,
            "datatype": model.signature.outputs[name].datatype.name,
            "shape": list(array.shape),
            "data": tensors.encode(array),
        }
        for name, array in zip(request.outputs, arrays, strict=True)
    ]
    return orjson.dumps(reply, option=orjson.OPT_SERIALIZE_NUMPY)


def encode_metadata(model: Model, versions: list[str]) -> bytes:
    """The model's metadata: its versions and signature, and what its manifest adds, under `parameters`."""
    metadata: dict[str, Any] = {
        "name": model.name,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": [_tensor_metadata(spec) for spec in model.signature.inputs.values()],
        "outputs": [_tensor_metadata(spec) for spec in model.signature.outputs.values()],
        "parameters": {
            "version": model.version,
            "description": model.manifest.description,
            "features": [feature.name for feature in model.manifest.features],
            "labels": list(model.manifest.labels),
        },
    }
    return orjson.dumps(metadata)


def _tensor_metadata(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype.name, "shape": list(spec.shape)}


def _decode_input(item: dict[str, Any], spec: TensorSpec, *, careful: bool = False) -> tuple[Array, int | None]:
    datatype = _text(item, "datatype", f"input '{spec.name}'")
    if datatype != spec.datatype.name:
        known = "" if datatype in DATATYPES else ", which is no datatype"
        raise InvalidRequest(
            f"input '{spec.name}': datatype is {shorten(datatype)}{known}; expected {spec.datatype.name}",
            subject=spec.name,
        )
    shape = _decode_shape(item, spec)
    if "data" not in item:
        raise InvalidRequest(f"input '{spec.name}': it has no data", subject=spec.name)
    if careful:
        return tensors.decode_carefully(item["data"], spec.datatype, shape, spec.name), None
    return tensors.decode(item["data"], spec.datatype, shape, spec.name)


def _decode_shape(item: dict[str, Any], spec: TensorSpec) -> tuple[int, ...]:
    value = plain(item.get("shape"))
    # bool is an int to Python, so types are compared and not asked.
    if not isinstance(value, list) or not all(type(size) is int and size >= 0 for size in value):
        raise InvalidRequest(
            f"input '{spec.name}': shape is {shorten(value)}; expected an array of integers ≥ 0", subject=spec.name
        )
    shape = tuple(value)
    if not spec.fits(shape):
        raise InvalidRequest(
            f"input '{spec.name}': shape {shorten(value)} does not fit the model's {list(spec.shape)}"
            " (-1 stands for any size)",
            subject=spec.name,
        )
    if 0 in shape and math.prod(size or 1 for size in shape) > MAX_EMPTY_SIZE:
        raise InvalidRequest(
            f"input '{spec.name}': shape {shorten(value)} is empty but large; its other dimensions may multiply to"
            f" {MAX_EMPTY_SIZE:,}",
            subject=spec.name,
        )
    return shape


def _decode_outputs(document: dict[str, Any], signature: Signature) -> tuple[str, ...]:
    """Names of the wanted outputs; all of them where none are named."""
    names: list[str] = []
    for item in _objects(document, "outputs"):
        name = _text(item, "name", "outputs")
        if name not in signature.outputs:
            raise InvalidRequest(f"unknown output {shorten(name)}; expected {_listed(signature.outputs)}")
        if name in names:
            raise InvalidRequest(f"output '{name}' is asked for twice", subject=name)
        names.append(name)
    return tuple(names or signature.outputs)


def _decode_id(document: dict[str, Any]) -> str | None:
    value = document.get("id")
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"id is {type_name(value)}; expected a string", subject="id")
    return value


def _objects(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects in the array under `key`; none where it is absent or null."""
    value = document.get(key)
    if value is None:
        return []
    if type_name(value) != "an array":
        raise InvalidRequest(f"{key} is {type_name(value)}; expected an array of objects", subject=key)
    items = list(value)
    for position, item in enumerate(items):
        if type_name(item) != "an object":
            raise InvalidRequest(f"{key}[{position}] is {type_name(item)}; expected an object", subject=key)
        items[position] = pick(item, ("name", "datatype", "shape", "data"))
    return items


def _text(item: dict[str, Any], key: str, where: str) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        problem = "is missing" if key not in item else f"is {type_name(plain(value))}"
        raise InvalidRequest(f"{where}: {key} {problem}; expected a string", subject=key)
    return value


def _brackets(body: bytes) -> int:
    if len(body) < 4096:
        return body.count(b"[")
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord("[")))  # ten times as fast on long bodies


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
