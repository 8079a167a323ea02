"""Rows that nobody has: missing values, boundaries and unseen categories, in rows that are else as the sample's.

They hold only what a request may hold, so that a difference on them is one that a caller would meet. The same model and
sample give the same rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from despliegue.features import Column, Schema
from despliegue.models import Model
from despliegue.models.model import Array
from despliegue_cli.proof.made_up_arrays import made_up_arrays
from despliegue_cli.proof.made_up_values import STEPS, Kind, float32_neighbours, may_come, usual, values_to_try
from despliegue_cli.proof.rows import Rows, spread, typed

_MOST: Final = 360
"""Rows in which one column differs; of wide tables, a part of all such rows."""
_BASES: Final = 8
_NEAR: Final = 3
"""Rows of the sample whose values each column is tried next to."""

type _Row = tuple[str, int, dict[str, Any]]
"""What a row is, the base that it is like, and the values that it has instead."""


def made_up(model: Model, sample: Rows | None = None, graph: Path | None = None) -> Rows:
    """Rows to compare a package with its original on, beside those of a sample; no more than 500.

    Args:
        model: whose features or inputs they are.
        sample: rows to be like, and next to.
        graph: the model's ONNX file, whose categories and thresholds are tried too.
    """
    schema = Schema.read(model.signature, model.manifest)
    if schema.columns:
        kinds = {each.name: each.kind for each in model.manifest.features}
        columns = {
            name: column
            for name, column in schema.columns.items()
            if not column.optional or (sample is not None and name in sample.columns)
        }
        return _of_columns(columns, kinds, sample, graph)
    named = _positional(schema, sample)
    if named is None:
        return made_up_arrays(schema, sample)
    matrix = next(iter(schema.inputs))
    split = None
    if sample is not None:
        split = Rows(dict(zip(named.columns, sample.columns[matrix].T, strict=True)), sample.places, sample.made_up)
    rows = _of_columns(named.columns, {}, split, graph)
    return Rows(named.arrays_from_columns(rows.columns), rows.places, rows.made_up)


def _positional(schema: Schema, sample: Rows | None) -> Schema | None:
    """The schema with names for the columns of a matrix that has none; None where its inputs are no such thing."""
    spec = schema.single
    if spec is None or len(schema.inputs) > 1 or len(spec.shape) != 2 or not spec.datatype.in_json:
        return None
    width = spec.shape[1] if sample is None else sample.columns[spec.name].shape[1]
    return schema.positional([f"column {number:,}" for number in range(1, width + 1)]) if width > 0 else None


def _of_columns(
    columns: Mapping[str, Column], kinds: Mapping[str, str], sample: Rows | None, graph: Path | None
) -> Rows:
    known: Mapping[str, Sequence[Any]] = {}
    thresholds: Mapping[str, Sequence[float]] = {}
    if graph is not None:
        from despliegue_cli.proof.graph_values import graph_values  # here: it needs onnx

        found = graph_values(graph, list(columns))
        known, thresholds = found.categories, found.thresholds
    bases: dict[str, list[Any]] = {}
    tried: dict[str, dict[str, Any]] = {}
    for name, column in columns.items():
        values = sample.columns[name] if sample is not None else np.empty(0)
        kind: Kind = "category" if kinds.get(name) == "category" or column.datatype.kind == "O" else "number"
        bases[name] = _bases(column, kind, values, known.get(name, ()), thresholds.get(name, ()))
        tried[name] = {
            what: value
            for what, value in values_to_try(column, kind, values, known.get(name, ()))
            if may_come(column, value)
        }
    labels = _labels(sample)
    numbers = {
        name: column
        for name, column in columns.items()
        if column.datatype.kind == "f" and kinds.get(name) != "category"
    }
    stepped = list(_stepped(numbers, bases, labels))
    single = [(f"{name} {what}", 0, {name: value}) for name, each in tried.items() for what, value in each.items()]
    single += [row for row in stepped if len(row[2]) == 1]
    single += _at_thresholds(numbers, thresholds, len(labels))
    # Those like the sample's own rows are not made up unless something is changed in them.
    rows: list[_Row] = [(label, at, {}) for at, label in enumerate(labels) if sample is None or at == 0]
    rows += [*_all_at_once(tried), *(row for row in stepped if len(row[2]) > 1), *_some(single, _MOST)]
    return _filled(columns, bases, rows)


def _labels(sample: Rows | None) -> list[str]:
    """What each of the base rows is."""
    if sample is None:
        return [f"usual row {number}" for number in range(1, _BASES + 1)]
    return ["the usual row", *(sample.places[at] for at in spread(len(sample), _BASES - 1))]


def _bases(column: Column, kind: Kind, values: Array, known: Sequence[Any], thresholds: Sequence[float]) -> list[Any]:
    """The feature's value in each base row: its usual one, then the sample's, or what the graph knows."""
    if len(values):
        return [usual(column, kind, values), *values[spread(len(values), _BASES - 1)].tolist()]
    if kind == "number" and thresholds:
        known = [thresholds[at] for at in spread(len(thresholds), _BASES)]
    elif kind == "number":
        known = [0.0, 1.0, -1.0, 0.5, 10.0, -10.0, 100.0, 1000.0]
    fitting = [value for value in known if may_come(column, value)] or [usual(column, kind, values)]
    return [fitting[at % len(fitting)] for at in range(_BASES)]


def _stepped(
    numbers: Mapping[str, Column], bases: Mapping[str, Sequence[Any]], labels: Sequence[str]
) -> Iterator[_Row]:
    """Base rows with one number, or each, moved to what float32 would round it to, and the like."""
    moved: dict[tuple[int, int], dict[str, float]] = {}
    for name, column in numbers.items():
        for base, value in enumerate(bases[name]):
            for step, near in enumerate(float32_neighbours(value)):
                if may_come(column, near):
                    moved.setdefault((base, step), {})[name] = near
    for (base, step), values in moved.items():
        if len(values) > 1:
            yield f"{labels[base]}, each number {STEPS[step]}", base, values
        if base in spread(len(labels), _NEAR):
            for name, value in values.items():
                yield f"{labels[base]}, {name} {STEPS[step]}", base, {name: value}


def _at_thresholds(
    numbers: Mapping[str, Column], thresholds: Mapping[str, Sequence[float]], bases: int
) -> Iterator[_Row]:
    """Base rows with a number at a tree's threshold, or next to it."""
    for name, column in numbers.items():
        found = thresholds.get(name, ())
        for at in spread(len(found), _BASES):
            split = found[at]
            for value in (split, *float32_neighbours(split), *np.nextafter(split, (-np.inf, np.inf)).tolist()):
                if may_come(column, value):
                    yield f"{name} at {value!r}, near a threshold", at % bases, {name: value}


