"""The baseline profile: what columns and predictions looked like in a sample, for drift to be measured against.

It holds aggregates and no row. Whatever it names is shared by at least five rows (k-anonymity, Sweeney 2002): a
category of fewer is counted as `other`, a bin of fewer is joined to the next one. No edge of a bin is a value of the
sample: edges are rounded deciles, moved aside where that hits a value, and the outermost bins are open. Rows are
counted, not people: a person with many rows is not hidden.

Ten bins of equal counts, open at both ends, are what the population stability index is computed over (N. Siddiqi,
"Credit Risk Scorecards", Wiley 2006); the Jensen–Shannon distance needs no more.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from despliegue.models.model import Array

FORMAT: Final = 1
LEAST: Final = 5
"""Rows that whatever is named must share."""
BINS: Final = 10
MOST_VALUES: Final = 50
"""Categories that are counted each, and columns of an output that are described each."""
_LARGEST: Final = 1e300
"""Of an edge: what is near the largest double cannot be rounded."""
_TENTHS: Final = tuple(tenth / 10 for tenth in range(1, 10))
_ASIDE: Final = (0.0, 0.5, 0.25, 0.75, 0.125, 0.375, 0.625, 0.875)
"""Where beside a rounded edge, in its last digit, another is looked for that is no value of the sample."""


class Histogram(msgspec.Struct, frozen=True):
    """How many values lie in each bin; one that equals an edge belongs below it.

    Attributes:
        edges: between the bins, rising. Below the first and above the last the bins are open.
        counts: one more than edges.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class ColumnProfile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one column holds; `missing` and the counts add up to its rows, of a tensor to all its values.

    Attributes:
        name: the feature's or input's; of an output's column its label, or its number from 0.
        kind: `number`; `category`; `text`, which is mostly unique or several a row; `probability`; or `tensor`, several
            numbers a row.
        missing: how many values are: null, or not a number.
        integers: every number is whole.
        constant: all values are one.
        mean: of the finite numbers, to four digits; None where they are fewer than five.
        deviation: their standard deviation, to four digits.
        histogram: of numbers in bins that hold at least five rows each; of probabilities in tenths, which may hold
            fewer; of texts by their length in characters.
        values: rows by category, of the 50 most frequent, the most frequent first.
        other: rows of any other category.
    """

    name: str
    kind: str
    missing: int = 0
    integers: bool = False
    constant: bool = False
    mean: float | None = None
    deviation: float | None = None
    histogram: Histogram | None = None
    values: dict[str, int] = {}
    other: int = 0


class OutputProfile(msgspec.Struct, frozen=True):
    """What one output gave: a column for each of its columns; one where it is [N], or has too many."""

    name: str
    columns: tuple[ColumnProfile, ...]


class Profile(msgspec.Struct, frozen=True):
    """The profile of a sample.

    Attributes:
        format: the version of this form; a higher one is for what an older Despliegue would understand wrongly.
        rows: N.
        features: by column, or by input of a model without features.
        outputs: by output.
    """

    format: int
    rows: int
    features: tuple[ColumnProfile, ...]
    outputs: tuple[OutputProfile, ...]

    def feature(self, name: str) -> ColumnProfile | None:
        """The column of that name; None where there is none."""
        return next((column for column in self.features if column.name == name), None)


def profile(columns: Mapping[str, Array], outputs: Mapping[str, Array], labels: Sequence[str] = ()) -> Profile:
    """The profile of a sample and its predictions; the same input gives the same profile.

    Args:
        columns: N values each: numbers with NaN where one is missing, or objects, str or None. Of a model without
            features, an array [N, …] for each input.
        outputs: all outputs of the model for these rows, [N, …] each.
        labels: the classes, in the order of the probability columns.
    """
    arrays = [*columns.values(), *outputs.values()]
    return Profile(
        FORMAT,
        len(arrays[0]) if arrays else 0,
        tuple(_column(name, np.asarray(values)) for name, values in columns.items()),
        tuple(OutputProfile(name, _output(np.asarray(values), labels)) for name, values in outputs.items()),
    )


def _column(name: str, values: Array) -> ColumnProfile:
    several = values[:1].size > 1
    if values.dtype.kind in "OUS":
        return _texts(name, values.ravel().tolist(), several=several)
    return _numbers(name, "tensor" if several else "number", values)


def _output(values: Array, labels: Sequence[str]) -> tuple[ColumnProfile, ...]:
    if values.ndim != 2 or values.shape[1] > MOST_VALUES:
        return (_output_column("", values),)
    width = values.shape[1]
    names = list(labels) if len(labels) == width else [str(place) for place in range(width)]
    if _are_probabilities(values):
        return tuple(_probabilities(name, column) for name, column in zip(names, values.T, strict=True))
    return tuple(_output_column(name, column) for name, column in zip(names, values.T, strict=True))


def _output_column(name: str, values: Array) -> ColumnProfile:
    if values.ndim == 1 and values.dtype.kind in "biu" and len(np.unique(values)) <= MOST_VALUES:
        return _texts(name, [str(value) for value in values.tolist()])
    return _column(name, values)


def _are_probabilities(values: Array) -> bool:
    if values.dtype.kind != "f" or values.shape[1] < 2 or not np.isfinite(values).all():
        return False
    return bool((values >= 0).all() and np.allclose(values.sum(axis=1), 1, rtol=0, atol=1e-3))


def _probabilities(name: str, values: Array) -> ColumnProfile:
    ordered = np.sort(values.astype(np.float64))
    return msgspec.structs.replace(
        _described(name, "probability", ordered), histogram=Histogram(_TENTHS, _counts(ordered, _TENTHS))
    )


def _numbers(name: str, kind: str, values: Array) -> ColumnProfile:
    wide = values.astype(np.float64).ravel()
    ordered = np.sort(wide[~np.isnan(wide)])
    edges = _edges(ordered)
    # A tensor has several values a row: as many as five rows have must share a bin.
    least = LEAST * max(1, wide.size // max(1, len(values)))
    return msgspec.structs.replace(
        _described(name, kind, ordered),
        missing=wide.size - ordered.size,
        histogram=_joined(edges, _counts(ordered, edges), least),
    )


def _described(name: str, kind: str, ordered: Array) -> ColumnProfile:
    """A column's profile but for missing values and histogram; `ordered` is float64 [M], rising, without NaN."""
    finite = ordered[np.isfinite(ordered)]
    found = ColumnProfile(
        name,
        kind,
        integers=bool(finite.size) and bool((finite == np.floor(finite)).all()),
        constant=bool(ordered.size) and bool(ordered[0] == ordered[-1]),
    )
    if finite.size < LEAST:
        return found
    with np.errstate(over="ignore", invalid="ignore"):
        return msgspec.structs.replace(found, mean=_rounded(finite.mean()), deviation=_rounded(finite.std()))


