"""Two sets of outputs for the same rows, side by side: in which rows they differ, and by how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from despliegue.errors import shorten
from despliegue.models.model import Array

_TIE: Final = 1e-6
"""Classes whose probabilities or scores are this near the best one's are as good as it."""
_USUAL: Final = 0.75
"""The quantile that is a usual number: up to a quarter of the rows may be extreme, and three quarters near nothing."""
_FEW: Final = 20
_MANY: Final = 16
"""Where fewer rows than `_FEW` tell what is usual, and an output has `_MANY` columns or more, as a network's scores,
they are taken to be alike: one that happens to be near nothing counts as what half of them have."""
_SUM: Final = 1e-3
"""How near 1 the sum of a row of probabilities is."""

type Outputs = dict[str, Array]
"""By name, [N, …] each: floats, integers, booleans, or strings as objects."""


@dataclass(frozen=True)
class Classes:
    """Which class each column of an output speaks for.

    Attributes:
        output: its name; [N, K], or [N] with the score of the second of two classes.
        sign: 1 where the largest is best, -1 of distances.
        names: of each column the label as text; of one that is never best its own number, as most have it, or None
            where that is another's.
    """

    output: str
    sign: int
    names: Array


@dataclass(frozen=True)
class Comparison:
    """Outputs that were expected, those that came, and what lies between them.

    Attributes:
        expected: by name, [N, …] each.
        came: of the same shapes.
        scales: of each output that is floats, what a difference is relative to, as `scales_of` gives them.
        labels: the rows whose labels or integers differ, but for ties, bool [N].
        differences: of each row the largest between its numbers, [N]; infinite where only one is a number.
    """

    expected: Outputs
    came: Outputs
    scales: dict[str, Array]
    labels: Array
    differences: Array

    def describe(self, row: int) -> tuple[str, str, str]:
        """Of a row the value that differs most: its place, such as `probabilities[1]`, and what was expected and came.

        Labels and integers come before numbers.
        """
        found = max(self.expected, key=lambda name: float(self._apart(name, row).max(initial=0)))
        apart = self._apart(found, row)
        place = np.unravel_index(int(apart.argmax()), apart.shape)
        at: tuple[Any, ...] = (row, *place)
        expected, came = self.expected[found][at], self.came[found][at]
        index = ", ".join(map(str, place))
        return (f"{found}[{index}]" if index else found, *_texts(expected, came))

    def _apart(self, name: str, row: int) -> Array:
        expected, came = self.expected[name][row : row + 1], self.came[name][row : row + 1]
        if expected.dtype.kind == "f":
            numbers: Array = _distances(expected, came, self.scales[name][row : row + 1])[0]
            return numbers
        # More than any number's, where it counts at all.
        differs = (expected != came)[0] & self.labels[row]
        apart: Array = np.where(differs, np.inf, 0.0)
        return apart


def compare(expected: Outputs, came: Outputs, scales: dict[str, Array], classes: Classes | None = None) -> Comparison:
    """Compare outputs of the same names and shapes.

    Args:
        expected: what is to come.
        came: what came.
        scales: what differences between floats are relative to.
        classes: those between which there may be a tie.
    """
    rows = len(next(iter(expected.values())))
    differences, labels = np.zeros(rows), np.zeros(rows, bool)
    for name, values in expected.items():
        if values.dtype.kind == "f":
            apart = _distances(values, came[name], scales[name]).reshape(rows, -1)
            differences = np.maximum(differences, apart.max(axis=1, initial=0))
            continue
        differs = np.asarray(values != came[name]).reshape(rows, -1).any(axis=1)
        if classes is not None and values.ndim == 1:
            for row in np.flatnonzero(differs).tolist():
                differs[row] = not {str(values[row]), str(came[name][row])} <= _best(classes, expected, row)
        labels |= differs
    return Comparison(expected, came, scales, labels, differences)


