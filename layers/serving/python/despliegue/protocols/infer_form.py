"""What an Open Inference request says beside its numbers, which is the same in nearly all that a client sends.

Read once, and known again by its bytes: of all further requests only the numbers are read. Sources: as for
`infer_request`.
"""

import math
import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from despliegue.errors import InvalidRequest, shorten
from despliegue.models import DATATYPES, Signature, TensorSpec
from despliegue.protocols.document import (
    ARRAYS,
    JsonObject,
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
MAX_EMPTY_SIZE: Final = 65_536
"""Most that the other dimensions of an empty tensor may multiply to: no data bounds them, and a model may make much of
them."""

KNOWN: Final = 512
"""Forms that are remembered, the last ones: clients that send batches of many sizes have as many."""

_INT: Final = frozenset({int})
_MAX_KNOWN: Final = 4096
"""Most bytes of JSON, without its numbers, that are remembered."""
_ID: Final = re.compile(rb'"id"\s*:\s*(?:"([ !#-\[\]-~]*)")?')
"""A key that is called id, and its value if that is plain: another one in each request, of many clients."""
_DATA: Final = re.compile(rb'"data"\s*:\s*(\[(\s*\[)?)?')
"""Where an input's data begins, and its first brackets. In a key's own text a quote would have a backslash."""


class Input(NamedTuple):
    """One input as a request announces it.

    Attributes:
        spec: the model's.
        shape: fits it; all dimensions ≥ 0.
        binary_size: how many bytes behind the JSON are its; None where its data is in the JSON.
    """

    spec: TensorSpec
    shape: tuple[int, ...]
    binary_size: int | None


class Form(NamedTuple):
    """What a request says beside its numbers, checked against the model's signature.

    Attributes:
        inputs: in the request's order.
        outputs: the wanted outputs, in the wanted order.
        id: the caller's; None where none was given.
        rows: the first dimension of the first input that has one: the batch size, by convention; 1 where there is none.
        arrays: how many JSON arrays it has at least, those of the data not counted.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[RequestedOutput, ...]
    id: str | None
    rows: int
    arrays: int


def read_form(document: JsonObject, signature: Signature) -> tuple[Form, list[Any]]:
    """The form of a whole request, and the data of each input that has it in the JSON, still lazy.

    Raises:
        InvalidRequest: it does not fit the protocol or the signature.
    """
    document = pick(document, ("id", "inputs", "outputs", "parameters"))
    inputs: dict[str, Input] = {}
    data = []
    for item in objects(document, "inputs", ("name", "datatype", "shape", "data", "parameters")):
        spec = _spec(item, signature)
        if spec.name in inputs:
            raise InvalidRequest(f"input '{spec.name}' is given twice", subject=spec.name)
        inputs[spec.name] = given = Input(spec, _shape(item, spec), _binary_size(item, spec))
        if given.binary_size is None:
            if "data" not in item:
                raise InvalidRequest(f"input '{spec.name}': it has no data", subject=spec.name)
            data.append(item["data"])
    arrays = len(inputs) + sum(isinstance(document.get(key), ARRAYS) for key in ("inputs", "outputs"))
    rows = next((given.shape[0] for given in inputs.values() if given.shape), 1)
    form = Form(tuple(inputs.values()), decode_outputs(document, signature), _decode_id(document), rows, arrays)
    return form, data


def check_complete(form: Form, signature: Signature) -> None:
    """Refuse a request that lacks an input.

    Raises:
        InvalidRequest: it does.
    """
    names = [given.spec.name for given in form.inputs]
    if missing := [name for name in signature.required if name not in names]:
        came = listed(names) or 'none; expected {"inputs": [{"name", "shape", "datatype", "data"}, …]}'
        raise InvalidRequest(f"missing input {listed(missing)}; came {came}", subject=missing[0])


class Known(NamedTuple):
    """A request of a known form.

    Attributes:
        form: but for its id.
        id: the request's own.
        numbers: the JSON array that each input's data is, if it is JSON: if all are, the request is valid JSON.
        nested: whether some of them are rows.
    """

    form: Form
    id: str | None
    numbers: list[bytes]
    nested: bool


def known_form(header: bytes, signature: Signature) -> Known | None:
    """The form of a request like many, by its JSON without the numbers.

    Returns:
        None where the whole must be read.
    """
    pieces: list[bytes] = []
    numbers: list[bytes] = []
    nested = False
    at = 0
    while found := _DATA.search(header, at):
        begin = found.start(1)
        if begin < 0 or len(numbers) == len(signature.inputs):  # no array, or more than there are inputs
            return None
        if found[2]:
            nested = True
            # Of the two ways to its end, from the back is the shorter: all else is short.
            following = header.find(b'"data"', begin) if len(signature.inputs) > 1 else -1
            end = header.rfind(b"]]", begin, following if following > 0 else len(header)) + 2
        else:
            end = header.find(b"]", begin) + 1
        if end <= begin:  # it has none
            return None
        pieces += header[at:begin], b"[]"
        numbers.append(header[begin:end])
        at = end
    if len(header) - at > _MAX_KNOWN:
        return None
    pieces.append(header[at:])
    rest = b"".join(pieces)
    request_id = None
    if rest.find(b'"id"') >= 0 and (ids := list(_ID.finditer(rest))):
        if len(ids) > 1 or ids[0][1] is None:
            return None
        request_id = ids[0][1].decode()
        rest = rest[: ids[0].start(1)] + rest[ids[0].end(1) :]
    form = _known(rest, signature, len(numbers)) if len(rest) <= _MAX_KNOWN else None
    if form is None:
        return None
    # Where the form has an id, it is the empty one that is left; else what was cut out is the id of something else.
    return Known(form, None if form.id is None else request_id, numbers, nested)


@lru_cache(KNOWN)
def _known(rest: bytes, signature: Signature, count: int) -> Form | None:
    """The form of the requests that are `rest` without the `count` arrays of their inputs' data."""
    if b"\\" in rest:  # a key may be data by another spelling
        return None
    try:
        form, data = read_form(parse_object(rest), signature)
        check_complete(form, signature)
    except InvalidRequest:
        return None
    are_cut = len(data) == count and all(isinstance(values, ARRAYS) for values in data)
    return form if are_cut and occurrences(rest, "[") <= form.arrays + count else None


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


def _binary_size(item: dict[str, Any], spec: TensorSpec) -> int | None:
    if "parameters" not in item:
        return None
    size = parameters_of(item).get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise wrong_size(spec.name, size, "; expected an integer ≥ 0")
    if "data" in item:
        raise wrong_size(spec.name, size, ", but there is data in the JSON too")
    return size


def wrong_size(name: str, size: Any, problem: str) -> InvalidRequest:
    """The error of an input whose `binary_data_size` is what it cannot be."""
    return InvalidRequest(f"input '{name}': binary_data_size is {shorten(size)}{problem}", subject=name)


def _decode_id(document: dict[str, Any]) -> str | None:
    value = document.get("id")
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"id is {type_name(value)}; expected a string", subject="id")
    return value
