"""Rows made up for a model: to see what it accepts, and which of two graphs is closer to it."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from despliegue.models.model import Array
from despliegue_cli.convert.columns import Trait
from despliegue_cli.convert.originals import Columns


class Probed(Protocol):
    """What is probed."""

    names: tuple[str, ...]

    def predict(self, columns: Columns) -> dict[str, Array]: ...  # noqa: D102


def rows(names: Sequence[str], traits: Sequence[Trait], number: int) -> Columns:
    """Usual values for each column, the same every time."""
    draw = np.random.default_rng(0)
    return {name: _values(trait, number, draw) for name, trait in zip(names, traits, strict=True)}


def missing_allowed(model: Probed, traits: Sequence[Trait]) -> list[bool]:
    """For each column, whether the original predicts a row where it is missing."""
    base = rows(model.names, traits, 1)
    everything = {name: _missing(trait) for name, trait in zip(model.names, traits, strict=True)}
    if _accepts(model, everything):
        return [True] * len(traits)
    numbers = {name: _missing(trait) for name, trait in zip(model.names, traits, strict=True) if not trait.text}
    if numbers and not _accepts(model, base | numbers) and not any(each.text or each.categories for each in traits):
        first = model.names[0]
        if not _accepts(model, base | {first: numbers[first]}):
            # One matrix for one estimator: it checks all of it alike.
            return [False] * len(traits)
    return [_accepts(model, base | {name: _missing(trait)}) for name, trait in zip(model.names, traits, strict=True)]


def _accepts(model: Probed, columns: Columns) -> bool:
    try:
        model.predict(columns)
    except Exception:  # every library has its own
        return False
    return True


def _missing(trait: Trait) -> Array:
    return np.array([None], object) if trait.text else np.array([np.nan])


def _values(trait: Trait, number: int, draw: Any) -> Array:
    if trait.words:
        texts = [" ".join(draw.choice(trait.categories, 8)) for _ in range(number)]
        return np.array(texts, object)
    if trait.categories:
        picked = [trait.categories[place] for place in draw.integers(0, len(trait.categories), number)]
        return np.array(picked, object if trait.text else np.float64)
    if trait.text:
        return np.array([""] * number, object)
    return np.asarray(trait.center + trait.spread * draw.normal(size=number))