def _rounded(value: Any) -> float | None:
    return float(f"{value:.4g}") if np.isfinite(value) else None


def _edges(ordered: Array) -> tuple[float, ...]:
    """The deciles of rising values, each rounded to a digit that is small beside its bins; none equals a value."""
    size = ordered.size
    if size < 2 * LEAST:
        return ()
    deciles = np.unique(ordered[[-(-size * part // BINS) - 1 for part in range(1, BINS)]])
    deciles = deciles[(np.abs(deciles) < _LARGEST) & (deciles < ordered[-1])]
    ends = ordered[[0, -1]]
    marks = np.unique(np.concatenate([deciles, ends[np.isfinite(ends)]]))
    with np.errstate(over="ignore"):
        gaps = np.diff(marks, prepend=-np.inf, append=np.inf)
    edges: list[float] = []
    for decile in deciles.tolist():
        place = int(np.searchsorted(marks, decile))
        edge = _aside(ordered, decile, float(min(gaps[place], gaps[place + 1])))
        if edge is not None and edge > (edges[-1] if edges else -math.inf):
            edges.append(edge)
    return tuple(edges)


def _aside(ordered: Array, decile: float, gap: float) -> float | None:
    """A short number near `decile` that is none of the values: at most half of `gap` away; None where there is none."""
    # Half of the gap at most, so that neighbours stay in order; a tenth of that at least, so that it tells of no value.
    exponent = math.floor(math.log10(min(max(gap, 1 / _LARGEST), _LARGEST) / 2))
    for part in _ASIDE:
        edge = round(round(decile, -exponent) + part * 10.0**exponent, 3 - exponent)
        place = int(np.searchsorted(ordered, edge))
        if math.isfinite(edge) and (place == ordered.size or ordered[place] != edge):
            return edge
    return None


def _counts(ordered: Array, edges: Sequence[float]) -> tuple[int, ...]:
    places = np.searchsorted(ordered, edges, side="right")
    return tuple(np.diff(places, prepend=0, append=ordered.size).tolist())


def _joined(edges: Sequence[float], counts: Sequence[int], least: int) -> Histogram:
    """The histogram without bins that hold fewer than `least`, unless it has only one."""
    kept: list[float] = []
    sums = [counts[0]]
    for edge, count in zip(edges, counts[1:], strict=True):
        if sums[-1] >= least:
            kept.append(edge)
            sums.append(0)
        sums[-1] += count
    if kept and sums[-1] < least:
        kept.pop()
        last = sums.pop()
        sums[-1] += last
    return Histogram(tuple(kept), tuple(sums))


def _texts(name: str, values: list[Any], *, several: bool = False) -> ColumnProfile:
    """The profile of texts; of `several` a row, whose counts are not of rows, only how long they are."""
    present = [value for value in values if isinstance(value, str)]
    missing = len(values) - len(present)
    counted = Counter(present)
    often = sorted(((-rows, value) for value, rows in counted.items() if rows >= LEAST))[:MOST_VALUES]
    kept = {value: -rows for rows, value in often}
    if several or (present and (not kept or 2 * len(counted) > len(present))):
        lengths = _numbers(name, "text", np.array([len(value) for value in present], np.float64))
        return msgspec.structs.replace(lengths, missing=missing, constant=False, integers=False)
    return ColumnProfile(
        name,
        "category",
        missing,
        constant=len(counted) == 1,
        values=kept,
        other=len(present) - sum(kept.values()),
    )
