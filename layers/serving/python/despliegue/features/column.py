"""One feature's column: which values it takes, what stands for a missing one, and values → an array of its datatype."""

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from despliegue.errors import InvalidRequest, shorten
from despliegue.models import Datatype
from despliegue.models.model import Array

# bool is an int to Python, so types are compared and not asked.
_ACCEPTED: Final[dict[str, tuple[frozenset[type], str]]] = {
    "b": (frozenset({bool}), "true or false"),
    "i": (frozenset({int, float}), "an integer"),
    "u": (frozenset({int, float}), "an integer"),
    "f": (frozenset({int, float}), "a number"),
    "O": (frozenset({str}), "a string"),
}
_ABSENT: Final = frozenset({type(None), type(msgspec.UNSET)})

type Values = Sequence[Any] | Array
"""A column's values, [N]: None is null, `msgspec.UNSET` is absent, and both are missing, as NaN is."""


class Column(msgspec.Struct, frozen=True):
    """One feature, a value a row.

    Attributes:
        name: the feature's; that of the input, where each column is one.
        datatype: what its values become.
        missing: what stands for a missing value, such as NaN or ''; None where a value must be there.
        optional: the whole column may be left out, since the graph has an initialiser for it.
    """

    name: str
    datatype: Datatype
    missing: Any = None
    optional: bool = False

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        words = _ACCEPTED[self.datatype.kind][1]
        return words if self.missing is None else f"{words} or null"

    def problem(self, value: object) -> str:
        """What is wrong with one value, such as `is null; expected a number`; empty where nothing is."""
        accepted, _ = _ACCEPTED[self.datatype.kind]
        kind = self.datatype.kind
        if _is_missing(value):
            if self.missing is not None:
                return ""
            return f"is {'missing' if value is msgspec.UNSET else 'null'}; expected {self.expected}"
        if type(value) not in accepted or (kind in "iu" and isinstance(value, float) and not value.is_integer()):
            return f"is {_came(value)}; expected {self.expected}"
        if isinstance(value, (int, float)) and not _in_range(value, self.datatype):
            return f"is {shorten(value)}, which is out of the range of {self.datatype.name}"
        return ""

    def array(self, values: Values) -> Array:
        """The column as an array of its datatype, [N]; what is missing is replaced by its marker.

        Args:
            values: [N]; an array of numpy's, or Python's own values. Integers may be 3.0.

        Raises:
            InvalidRequest: a value does not fit; the message names row (from 0) and feature.
        """
        array = None
        if isinstance(values, np.ndarray):
            if values.dtype.kind == self.datatype.kind == "f" and values.ndim == 1:
                array = self._narrow(values)
            values = values if array is not None else values.tolist()
        if array is None:
            array = self._convert(values)
        if array is None:
            raise self._refusal(values)
        return array

    def _narrow(self, wide: Array) -> Array | None:
        """Floats as the column's datatype, NaN as its marker; None where one is out of range or missing in vain."""
        try:
            with np.errstate(over="raise"):
                array = wide.astype(self.datatype.dtype, copy=False)
        except FloatingPointError:
            return None
        if self.missing is None:
            return None if np.isnan(array).any() else array
        if self.missing == self.missing and (gaps := np.isnan(array)).any():
            array = np.where(gaps, self.datatype.dtype.type(self.missing), array)
        return array

    def _convert(self, items: Values) -> Array | None:
        """The array of `items`, or None where one of them does not fit."""
        kind = self.datatype.kind
        types = set(map(type, items))
        if types & _ABSENT:
            if self.missing is None:
                return None
            items = [self.missing if value is None or value is msgspec.UNSET else value for value in items]
            types = set(map(type, items))
        if not types <= _ACCEPTED[kind][0]:
            return None
        try:
            if kind == "f":
                return self._narrow(np.array(items, np.float64))
            if kind in "iu" and float in types:
                items = [self._integer(value) for value in items]
            return np.array(items, self.datatype.dtype)
        except (OverflowError, ValueError):
            return None

    def _integer(self, value: float) -> int:
        if value != value and self.missing is not None:
            return int(self.missing)
        if value != int(value):
            raise ValueError(value)
        return int(value)

    def _refusal(self, values: Values) -> InvalidRequest:
        row, problem = next(found for found in enumerate(map(self.problem, values)) if found[1])
        return InvalidRequest(f"row {row:,}: feature '{self.name}' {problem}", subject=self.name)


def _is_missing(value: object) -> bool:
    return value is None or value is msgspec.UNSET or value != value


def _came(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    return "an array" if isinstance(value, (list, tuple, np.ndarray)) else shorten(value)


def _in_range(value: float, datatype: Datatype) -> bool:
    if datatype.kind == "f":
        if abs(value) <= float(np.finfo(datatype.dtype).max):  # type: ignore[type-var]
            return True
        # The cast decides, not a comparison: what rounds down to the largest number still is in range.
        try:
            with np.errstate(over="ignore"):
                return bool(np.isfinite(np.float64(value).astype(datatype.dtype))) or math.isinf(value)
        except OverflowError:
            return False
    if datatype.kind in "iu":
        limits = np.iinfo(datatype.dtype)  # type: ignore[type-var]
        return bool(limits.min <= value <= limits.max)
    return True