def _all_at_once(tried: Mapping[str, Mapping[str, Any]]) -> list[_Row]:
    """Rows in which every column that can is missing, unseen, at its largest, and so on."""
    found: dict[str, dict[str, Any]] = {}
    for name, values in tried.items():
        for what, value in values.items():
            found.setdefault(what, {})[name] = value
    return [(f"every column {what}", 0, values) for what, values in found.items() if len(values) > 1][: _MOST // 6]


def _some(rows: list[_Row], most: int) -> list[_Row]:
    """Some of the rows, of all columns and kinds alike, in order."""
    # Multiples of the golden ratio's 32 bits: as good as drawn, and the same everywhere.
    order = sorted(range(len(rows)), key=lambda at: at * 2_654_435_769 % 2**32)
    return [rows[at] for at in sorted(order[:most])]


def _filled(columns: Mapping[str, Column], bases: Mapping[str, Sequence[Any]], rows: Sequence[_Row]) -> Rows:
    values = {name: [bases[name][base] for _, base, _ in rows] for name in columns}
    for at, (_, _, instead) in enumerate(rows):
        for name, value in instead.items():
            values[name][at] = value
    found = {name: typed(column, values[name]) for name, column in columns.items()}
    return Rows(found, tuple(place for place, _, _ in rows), np.ones(len(rows), bool))
