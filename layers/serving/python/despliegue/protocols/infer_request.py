"""An Open Inference request's bytes → named arrays.

Sources: inference_rest.md of kserve/open-inference-protocol; Triton's binary tensor data extension.
"""

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from despliegue.errors import InvalidRequest
from despliegue.models import Signature
from despliegue.models.model import Array
from despliegue.protocols import binary, tensors
from despliegue.protocols.document import listed, occurrences, parse_lazily, parse_object
from despliegue.protocols.infer_form import Form, check_complete, known_form, read_form, wrong_size
from despliegue.protocols.requested_outputs import RequestedOutput


class InferRequest(msgspec.Struct, frozen=True):
    """A decoded inference request.

    Attributes:
        inputs: an array for each given input, fitting the signature.
        outputs: the wanted outputs, in the wanted order.
        rows: the first dimension of the first input that has one: the batch size, by convention; 1 where there is none.
        id: the caller's, echoed; None where none was given.
    """

    inputs: dict[str, Array]
    outputs: tuple[RequestedOutput, ...]
    rows: int
    id: str | None = None


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
    return _decode_known(header, raw, signature) or _decode_carefully(header, raw, signature)


def _decode_known(header: bytes, raw: memoryview | None, signature: Signature) -> InferRequest | None:
    """A request like many, of which only the numbers are read; None where the careful way must decide."""
    known = known_form(header, signature)
    if known is None:
        return None
    form = known.form
    try:
        inputs, arrays = _decode_inputs(form, map(parse_lazily, known.numbers), raw)
    except (ValueError, RuntimeError):  # simdjson's
        return None
    # An array that is flat has no other in it: it ends at the first bracket.
    if known.nested and arrays != sum(occurrences(numbers, "[") for numbers in known.numbers):
        return None
    return InferRequest(inputs, form.outputs, form.rows, known.id)


def _decode_carefully(header: bytes, raw: memoryview | None, signature: Signature) -> InferRequest:
    form, data = read_form(parse_object(header), signature)
    inputs, arrays = _decode_inputs(form, iter(data), raw)
    check_complete(form, signature)
    if occurrences(header, "[") > form.arrays + arrays:
        # More arrays than a regular request has: in keys that are ignored, in strings, or where a value belongs.
        # Only reading value by value tells.
        in_json = [given for given in form.inputs if given.binary_size is None]
        for (spec, shape, _), values in zip(in_json, data, strict=True):
            tensors.decode_carefully(values, spec.datatype, shape, spec.name)
    return InferRequest(inputs, form.outputs, form.rows, form.id)


def _decode_inputs(form: Form, data: Iterator[Any], raw: memoryview | None) -> tuple[dict[str, Array], int]:
    """The inputs' arrays, and of how many JSON arrays their data consists, as `tensors.decode` counts them."""
    inputs: dict[str, Array] = {}
    arrays = 0
    for spec, shape, size in form.inputs:
        if size is None:
            # The values have no name here: the parser reads the next ones only when they are gone.
            inputs[spec.name], found = tensors.decode(next(data), spec.datatype, shape, spec.name)
            arrays += found or 0
            continue
        if raw is None:
            raise wrong_size(spec.name, size, ", but no Inference-Header-Content-Length says where binary data begins")
        if size > len(raw):
            raise wrong_size(spec.name, size, f"; {len(raw):,} bytes are left behind the JSON")
        inputs[spec.name] = binary.decode(raw[:size], spec.datatype, shape, spec.name)
        raw = raw[size:]
    if raw:
        raise InvalidRequest(f"{len(raw):,} bytes are left over behind the binary tensors")
    return inputs, arrays


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
    outputs = tuple(RequestedOutput(name, binary=True) for name in signature.outputs)
    return InferRequest({spec.name: array}, outputs, shape[0] if shape else 1)