def scales_of(expected: Outputs, made_up: Array) -> dict[str, Array]:
    """What differences between floats are relative to, for each output of them, in a shape that broadcasts to its own.

    It is 1 for probabilities, and else a usual number of the column in the sample, or without one in all rows, so that
    neither one extreme row nor another column's unit hides a difference; or the number itself where that is larger. A
    made-up row that is more extreme in any column gets as much more in all: its numbers come of large ones, whose
    rounding errors they have. An output of more than two dimensions is one column, of the rows' largest numbers. Of few
    rows and many columns none is taken for smaller than the others: see `_FEW`.
    """
    found = {}
    for name, values in expected.items():
        if values.dtype.kind != "f":
            continue
        if _are_probabilities(values):
            found[name] = np.ones_like(values)
            continue
        numbers = np.where(np.isfinite(values), np.abs(values), 0).reshape(len(values), -1)
        columns = numbers if values.ndim <= 2 else numbers.max(axis=1, keepdims=True, initial=0)
        known = columns[made_up if made_up.all() else ~made_up]
        usual = _usual(known)
        if len(known) < _FEW and len(usual) >= _MANY:
            usual = np.maximum(usual, np.median(usual))
        with np.errstate(over="ignore"):
            extreme = (columns / usual).max(axis=1, keepdims=True, initial=1)
            scales = np.maximum(columns, usual * np.where(made_up[:, None], extreme, 1))
        found[name] = scales.reshape(values.shape if values.ndim <= 2 else (-1, *[1] * (values.ndim - 1)))
    return found


def classes_of(expected: Outputs, labels: Sequence[str]) -> Classes | None:
    """The classes of a classifier or clustering, as its outputs tell; None of what has none.

    Args:
        expected: its outputs.
        labels: the classes in the order of the probabilities, where they are known.
    """
    answers = next((each for each in expected.values() if each.dtype.kind != "f" and each.ndim == 1), None)
    numbers = (name for name, each in expected.items() if each.dtype.kind == "f" and each.ndim <= 2 and each.size)
    output = next(numbers, None)
    if answers is None or output is None:
        return None
    columns = _columns(expected[output])
    if columns.shape[1] == len(labels):
        return Classes(output, 1, np.array(labels, object))
    texts = answers.astype(str).astype(object)
    found: list[tuple[int, Classes]] = []
    for sign in (1, -1):
        # The class of a column is that which most rows have where it is best.
        best = (sign * columns).argmax(axis=1)
        names, agree = np.full(columns.shape[1], None, object), 0
        for column in np.unique(best).tolist():
            given, counts = np.unique(texts[best == column], return_counts=True)
            names[column] = given[counts.argmax()]
            agree += int(counts.max())
        for column in np.flatnonzero(names == None):  # noqa: E711 – of each
            names[column] = str(column) if str(column) not in names else None
        found.append((agree, Classes(output, sign, names)))
    return max(found, key=lambda each: each[0])[1]


def _columns(numbers: Array) -> Array:
    """Scores of classes, [N, K]: where there is one alone, it is the second's, against the first's 0."""
    single = numbers.reshape(len(numbers), -1)
    return np.hstack([np.zeros_like(single), single]) if single.shape[1] == 1 else single


def _best(classes: Classes, outputs: Outputs, row: int) -> set[str]:
    """The labels of the classes that are as good as the best in a row."""
    scores = classes.sign * _columns(outputs[classes.output][row : row + 1])[0]
    return set(classes.names[scores >= scores.max() - _TIE].tolist())


def _usual(columns: Array) -> Array:
    """Of each column of [N, K], not negative, a usual number: of those above zero where that is zero, and 1 of none.

    It is one that is there: of two rows the smaller.
    """
    found: Array = np.quantile(columns, _USUAL, axis=0, method="lower")
    for column in np.flatnonzero(found == 0):
        above = columns[columns[:, column] > 0, column]
        found[column] = np.quantile(above, _USUAL, method="lower") if len(above) else 1.0
    return found


def _are_probabilities(values: Array) -> bool:
    if values.ndim != 2 or values.shape[1] < 2:
        return False
    numbers = values[np.isfinite(values).all(axis=1)]
    inside = bool((numbers > -_TIE).all() and (numbers < 1 + _TIE).all())
    return inside and len(numbers) > 0 and bool((np.abs(numbers.sum(axis=1) - 1) < _SUM).all())


def _distances(expected: Array, came: Array, scale: Array) -> Array:
    """How far numbers are apart, relative to `scale`; infinities may be equal, and NaN is equal to NaN."""
    wide = came.astype(np.float64)
    with np.errstate(all="ignore"):
        apart: Array = np.abs(wide - expected) / scale
    apart[(wide == expected) | (np.isnan(wide) & np.isnan(expected))] = 0
    return np.nan_to_num(apart, nan=np.inf, posinf=np.inf)


def _texts(expected: Any, came: Any) -> tuple[str, str]:
    """Two values for a message: numbers as short as they are told apart."""
    if not isinstance(expected, np.floating):
        return shorten(_plain(expected)), shorten(_plain(came))
    short = f"{expected:.6g}", f"{came:.6g}"
    return short if short[0] != short[1] else (repr(float(expected)), repr(float(came)))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
