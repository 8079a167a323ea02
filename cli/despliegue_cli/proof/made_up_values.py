"""Values to try in one column: missing, unseen, at and beyond what the sample has, next to what float32 holds."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import numpy as np

from despliegue.features import Column
from despliegue.models.model import Array

_MOST_KNOWN: Final = 5
_FAR: Final = 1_000_000_000

STEPS: Final = (
    "rounded to float32",
    "one float32 step up",
    "one float32 step down",
    "at the top of what float32 rounds alike",
    "at the bottom of what float32 rounds alike",
)

type Kind = Literal["number", "category"]


def values_to_try(column: Column, kind: Kind, values: Array, known: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Values of a feature, after what each is; some may not fit its datatype.

    Args:
        column: the feature.
        kind: the feature's.
        values: the sample's; empty without one.
        known: categories that the graph tells apart.
    """
    if column.missing is not None:
        yield "missing", None
    present = _present(values)
    if column.datatype.kind == "O":
        yield from _texts(present, known)
    elif column.datatype.kind == "b":
        yield from (("true", True), ("false", False))
    elif kind == "category":
        yield from _codes(column, [*present, *(each for each in known if isinstance(each, (int, float)))])
    elif column.datatype.kind == "f":
        yield from _numbers(present)
    else:
        yield from _integers(column, present)


def usual(column: Column, kind: Kind, values: Array) -> Any:
    """The middle of the sample's numbers, or the most frequent of its categories; zero or an empty text without any."""
    present = _present(values)
    if not present:
        return {"O": "", "b": False, "f": 0.0}.get(column.datatype.kind, 0)
    if kind == "number" and column.datatype.kind != "b":
        return sorted(present)[len(present) // 2]
    return Counter(present).most_common(1)[0][0]


def float32_neighbours(value: Any) -> list[float]:
    """The values next to a number, as `STEPS` names them; none of what is no finite float.

    A package in float32 takes all between top and bottom for the same number, where its original may tell them apart.
    """
    if not isinstance(value, float) or not math.isfinite(value):
        return []
    with np.errstate(over="ignore"):
        near = np.float32(value)
        up, down = (float(np.nextafter(near, np.float32(end))) for end in (np.inf, -np.inf))
    middle = float(near)
    # The middle between two floats rounds to either; what lies next to it on this side, to this one.
    top, bottom = (float(np.nextafter(middle / 2 + end / 2, middle)) for end in (up, down))
    return [middle, up, down, top, bottom]


def may_come(column: Column, value: Any) -> bool:
    """Whether a request may hold it: it fits the feature, and is no infinity, which next to nobody sends."""
    return not column.problem(value) and not (isinstance(value, float) and math.isinf(value))


def _present(values: Array) -> list[Any]:
    return [value for value in values.tolist() if value is not None and value == value]


def _texts(present: list[str], known: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    seen = {*present, *known}
    unseen = "unseen"
    while unseen in seen:
        unseen += "?"
    yield "unseen", unseen
    # Where it stands for a missing value it is not told apart from one.
    yield "''", ""
    others = [value for value in known if isinstance(value, str) and value not in set(present)]
    for value in others[:_MOST_KNOWN]:
        yield repr(value), value


def _codes(column: Column, present: list[Any]) -> Iterator[tuple[str, Any]]:
    """Categories that are numbers: whole ones, since others mean nothing."""
    number = float if column.datatype.kind == "f" else int
    yield "unseen", number(int(max(present, default=0)) + 1)
    yield "0", number(0)


def _numbers(present: list[float]) -> Iterator[tuple[str, Any]]:
    finite = [value for value in present if np.isfinite(value)] or [0.0]
    least, largest = min(finite), max(finite)
    span = largest - least or abs(largest) or 1.0
    yield "0", 0.0
    yield "at its least", least
    yield "at its largest", largest
    yield "below its least", least - span
    yield "beyond its largest", largest + span
    yield "at its largest, negative", -max(map(abs, finite))
    yield "at 1e9", float(_FAR)
    yield "at -1e9", -float(_FAR)


def _integers(column: Column, present: list[Any]) -> Iterator[tuple[str, Any]]:
    whole = [int(value) for value in present] or [0]
    limits = np.iinfo(column.datatype.dtype)  # type: ignore[type-var]
    yield "0", 0
    yield "at -1", -1
    yield "at its least", min(whole)
    yield "at its largest", max(whole)
    yield "below its least", min(whole) - 1
    yield "beyond its largest", max(whole) + 1
    yield "at 1e9", _FAR
    yield f"at {column.datatype.name}'s least", int(limits.min)
    yield f"at {column.datatype.name}'s largest", int(limits.max)
