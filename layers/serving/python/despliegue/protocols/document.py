"""JSON bytes → a document, fast where they are well-formed and with a clear message where they are not."""

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

import numpy as np
import simdjson

from despliegue.errors import InvalidRequest, shorten

MAX_DEPTH: Final = 1024
"""Deepest nesting that is read; simdjson's own limit."""

ARRAYS: Final = (list, simdjson.Array)
"""The types that a JSON array has here, plain and lazy."""
OBJECTS: Final = (dict, simdjson.Object)
"""The types that a JSON object has here, plain and lazy."""

_KEPT: Final = 1024 * 1024
"""Bytes of the largest document whose parser is kept for the next one: it holds some ten times as much."""
_threads: Final = threading.local()
"""Each thread's parser. One whose pages are there already parses a thousand rows in two thirds of the time."""

type JsonObject = Mapping[str, Any]
"""A JSON object, lazy (`simdjson.Object`) or plain (`dict`): both are read with `[]`, `get`, `in` and `keys`."""


def parse_object(body: bytes) -> JsonObject:
    """The JSON object that `body` is.

    Raises:
        InvalidRequest: it is not UTF-8, not JSON (NaN and Infinity are not JSON), nested too deep, or not an object.
    """
    if not body:
        raise InvalidRequest("the body is empty; expected a JSON object")
    try:
        document = parse_lazily(body)
    except (ValueError, RuntimeError):
        document = parse_slowly(body)
    if not isinstance(document, OBJECTS):
        raise InvalidRequest(f"the body is {type_name(document)}; expected a JSON object")
    return document


def parse_lazily(body: bytes) -> Any:
    """`body` as simdjson has it: lazy objects that live in the parser, which is no other's until they are gone.

    Raises:
        ValueError, RuntimeError: simdjson's; it is not valid, or beyond what it reads.
    """
    parser: simdjson.Parser | None = getattr(_threads, "parser", None)
    if parser is not None and len(body) <= _KEPT:
        try:
            return parser.parse(body)
        except RuntimeError:  # an object of the last document is still there, as where an error holds it
            pass
    parser = simdjson.Parser()
    document = parser.parse(body)
    if len(body) <= _KEPT:
        _threads.parser = parser
    return document


def pick(value: JsonObject, keys: tuple[str, ...]) -> dict[str, Any]:
    """The values of those of `keys` that are there, still lazy. Looking for an absent key in a lazy object is slow.

    Raises:
        InvalidRequest: a key is there twice: parsers differ in which value they take.
    """
    present = list(value.keys())
    if len(set(present)) < len(present):
        _refuse_duplicates([(key, None) for key in present])
    return {key: value[key] for key in keys if key in present}


def plain(value: Any) -> Any:
    """`value` as Python's own lists and dicts, if it is lazy."""
    if isinstance(value, simdjson.Array):
        return value.as_list()
    if isinstance(value, simdjson.Object):
        return value.as_dict()
    return value


def type_name(value: Any) -> str:
    """What a JSON value is, with its article, for messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list() | simdjson.Array():
            return "an array"
        case _:
            return "an object"


def objects(document: dict[str, Any], key: str, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """The objects in the array under `key`, each with its `keys`; none where it is absent or null."""
    value = document.get(key)
    if value is None:
        return []
    if not isinstance(value, ARRAYS):
        raise InvalidRequest(f"{key} is {type_name(value)}; expected an array of objects", subject=key)
    items = list(value)
    for position, item in enumerate(items):
        if not isinstance(item, OBJECTS):
            raise InvalidRequest(f"{key}[{position}] is {type_name(item)}; expected an object", subject=key)
        items[position] = pick(item, keys)
    return items


def text(item: dict[str, Any], key: str, where: str) -> str:
    """The string under `key`; `where` names the item in the message."""
    value = item.get(key)
    if not isinstance(value, str):
        problem = "is missing" if key not in item else f"is {type_name(plain(value))}"
        raise InvalidRequest(f"{where}: {key} {problem}; expected a string", subject=key)
    return value


def listed(names: Iterable[str]) -> str:
    """The names as a message shows them."""
    return ", ".join(f"'{name}'" for name in names)


def occurrences(body: bytes, character: str) -> int:
    """How often an ASCII character stands in `body`, in strings too."""
    sought = character.encode()
    if len(body) < 4096:
        return body.count(sought)
    # On long bodies `count` goes byte by byte. The few of a rare one are found by memchr, ten times as fast …
    at, found = body.find(sought), 0
    while at >= 0 and found < 64:
        at, found = body.find(sought, at + 1), found + 1
    if at < 0:
        return found
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord(character)))  # … and many by this, four times


def decode_text(body: bytes) -> str:
    """A body as text, without a byte order mark.

    Raises:
        InvalidRequest: it is not UTF-8.
    """
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"the body is not UTF-8: byte 0x{body[error.start]:02x} at position {error.start:,}"
        ) from error


def parse_slowly(body: bytes) -> Any:
    """Parse what simdjson refused: to accept numbers that it cannot hold, or to say clearly what is wrong.

    Python's parser reads numbers too large for a double, such as 1e999, as infinity, which is how infinities travel in
    valid JSON, and integers of any size, which then are refused as out of their datatype's range. Of what else it takes
    and simdjson does not (half of a surrogate pair, any depth), nothing is accepted.
    """
    text = decode_text(body)
    try:
        document = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates)
    except json.JSONDecodeError as error:
        problem = error.msg.removesuffix(" at")
        raise InvalidRequest(
            f"the body is not valid JSON: {problem} at line {error.lineno} column {error.colno}"
        ) from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # Python reads integers of at most 4,300 digits
        raise InvalidRequest("the body holds an integer of more than 4,300 digits") from error
    _check_depth_and_strings(document)
    return document


def _refuse_constant(constant: str) -> NoReturn:
    written = {"NaN": "null", "Infinity": "1e999", "-Infinity": "-1e999"}[constant]
    raise InvalidRequest(f"the body is not valid JSON: {constant} is not a JSON value; write {written}")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidRequest(f"the key {shorten(key)} is there twice in one object")
        found[key] = value
    return found


def _check_depth_and_strings(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH + 1):
        strings = [value for value in level if isinstance(value, str)]
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                strings += value.keys()
                below += value.values()
            elif isinstance(value, list):
                below += value
        try:
            "".join(strings).encode()
        except UnicodeEncodeError as error:
            raise InvalidRequest("the body is not valid JSON: a string holds half of a surrogate pair") from error
        if not below:
            return
        level = below
    raise _too_deep()


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"the body is nested too deep; the limit is {MAX_DEPTH:,} levels")
