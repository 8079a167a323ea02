"""Columns as the original was trained on them: a DataFrame, a matrix, or a list of texts."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from despliegue.models.model import Array
from despliegue_cli.convert.columns import Trait
from despliegue_cli.convert.originals import Columns


def original_table(names: Sequence[str], traits: Sequence[Trait], columns: Columns, *, named: bool) -> Any:
    """What the original's `predict` takes.

    Args:
        names: of the columns, in order.
        traits: of each.
        columns: see `originals.Columns`.
        named: whether it was trained on a DataFrame.
    """
    rows = len(next(iter(columns.values())))
    absent = np.full(rows, np.nan)  # what the original drops
    values = [_column(columns.get(name, absent), trait) for name, trait in zip(names, traits, strict=True)]
    if named or any(trait.dtype for trait in traits):
        import pandas as pd

        table = {
            name: _categorical(pd.Series(each, dtype=each.dtype), trait)
            if trait.dtype
            else pd.Series(each, dtype=each.dtype)
            for name, each, trait in zip(names, values, traits, strict=True)
        }
        return pd.DataFrame(table)
    if len(traits) == 1 and traits[0].words:
        return values[0].tolist()
    return np.column_stack(values)


def _categorical(values: Any, trait: Trait) -> Any:
    """Pandas' categories; what is none of them is missing, as in pandas until its version 4 refuses it."""
    import pandas as pd

    return pd.Categorical(values.where(values.isin(trait.categories)), categories=list(trait.categories))


def _column(values: Array, trait: Trait) -> Array:
    if not trait.text:
        return values
    filled = np.array(values, object)
    filled[[value is None for value in values]] = trait.missing
    return filled


def spaced(names: Iterable[str], sample: Iterable[str]) -> tuple[str, ...]:
    """LightGBM's names as the sample has them: LightGBM writes a space as an underscore."""
    known = {name.replace(" ", "_"): name for name in sample}
    return tuple(known.get(name, str(name)) for name in names)
