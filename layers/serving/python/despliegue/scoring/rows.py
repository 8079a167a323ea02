"""Rows → predictions, all at once where they fit, and where they do not, only those rejected that do not."""

from collections.abc import Iterator
from typing import Any, Final, Protocol, Self

import msgspec

from despliegue.errors import InferenceError, InvalidRequest
from despliegue.features import Schema
from despliegue.models import Model
from despliegue.models.model import Array
from despliegue.scoring.counts import BadRow, Counts, Reject

_ONE_BY_ONE: Final = 16
"""So few rows are looked at one by one; more are halved until those at fault are found."""

type Outputs = dict[str, Array]
"""A model's outputs by name, [N, …] each."""


class Sliceable(Protocol):
    """Rows that can be counted and halved."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: slice, /) -> Self: ...


class Table[Rows: Sliceable](Protocol):
    """A format's rows, as far as scoring needs to know them."""

    schema: Schema

    def arrays(self, rows: Rows) -> dict[str, Array]:
        """The model's inputs, at full speed.

        Raises:
            InvalidRequest: some row does not fit.
        """

    def values(self, rows: Rows, at: int) -> dict[str, Any]:
        """The value of each feature in one row, as JSON would have it; a feature may be left out.

        Raises:
            BadRow: the row cannot be read.
        """

    def pick(self, rows: Rows, wanted: list[int]) -> Rows:
        """Only the rows at these places."""

    def raw(self, rows: Rows, at: int) -> str:
        """One row as it came."""


class Scored[Rows](msgspec.Struct):
    """A part of a file.

    Attributes:
        pieces: the rows that were scored, in order, and the model's outputs for each piece.
        rejects: the others.
    """

    pieces: list[tuple[Rows, Outputs]] = []
    rejects: list[Reject] = []


def score_rows[Rows: Sliceable](model: Model, table: Table[Rows], rows: Rows, first: int) -> Scored[Rows]:
    """Score rows.

    Args:
        model: the model.
        table: the format that they are of.
        rows: N of them, at least one.
        first: the number of the first, from 1.
    """
    scored: Scored[Rows] = Scored()
    for start, part, outputs in _parts(model, table, rows, 0):
        if outputs is not None:
            scored.pieces.append((part, outputs))
        else:
            _score_carefully(model, table, part, first + start, scored)
    return scored


def count(scored: Scored[Any]) -> Counts:
    """How many rows these are."""
    done = sum(len(rows) for rows, _ in scored.pieces)
    return Counts(done + len(scored.rejects), done, len(scored.rejects))


def run(model: Model, arrays: dict[str, Array]) -> Outputs:
    """All outputs of the model."""
    names = list(model.signature.outputs)
    return dict(zip(names, model.run(arrays, names), strict=True))


def _parts[Rows: Sliceable](
    model: Model, table: Table[Rows], rows: Rows, start: int
) -> Iterator[tuple[int, Rows, Outputs | None]]:
    """The rows in parts that fit as a whole, with their outputs, and small ones that do not, without."""
    try:
        yield start, rows, run(model, table.arrays(rows))
    except (InvalidRequest, InferenceError):
        if len(rows) <= _ONE_BY_ONE:
            yield start, rows, None
            return
        middle = len(rows) // 2
        yield from _parts(model, table, rows[:middle], start)
        yield from _parts(model, table, rows[middle:], start + middle)


def _score_carefully[Rows: Sliceable](
    model: Model, table: Table[Rows], rows: Rows, first: int, scored: Scored[Rows]
) -> None:
    """Score or reject each row for itself."""
    for at in range(len(rows)):
        try:
            values = table.values(rows, at)
            for name, column in table.schema.columns.items():
                value = values.get(name, msgspec.UNSET)
                if (name in values or not column.optional) and (problem := column.problem(value)):
                    raise BadRow(f"feature '{name}' {problem}", name)
            columns = {name: [values.get(name, msgspec.UNSET)] for name in table.schema.columns}
            outputs = run(model, table.schema.arrays_from_columns(columns))
        except BadRow as error:
            scored.rejects.append(Reject(first + at, error.field, error.reason, table.raw(rows, at)))
        except (InvalidRequest, InferenceError) as error:
            scored.rejects.append(Reject(first + at, error.subject, str(error), table.raw(rows, at)))
        else:
            scored.pieces.append((table.pick(rows, [at]), outputs))
