"""Which outputs an Open Inference request wants, and in which form.

Sources: Triton's extensions for binary tensor data and classification.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec

from despliegue.errors import InvalidRequest, shorten
from despliegue.models import Signature
from despliegue.protocols.document import OBJECTS, listed, objects, pick, text, type_name

MAX_CLASSES: Final = 1_000
"""Most classes that are named for a row: a text each costs hundreds of times the byte that its value may have been."""


class RequestedOutput(msgspec.Struct, frozen=True):
    """How one output is wanted.

    Attributes:
        name: the output's.
        binary: as raw bytes behind the JSON, not in it.
        classes: as the names of so many classes of highest value; 0 as it is.
    """

    name: str
    binary: bool = False
    classes: int = 0


def decode_outputs(document: dict[str, Any], signature: Signature) -> tuple[RequestedOutput, ...]:
    """The wanted outputs; all of them where none are named.

    Raises:
        InvalidRequest: an output is unknown, named twice, or wanted in a form that there is not.
    """
    binary_by_default = False
    if "outputs" not in document and "parameters" not in document:
        return _all(tuple(signature.outputs))
    if "parameters" in document:
        binary_by_default = _flag(parameters_of(document), "binary_data_output", default=False)
    found: dict[str, RequestedOutput] = {}
    for item in objects(document, "outputs", ("name", "parameters")):
        name = text(item, "name", "outputs")
        if name not in signature.outputs:
            raise InvalidRequest(f"unknown output {shorten(name)}; expected {listed(signature.outputs)}")
        if name in found:
            raise InvalidRequest(f"output '{name}' is asked for twice", subject=name)
        parameters = parameters_of(item)
        classes = parameters.get("classification") or 0
        if type(classes) is not int or not 0 <= classes <= MAX_CLASSES:
            raise InvalidRequest(
                f"output '{name}': classification is {shorten(classes)}; expected an integer from 1 to {MAX_CLASSES:,}",
                subject=name,
            )
        found[name] = RequestedOutput(name, _flag(parameters, "binary_data", default=binary_by_default), classes)
    return tuple(found.values()) or tuple(RequestedOutput(name, binary_by_default) for name in signature.outputs)


@lru_cache
def _all(names: tuple[str, ...]) -> tuple[RequestedOutput, ...]:
    return tuple(map(RequestedOutput, names))


def parameters_of(item: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the binary and classification extensions that `item` has; others are ignored."""
    value = item.get("parameters")
    if value is not None and not isinstance(value, OBJECTS):
        raise InvalidRequest(f"parameters is {type_name(value)}; expected an object", subject="parameters")
    keys = ("binary_data", "binary_data_output", "binary_data_size", "classification")
    return {} if value is None else pick(value, keys)


def _flag(parameters: dict[str, Any], key: str, *, default: bool) -> bool:
    value = parameters.get(key, default)
    if not isinstance(value, bool):
        raise InvalidRequest(f"{key} is {type_name(value)}; expected true or false", subject=key)
    return value
