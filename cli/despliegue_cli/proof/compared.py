"""Two sets of outputs for the same rows, side by side: in which rows they differ, and by how much."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from despliegue.errors import shorten
from despliegue.models.model import Array

_TIE: Final = 1e-6
"""A label may be the other one where the two best probabilities are so near."""

type Outputs = dict[str, Array]
"""By name, [N, …] each: floats, integers, booleans, or strings as objects."""


@dataclass(frozen=True)
class Comparison:
    """Outputs that were expected, those that came, and what lies between them.

    Attributes:
        expected: by name, [N, …] each.
        came: of the same shapes.
        scales: of each output that is floats, what a difference is relative to, [N].
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
        expected, came = self.expected[found][row][place], self.came[found][row][place]
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


def compare(expected: Outputs, came: Outputs, scales: dict[str, Array]) -> Comparison:
    """Compare outputs of the same names and shapes."""
    rows = len(next(iter(expected.values())))
    differences, labels = np.zeros(rows), np.zeros(rows, bool)
    for name, values in expected.items():
        if values.dtype.kind == "f":
            apart = _distances(values, came[name], scales[name]).reshape(rows, -1)
            differences = np.maximum(differences, apart.max(axis=1, initial=0))
        else:
            labels |= np.asarray(values != came[name]).reshape(rows, -1).any(axis=1)
    return Comparison(expected, came, scales, labels & ~_ties(expected, rows), differences)


def scales_of(expected: Outputs, made_up: Array) -> dict[str, Array]:
    """What differences between floats are relative to, [N] for each output of them.

    The largest number of the output on the sample; and in a made-up row, whose extremes must not hide what differs in
    the others, the largest in that row if it is larger. Without a sample, the middle of the rows' largest numbers
    stands for the sample's.
    """
    found = {}
    for name, values in expected.items():
        if values.dtype.kind == "f":
            finite = np.where(np.isfinite(values), np.abs(values), 0).reshape(len(values), -1)
            largest = finite.max(axis=1, initial=0)
            usual = np.median(largest) if made_up.all() else largest[~made_up].max()
            found[name] = np.where(made_up, np.maximum(largest, usual), usual)
            found[name][found[name] == 0] = 1.0
    return found


def _distances(expected: Array, came: Array, scale: Array) -> Array:
    """How far numbers are apart, relative to `scale` [N]; infinities may be equal, and NaN is equal to NaN."""
    wide = came.astype(np.float64)
    with np.errstate(all="ignore"):
        apart: Array = np.abs(wide - expected) / scale.reshape(-1, *[1] * (expected.ndim - 1))
    apart[(wide == expected) | (np.isnan(wide) & np.isnan(expected))] = 0
    return np.nan_to_num(apart, nan=np.inf, posinf=np.inf)


def _ties(outputs: Outputs, rows: int) -> Array:
    """The rows whose two best probabilities are as good as equal."""
    probabilities = next((each for each in outputs.values() if each.dtype.kind == "f" and each.ndim == 2), None)
    if probabilities is None or probabilities.shape[1] < 2:
        return np.zeros(rows, bool)
    best = np.sort(probabilities, axis=1)[:, -2:]
    with np.errstate(invalid="ignore"):  # two infinities
        tied: Array = best[:, 1] - best[:, 0] < _TIE
    return tied


def _texts(expected: Any, came: Any) -> tuple[str, str]:
    """Two values for a message: numbers as short as they are told apart."""
    if not isinstance(expected, np.floating):
        return shorten(_plain(expected)), shorten(_plain(came))
    short = f"{expected:.6g}", f"{came:.6g}"
    return short if short[0] != short[1] else (repr(float(expected)), repr(float(came)))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
