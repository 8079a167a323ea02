"""Rows to predict, by column: as an original takes them, and as the inputs of its package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import numpy as np

from despliegue.errors import DespliegueError
from despliegue.features import Column, Schema
from despliegue.models import Model
from despliegue.models.model import Array

MOST_VALUES: Final = 20_000_000
"""Of all rows of a sample together: the original gets them in one message."""


@dataclass(frozen=True)
class Rows:
    """Rows to predict.

    Attributes:
        columns: as `Converted.predict` takes them: by feature, float64 [N] with NaN, or objects [N], strings with None,
            where one is missing; integers and booleans as they are. Of a model without features, an array [N, …] for
            each input.
        places: what each row is, for messages: `row 17`, by its number in the file from 1, or `city unseen`.
        made_up: whether it is of nobody's data, bool [N].
        skipped: rows of the file that cannot be read or do not fit the features, and so are not among these.
        reason: why the first of them was skipped.
    """

    columns: dict[str, Array]
    places: tuple[str, ...]
    made_up: Array
    skipped: int = 0
    reason: str = ""

    def __len__(self) -> int:
        return len(self.places)

    def pick(self, wanted: Array) -> Self:
        """Only some of the rows, by their numbers from 0 or a bool for each."""
        columns = {name: values[wanted] for name, values in self.columns.items()}
        places = np.array(self.places, object)[wanted].tolist()
        return type(self)(columns, tuple(places), self.made_up[wanted], self.skipped, self.reason)

    def with_more(self, others: Self) -> Self:
        """These rows, then others of the same model."""
        columns = {name: np.concatenate([values, others.columns[name]]) for name, values in self.columns.items()}
        made_up = np.concatenate([self.made_up, others.made_up])
        return type(self)(columns, self.places + others.places, made_up, self.skipped, self.reason)


def arrays(model: Model, columns: Mapping[str, Array]) -> dict[str, Array]:
    """The model's inputs for such columns.

    Raises:
        InvalidRequest: a value does not fit.
    """
    schema = Schema.read(model.signature, model.manifest)
    if schema.columns:
        return schema.arrays_from_columns(columns)
    inputs = model.signature.inputs
    return {name: values.astype(inputs[name].datatype.dtype, copy=False) for name, values in columns.items()}


def typed(column: Column, values: Sequence[Any]) -> Array:
    """A feature's values, None and NaN where one is missing, as `Rows` has them."""
    kind = column.datatype.kind
    if kind == "O":
        texts = np.empty(len(values), object)
        # A text that stands for a missing one is one: `Schema` would not tell the two apart.
        texts[:] = [value if isinstance(value, str) and value != column.missing else None for value in values]
        return texts
    if kind == "f" or any(value is None or value != value for value in values):
        return np.array([np.nan if value is None else value for value in values], np.float64)
    return np.array(values, column.datatype.dtype)


def fitting(
    raw: Mapping[str, Sequence[Any]],
    columns: Mapping[str, Column],
    numbers: Sequence[int],
    total: int,
    reason: str,
    path: Path,
) -> Rows:
    """The rows whose values fit the features, as the scorer judges.

    Args:
        raw: the values by feature.
        columns: the features.
        numbers: the rows' numbers in the file.
        total: how many rows were looked at.
        reason: why one of them cannot be read.
        path: of the sample.

    Raises:
        DespliegueError: there are none.
    """
    fits = np.ones(len(numbers), bool)
    for name, values in raw.items():
        for at, value in enumerate(values):
            if problem := columns[name].problem(value):
                reason = reason or f"row {numbers[at]:,}: feature '{name}' {problem}"
                fits[at] = False
    if not fits.any():
        raise DespliegueError(
            f"no row of the sample {path} can be used: {reason}" if total else f"the sample {path} has no rows"
        )
    kept = np.flatnonzero(fits).tolist()
    found = {
        name: typed(columns[name], [None if values[at] is msgspec.UNSET else values[at] for at in kept])
        for name, values in raw.items()
    }
    places = tuple(f"row {numbers[at]:,}" for at in kept)
    return Rows(found, places, np.zeros(len(kept), bool), total - len(kept), reason)


def spread(length: int, most: int) -> list[int]:
    """At most so many places, evenly spread, the first and the last among them."""
    return sorted(set(np.linspace(0, length - 1, min(length, most)).round().astype(int).tolist())) if length else []
