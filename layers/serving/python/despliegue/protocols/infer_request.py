"""An Open Inference request's bytes → named arrays.

Sources: inference_rest.md of kserve/open-inference-protocol; Triton's binary tensor data extension.
"""

import math
from typing import Any, Final

import msgspec

from despliegue.errors import InvalidRequest, shorten
from despliegue.models import DATATYPES, Signature, TensorSpec
from despliegue.models.model import Array
from despliegue.protocols import binary, tensors
from despliegue.protocols.document import (
    ARRAYS,
    listed,
    objects,
    occurrences,
    parse_object,
    pick,
    plain,
    text,
    type_name,
)
from despliegue.protocols.requested_outputs import RequestedOutput, decode_outputs, parameters_of

MAX_RANK: Final = 64
"""Most dimensions that a numpy array has."""
_INT: Final = frozenset({int})
MAX_EMPTY_SIZE: Final = 65_536
"""Most that the other dimensions of an empty tensor may multiply to: no data bounds them, and a model may make much of
them."""


class InferRequest(msgspec.Struct, frozen=True):
    """A decoded inference request.

    Attributes:
        inputs: an array for each given input, fitting the signature.
        outputs: the wanted outputs, in the wanted order.
        id: the caller's, echoed; None where none was given.
    """

    inputs: dict[str, Array]
    outputs: tuple[RequestedOutput, ...]
    id: str | None = None

    @property
    def rows(self) -> int:
        """The first dimension of the first input: the batch size, by convention; 1 where there is none."""
        for array in self.inputs.values():
            if array.ndim:
                return array.shape[0]
        return 1


def decode_request(body: bytes, signature: Signature, header_length: int | None = None) -> InferRequest:
    """The inference request that `body` is, checked against the model's signature. Unknown keys are ignored.

    Args:
        body: JSON, and the binary tensors behind it.
        signature: the model's.
        header_length: bytes of JSON at the start; None for all of them, 0 for a raw tensor without any JSON.

    Raises:
        InvalidRequest: it is not valid JSON, or does not fit the protocol or the signature.
    """
    if header_length == 0:
        return _decode_raw(body, signature)
    header, raw = body, None
    if header_length is not None:
        if header_length > len(body):
            raise InvalidRequest(f"the JSON is {header_length:,} bytes by its header; the body has {len(body):,}")
        header, raw = body[:header_length], memoryview(body)[header_length:]
    document = pick(parse_object(header), ("id", "inputs", "outputs", "parameters"))
    inputs = _decode_inputs(document, header, raw, signature)
    return InferRequest(inputs, decode_outputs(document, signature), _decode_id(document))


def _decode_inputs(
    document: dict[str, Any], header: bytes, raw: memoryview | None, signature: Signature
) -> dict[str, Array]:
    inputs: dict[str, Array] = {}
    given = objects(document, "inputs", ("name", "datatype", "shape", "data", "parameters"))
    arrays = isinstance(document.get("inputs"), ARRAYS) + isinstance(document.get("outputs"), ARRAYS)
    for item in given:
        spec = _spec(item, signature)
        if spec.name in inputs:
            raise InvalidRequest(f"input '{spec.name}' is given twice", subject=spec.name)
        size = _binary_size(item, spec, raw)
        if size is None or raw is None:
            inputs[spec.name], found = _decode_json(item, spec)
        else:
            inputs[spec.name], found = binary.decode(raw[:size], spec.datatype, _shape(item, spec), spec.name), 0
            raw = raw[size:]
        arrays += 1 + (found or 0)
    if raw:
        raise InvalidRequest(f"{len(raw):,} bytes are left over behind the binary tensors")
    if missing := [name for name in signature.required if name not in inputs]:
        came = listed(inputs) or 'none; expected {"inputs": [{"name", "shape", "datatype", "data"}, …]}'
        raise InvalidRequest(f"missing input {listed(missing)}; came {came}", subject=missing[0])
    if occurrences(header, "[") > arrays:
        # More arrays than a regular request has: in keys that are ignored, in strings, or where a value belongs.
        # Only reading value by value tells.
        for item in given:
            if "data" in item:
                _decode_json(item, signature.inputs[item["name"]], careful=True)
    return inputs


