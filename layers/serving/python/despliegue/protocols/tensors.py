"""JSON `data` ↔ arrays: the hot part of the JSON protocols.

Well-formed numbers take the fast way, through simdjson's buffer. Everything else (strings, nulls, infinities, mistakes)
takes the careful way, value by value, which gives the array or says what is wrong. Both give the same numbers.
"""

import contextvars
import itertools
import math
import threading
from typing import Any, Final

import numpy as np
import orjson
import simdjson

from despliegue.errors import InvalidRequest, shorten
from despliegue.models import DATATYPES, Datatype
from despliegue.models.model import Array
from despliegue.protocols.document import ARRAYS, plain, type_name

_BUFFERS: Final[dict[str, tuple[Any, np.dtype[Any]]]] = {
    "f": ("d", np.dtype(np.float64)),
    "i": ("i", np.dtype(np.int64)),
    "u": ("u", np.dtype(np.uint64)),
}
_WIDE: Final = {
    name: _BUFFERS[datatype.kind]
    for name, datatype in DATATYPES.items()
    if datatype.in_json and datatype.kind in _BUFFERS
}
"""By datatype: simdjson's code for the buffer that it fits, and what that holds."""
_ACCEPTED: Final[dict[str, tuple[frozenset[type], str]]] = {
    "b": (frozenset({bool}), "true or false"),
    "i": (frozenset({int, float}), "an integer"),
    "u": (frozenset({int, float}), "an integer"),
    "f": (frozenset({int, float, type(None)}), "a number or null"),
    "O": (frozenset({str}), "a string"),
}
_ARRAY_TYPES: Final = frozenset(ARRAYS)
_NUMPY: Final = orjson.OPT_SERIALIZE_NUMPY


class _Strict(threading.local):
    """For each thread a context in which an overflow raises; numpy keeps that in a context variable (`numpy.errstate`).

    Entering `numpy.errstate` at each request would take as long as parsing a row.
    """

    def __init__(self) -> None:
        self.context = contextvars.Context()
        self.context.run(np.seterr, over="raise")


_strict: Final = _Strict()


def decode(data: Any, datatype: Datatype, shape: tuple[int, ...], name: str) -> tuple[Array, int | None]:
    """The array that `data` is: flat in row-major order, or nested like `shape`; a scalar may stand bare.

    Args:
        data: an array of the request's document.
        datatype: the tensor's type. Integers may be written as 3.0; null is NaN where the type is a float.
        shape: the tensor's, all dimensions ≥ 0.
        name: the input's, for messages.

    Returns:
        The array, and how many JSON arrays `data` consists of if it is what it seems, or None where that is certain.
        simdjson flattens whatever it is given, so that `[1, [2]]` reads like `[1, 2]`; one count over the whole body,
        by the caller, finds this out more cheaply than a look at each value.

    Raises:
        InvalidRequest: the values do not fit datatype or shape; the message names the input.
    """
    if isinstance(data, simdjson.Array) and datatype.name in _WIDE:
        size = math.prod(shape)
        # The number of items tells a flat array from a nested one, but where each row is one value.
        nested = len(data) != size or (shape[:1] == (size,) and _is_nested(data, shape))
        array = _decode_fast(data, datatype, shape, size, nested=nested)
        if array is not None:
            return array, sum(math.prod(shape[:depth]) for depth in range(len(shape))) if nested else 1
    return decode_carefully(data, datatype, shape, name), None


def decode_carefully(data: Any, datatype: Datatype, shape: tuple[int, ...], name: str) -> Array:
    """As `decode`, but value by value: for what the fast way does not take, and to say what is wrong.

    Raises:
        InvalidRequest: as `decode`.
    """
    if not datatype.in_json:
        raise InvalidRequest(f"input '{name}': {datatype.name} travels as binary data only, not as JSON", subject=name)
    data = plain(data)
    if not shape and isinstance(data, (bool, int, float, str, type(None))):
        data = [data]
    if not isinstance(data, list):
        raise InvalidRequest(f"input '{name}': data is {type_name(data)}; expected an array", subject=name)
    if misfit := _misfit(data, shape):
        raise InvalidRequest(
            f"input '{name}': shape {shorten(list(shape))} does not fit its data: {misfit}", subject=name
        )
    values: list[Any] = data
    if _is_nested(data, shape):
        for _ in shape[1:]:
            values = list(itertools.chain.from_iterable(values))
    _check_types(values, datatype, name)
    array = _integers(values, datatype, name) if datatype.kind in "iu" else _others(values, datatype, name)
    return array.reshape(shape)


def encode(array: Array) -> Any:
    """`array` flat in row-major order, as something that `dumps` writes exactly."""
    return array.ravel().tolist() if array.dtype.kind == "O" else array.ravel()


def dumps(document: Any) -> bytes:
    """`document` as JSON, with arrays of any depth of dicts and lists in it.

    NaN becomes null and ±Infinity ±1e999, which is valid JSON and reads as infinity.
    """
    text = orjson.dumps(document, option=_NUMPY)
    # orjson writes infinities as null too: only where there is a null need the arrays be looked at.
    # (`find`, since asking whether bytes are `in` others takes ten times as long.)
    return orjson.dumps(_exact(document), option=_NUMPY) if text.find(b"null") >= 0 else text


