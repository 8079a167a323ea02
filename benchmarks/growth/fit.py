"""From measured points to how they grow: an exponent, and cost = a + b·n^k. Measures nothing."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks import report

_EXPONENTS = np.arange(0.05, 2.005, 0.01)
_GROWS = 1.5
"""Below this ratio of the largest cost to the smallest, a curve is flat, and no k can be told from another."""


class Curve(NamedTuple):
    """Cost over size.

    Attributes:
        name: what was measured.
        unit: of the cost.
        points: size and median cost, by size.
    """

    name: str
    unit: str
    points: list[tuple[float, float]]

    @property
    def growth(self) -> float:
        """The cost of the largest size as a multiple of the smallest's."""
        return self.points[-1][1] / self.points[0][1]


class Law(NamedTuple):
    """`cost = a + b·n^k`, and by how much it misses the worst point."""

    a: float
    b: float
    k: float
    error: float


def median(name: str, unit: str, samples: Sequence[tuple[float, Sequence[float]]]) -> Curve:
    """A curve of medians: size and its samples, round by round."""
    return Curve(name, unit, [(size, statistics.median(taken)) for size, taken in samples])


def exponent(points: Sequence[tuple[float, float]], decades: float = 1.0) -> float | None:
    """The slope of log cost over log size, by least squares, over the last decades of size.

    1 is linear. A cost with a constant part has a lower one where that part still shows. None where fewer than two
    points have a cost above nothing, as a difference of noisy figures may not.
    """
    least = points[-1][0] / 10**decades * 0.999
    chosen = [(math.log(size), math.log(cost)) for size, cost in points if size >= least and cost > 0]
    if len(chosen) < 2:
        return None
    sizes, costs = zip(*chosen, strict=True)
    return statistics.linear_regression(sizes, costs).slope


def law(points: Sequence[tuple[float, float]]) -> Law | None:
    """The constant part and the growing one, by least squares of relative errors; None where the cost does not grow.

    For each k it is a linear problem in a and b; the best of a grid of k is taken. Neither part may be negative.
    """
    sizes, costs = (np.array(column, float) for column in zip(*points, strict=True))
    if len(points) < 4 or costs.min() <= 0 or costs.max() < _GROWS * costs.min():
        return None
    best: Law | None = None
    least = math.inf
    for k in _EXPONENTS:
        terms = np.stack([np.ones_like(sizes), sizes**k]) / costs
        (a, b), *_ = np.linalg.lstsq(terms.T, np.ones_like(costs))
        if a < 0:
            a, b = 0.0, terms[1].sum() / (terms[1] ** 2).sum()
        misses = np.abs(a * terms[0] + b * terms[1] - 1)
        if b > 0 and (loss := float((misses**2).sum())) < least:
            least, best = loss, Law(float(a), float(b), float(k), float(misses.max()))
    return best


def row(curve: Curve) -> report.Row:
    """What is said of a curve in the table of all of them."""
    (first, _), (last, most) = curve.points[0], curve.points[-1]
    found = law(curve.points) if curve.unit != "/s" else None
    return {
        "curve": curve.name,
        "from": f"{first:,g}",
        "to": f"{last:,g}",
        "costs": f"{_digits(curve.points[0][1])}–{_digits(most)} {curve.unit}",
        "growth ×": curve.growth,
        "exponent": exponent(curve.points),
        "over": f"{max(first, last / 10):,g}–{last:,g}",
        "a": _digits(found.a) if found else None,
        "b": _digits(found.b) if found else None,
        "k": found.k if found else None,
        "worst error": f"{found.error:.0%}" if found else None,
    }


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
