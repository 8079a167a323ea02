"""Rows → predictions, all at once where they fit, and where they do not, only those rejected that do not."""

from typing import Any, Final, Protocol, Self

import msgspec
import numpy as np

from despliegue.errors import DespliegueError, InferenceError, InvalidRequest, NotSupported
from despliegue.features import Schema
from despliegue.models import Model
from despliegue.models.model import Array
from despliegue.scoring.counts import BadRow, Counts, Reject

_ONE_BY_ONE: Final = 16
"""So few rows are looked at one by one without a glance at them."""

type Outputs = dict[str, Array]
"""A model's outputs by name, [N, …] each."""


type _Found = tuple[list[int], Outputs]
"""Places of rows, and the model's outputs for them."""


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

    def suspects(self, rows: Rows) -> list[int]:
        """The places of rows that a glance cannot take for fitting; found when some row of them does not."""

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
    """Score rows: all at once if they fit; else without those that look as if they did not; else in halves.

    Args:
        model: the model.
        table: the format that they are of.
        rows: N of them.
        first: the number of the first, from 1.
    """
    if (outputs := _attempt(model, table, rows)) is not None:
        return Scored([(rows, outputs)], [])
    suspects = table.suspects(rows) if len(rows) > _ONE_BY_ONE else list(range(len(rows)))
    others = sorted(set(range(len(rows))).difference(suspects))
    found: list[_Found] = []
    if others:
        outputs = _attempt(model, table, table.pick(rows, others)) if suspects else None
        if outputs is None:
            middle = len(rows) // 2
            before = score_rows(model, table, rows[:middle], first)
            after = score_rows(model, table, rows[middle:], first + middle)
            return Scored(before.pieces + after.pieces, before.rejects + after.rejects)
        found.append((others, outputs))
    rejects: list[Reject] = []
    found += _look_at_each(model, table, rows, suspects, first, rejects)
    return Scored([_together(table, rows, found)] if found else [], rejects)


def count(scored: Scored[Any]) -> Counts:
    """How many rows these are."""
    done = sum(len(rows) for rows, _ in scored.pieces)
    return Counts(done + len(scored.rejects), done, len(scored.rejects))


def run(model: Model, arrays: dict[str, Array]) -> Outputs:
    """All outputs of the model."""
    names = list(model.signature.outputs)
    return dict(zip(names, model.run(arrays, names), strict=True))


def _attempt[Rows: Sliceable](model: Model, table: Table[Rows], rows: Rows) -> Outputs | None:
    """The outputs for all rows; None where one of them does not fit."""
    try:
        return run(model, table.arrays(rows))
    except (InvalidRequest, InferenceError):
        return None


def _look_at_each[Rows: Sliceable](
    model: Model, table: Table[Rows], rows: Rows, suspects: list[int], first: int, rejects: list[Reject]
) -> list[_Found]:
    """Look at each of the suspects, reject those that do not fit, and score the others."""
    fitting: dict[int, dict[str, Any]] = {}
    faults: list[tuple[int, str | None, str]] = []
    for at in suspects:
        try:
            fitting[at] = _checked(table.schema, table.values(rows, at))
        except BadRow as error:
            faults.append((at, error.field, error.reason))
    found, refusal = _run_all(model, table.schema, fitting)
    if refusal:
        # One that fits is refused all the same, by the model itself, and must not take the others with it.
        for at, values in fitting.items():
            outputs, refusal = _run_all(model, table.schema, {at: values})
            found += outputs
            faults += [(at, refusal.subject, str(refusal))] if refusal else []
    for at, field, reason in sorted(faults, key=lambda fault: fault[0]):
        rejects.append(Reject(first + at, field, reason, table.raw(rows, at)))
    return found


def _checked(schema: Schema, values: dict[str, Any]) -> dict[str, Any]:
    """A value for each column, each of its kind.

    Raises:
        BadRow: one is not.
    """
    for name, column in schema.columns.items():
        problem = column.problem(values.get(name, msgspec.UNSET))
        if problem and (name in values or not column.optional):
            raise BadRow(f"feature '{name}' {problem}", name)
    return {name: values.get(name, msgspec.UNSET) for name in schema.columns}


def _run_all(
    model: Model, schema: Schema, fitting: dict[int, dict[str, Any]]
) -> tuple[list[_Found], DespliegueError | None]:
    """The outputs for rows of values, by their places; or why the model refuses them."""
    if not fitting:
        return [], None
    columns = {name: [values[name] for values in fitting.values()] for name in schema.columns}
    try:
        return [(list(fitting), run(model, schema.arrays_from_columns(columns)))], None
    except (InvalidRequest, InferenceError) as error:
        return [], error


def _together[Rows: Sliceable](table: Table[Rows], rows: Rows, found: list[_Found]) -> tuple[Rows, Outputs]:
    """What was found here and there, in the rows' own order."""
    places = np.concatenate([places for places, _ in found])
    order = np.argsort(places)
    try:
        outputs = {name: np.concatenate([outputs[name] for _, outputs in found])[order] for name in found[0][1]}
    except (ValueError, IndexError):
        raise NotSupported("the model's outputs do not have a value for each row") from None
    return table.pick(rows, places[order].tolist()), outputs