def _decode_raw(body: bytes, signature: Signature) -> InferRequest:
    """A body that is the one input's bytes and nothing else; what its shape leaves open once follows from the size."""
    if len(signature.inputs) != 1:
        came = listed(signature.inputs) or "none"
        raise InvalidRequest(f"a raw body is for models with one input; this one has {came}")
    (spec,) = signature.inputs.values()
    itemsize = spec.datatype.dtype.itemsize
    fixed = math.prod(size for size in spec.shape if size >= 0) * itemsize
    data = memoryview(body)
    if spec.datatype.kind == "O":  # the body is the one element, without a length
        shape: tuple[int, ...] = tuple(max(size, 1) if size < 0 else size for size in spec.shape)
        data = memoryview(len(body).to_bytes(4, "little") + body)
    elif spec.shape.count(-1) > 1:
        raise InvalidRequest(
            f"input '{spec.name}': a raw body does not tell the sizes that {list(spec.shape)} leaves open",
            subject=spec.name,
        )
    else:
        shape = tuple(len(body) // fixed if size < 0 and fixed else max(size, 0) for size in spec.shape)
    array = binary.decode(data, spec.datatype, shape, spec.name)
    return InferRequest({spec.name: array}, tuple(RequestedOutput(name, binary=True) for name in signature.outputs))


def _spec(item: dict[str, Any], signature: Signature) -> TensorSpec:
    """The spec of the input that `item` is for, its name and datatype checked."""
    name = text(item, "name", "inputs")
    spec = signature.inputs.get(name)
    if spec is None:
        raise InvalidRequest(f"unknown input {shorten(name)}; expected {listed(signature.inputs) or 'none'}")
    datatype = text(item, "datatype", f"input '{name}'")
    if datatype != spec.datatype.name:
        known = "" if datatype in DATATYPES else ", which is no datatype"
        raise InvalidRequest(
            f"input '{name}': datatype is {shorten(datatype)}{known}; expected {spec.datatype.name}", subject=name
        )
    return spec


def _decode_json(item: dict[str, Any], spec: TensorSpec, *, careful: bool = False) -> tuple[Array, int | None]:
    shape = _shape(item, spec)
    if "data" not in item:
        raise InvalidRequest(f"input '{spec.name}': it has no data", subject=spec.name)
    if careful:
        return tensors.decode_carefully(item["data"], spec.datatype, shape, spec.name), None
    return tensors.decode(item["data"], spec.datatype, shape, spec.name)


def _binary_size(item: dict[str, Any], spec: TensorSpec, raw: memoryview | None) -> int | None:
    """How many bytes behind the JSON are this input's; None where its data is in the JSON."""
    if "parameters" not in item:
        return None
    size = parameters_of(item).get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        problem = "; expected an integer ≥ 0"
    elif raw is None:
        problem = ", but no Inference-Header-Content-Length says where binary data begins"
    elif "data" in item:
        problem = ", but there is data in the JSON too"
    elif size > len(raw):
        problem = f"; {len(raw):,} bytes are left behind the JSON"
    else:
        return size
    message = f"input '{spec.name}': binary_data_size is {shorten(size)}{problem}"
    raise InvalidRequest(message, subject=spec.name)


def _shape(item: dict[str, Any], spec: TensorSpec) -> tuple[int, ...]:
    value = plain(item.get("shape"))
    # bool is an int to Python, so types are compared and not asked.
    if not isinstance(value, list) or not set(map(type, value)) <= _INT or min(value, default=0) < 0:
        raise InvalidRequest(
            f"input '{spec.name}': shape is {shorten(value)}; expected an array of integers ≥ 0", subject=spec.name
        )
    shape = tuple(value)
    if not spec.fits(shape) or len(shape) > MAX_RANK:
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


def _decode_id(document: dict[str, Any]) -> str | None:
    value = document.get("id")
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"id is {type_name(value)}; expected a string", subject="id")
    return value
