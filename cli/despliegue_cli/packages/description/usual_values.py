"""What callers are told of a feature's values: where numbers usually lie, and texts to choose from. Nobody's row.

A range is the middle 95 % of a column, as laboratories give reference intervals (CLSI EP28-A3c), rounded outwards to
two digits of its width: before that, at least five rows lie at each bound or beyond it. A choice is a category that
at least five rows share and that is in the graph, as for the public example. No count and no order is told.
"""

import math
from collections.abc import Collection, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

import msgspec
import numpy as np

from despliegue.models.manifest import MOST_CHARACTERS, Feature
from despliegue.models.model import Array
from despliegue.monitoring import Profile
from despliegue.monitoring.profile import LEAST, MOST_VALUES

FEWEST: Final = 100
"""Numbers that say what is usual."""
_BEYOND: Final = 0.025
"""Part of the numbers that lies at either end of the range or beyond it."""


def with_usual_values(
    features: Collection[Feature], columns: Mapping[str, Array], profile: Profile, texts: Collection[str]
) -> tuple[Feature, ...]:
    """The features with `usual` and `choices` where a sample tells them.

    Args:
        features: of kind `number` or `category`; a category of numbers is left as it is.
        columns: the sample, N values by feature: numbers with NaN, or objects, where one is missing.
        profile: of that sample.
        texts: that are public: those in the graph. Any other may be what a person wrote.
    """
    return tuple(_told(feature, columns.get(feature.name), profile, texts) for feature in features)


def _told(feature: Feature, values: Array | None, profile: Profile, texts: Collection[str]) -> Feature:
    if values is None:
        return feature
    if values.dtype.kind in "fiu" and feature.kind == "number":
        found = _range(values)
        return msgspec.structs.replace(feature, usual=found) if found else feature
    choices = _choices(feature, profile, texts)
    return msgspec.structs.replace(feature, choices=choices) if choices else feature


def _range(values: Array) -> tuple[float, float] | None:
    """The bounds; None where numbers are few, or nearly all are one."""
    ordered = np.sort(values[np.isfinite(values)])
    if ordered.size < FEWEST:
        return None
    place = max(LEAST, math.ceil(_BEYOND * ordered.size)) - 1
    # As they are written: in binary, 20.8 of float32 is a little less, and 1.1 × 10 a little more than 11.
    low, high = (Decimal(str(ordered[at])) for at in (place, -1 - place))
    if low == high:
        return None
    unit = Decimal(1).scaleb((high - low).adjusted() - 1)
    rounded = float(low.quantize(unit, ROUND_FLOOR)) + 0.0, float(high.quantize(unit, ROUND_CEILING)) + 0.0
    return rounded if all(map(math.isfinite, rounded)) else None  # + 0.0 makes negative zero zero


def _choices(feature: Feature, profile: Profile, texts: Collection[str]) -> tuple[str, ...]:
    """The categories, in alphabetical order; none where they may be more than are counted, or are no short words."""
    column = profile.feature(feature.name)
    if column is None or (len(column.values) == MOST_VALUES and column.other):
        return ()
    found = [text for text in column.values if text in texts and text not in ("", feature.missing)]
    return () if any(len(text) > MOST_CHARACTERS for text in found) else tuple(sorted(found))