def _exact(value: Any) -> Any:
    """`value` with every array that holds an infinity replaced by its JSON."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list) and not (value and isinstance(value[0], str)):
        return [_exact(item) for item in value]
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and np.isinf(value).any():
        flat = value
        texts = orjson.dumps(flat, option=_NUMPY)[1:-1].split(b",")
        for position in np.flatnonzero(np.isinf(flat)):
            texts[position] = b"1e999" if flat[position] > 0 else b"-1e999"
        return orjson.Fragment(b"[" + b",".join(texts) + b"]")
    return value


def _decode_fast(
    data: simdjson.Array, datatype: Datatype, shape: tuple[int, ...], size: int, *, nested: bool
) -> Array | None:
    """The array of `size` well-formed numbers, or None where the careful way must decide."""
    code, wide = _WIDE[datatype.name]
    if nested and (not shape or len(data) != shape[0]):
        return None
    try:
        buffer: Any = data.as_buffer(of_type=code)  # simdjson's stub calls it bytes
    except (TypeError, ValueError):  # not all numbers, or not all of this kind
        return None
    if buffer.size != size * wide.itemsize or (nested and not _is_regular(data, shape)):
        return None
    array: Array = np.ndarray(shape, wide, buffer)
    if datatype.dtype is wide:
        return array
    if size and datatype.kind != "f":
        limits = np.iinfo(datatype.dtype)  # type: ignore[type-var]
        if array.min() < limits.min or array.max() > limits.max:
            return None
    try:
        return _strict.context.run(array.astype, datatype.dtype)
    except FloatingPointError:
        return None


def _is_nested(data: Any, shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 and len(data) > 0 and isinstance(data[0], ARRAYS)


def _is_regular(data: simdjson.Array, shape: tuple[int, ...]) -> bool:
    """Whether `shape[0]` arrays of nothing but numbers are nested like `shape`: as `_misfit`, without the words."""
    level: Any = data
    try:
        regular = True
        for depth, length in enumerate(shape[1:], start=1):
            regular = regular and set(map(len, level)) <= {length}
            if depth < len(shape) - 1:
                level = list(itertools.chain.from_iterable(level))
    except TypeError:  # a number where an array belongs
        return False
    return regular


def _misfit(data: Any, shape: tuple[int, ...]) -> str:
    """How `data` misses `shape`, flat and nested; empty where it fits. Looks at the arrays, not at their values."""
    if not _is_nested(data, shape):
        size = math.prod(shape)
        return "" if len(data) == size else f"it needs {shorten(size)} values, data has {len(data):,}"
    level = [data]
    for depth, length in enumerate(shape, start=1):
        if not set(map(type, level)) <= _ARRAY_TYPES:
            return f"at depth {depth} there is a value where an array belongs"
        if odd := set(map(len, level)) - {length}:
            return f"at depth {depth} there is an array of {min(odd):,} items, not {shorten(length)}"
        if depth < len(shape):
            level = list(itertools.chain.from_iterable(level))
    return ""


def _check_types(values: list[Any], datatype: Datatype, name: str) -> None:
    accepted, expected = _ACCEPTED[datatype.kind]
    if not set(map(type, values)) <= accepted:
        position, value = next((at, value) for at, value in enumerate(values) if type(value) not in accepted)
        came = shorten(value) if isinstance(value, (str, int, float, type(None))) else type_name(value)
        raise InvalidRequest(
            f"input '{name}': value {position:,} is {came}; {datatype.name} expects {expected}", subject=name
        )


def _integers(values: list[Any], datatype: Datatype, name: str) -> Array:
    limits = np.iinfo(datatype.dtype)  # type: ignore[type-var]
    for position, value in enumerate(values):
        if isinstance(value, float) and not value.is_integer():
            raise InvalidRequest(
                f"input '{name}': value {position:,} is {shorten(value)}; {datatype.name} expects an integer",
                subject=name,
            )
        if not limits.min <= value <= limits.max:
            raise _out_of_range(position, value, datatype, name)
    return np.array([int(value) for value in values], datatype.dtype)


def _others(values: list[Any], datatype: Datatype, name: str) -> Array:
    try:
        with np.errstate(over="raise"):
            # Floats go through float64, as they do on the fast way, so that both round alike; None becomes NaN there.
            wide = np.array(values, np.float64 if datatype.kind == "f" else datatype.dtype)
            return wide.astype(datatype.dtype, copy=False)
    except (FloatingPointError, OverflowError):
        limit = float(np.finfo(datatype.dtype).max)  # type: ignore[type-var]
        position, value = next(
            (at, value) for at, value in enumerate(values) if value is not None and limit < abs(value) != math.inf
        )
        raise _out_of_range(position, value, datatype, name) from None


def _out_of_range(position: int, value: float, datatype: Datatype, name: str) -> InvalidRequest:
    message = f"input '{name}': value {position:,} is {shorten(value)}, which is out of the range of {datatype.name}"
    return InvalidRequest(message, subject=name)
