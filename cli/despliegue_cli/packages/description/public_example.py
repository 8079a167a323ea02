"""A row that may be shown to anyone: made from the profile, and nobody's, unless its owner publishes one."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np

from despliegue.errors import DespliegueError
from despliegue.features import Column, Schema
from despliegue.models import Datatype, Model
from despliegue.models.model import Array
from despliegue.monitoring import ColumnProfile, Profile
from despliegue.scoring.rows import run
from despliegue_cli.proof.rows import Rows

MOST_VALUES: Final = 1_000
"""Values of an example; an image is too long for a manifest and for a line to paste."""

type Example = dict[str, Any]
"""As `Manifest.example`: nested values for each input, of one row."""


def example(model: Model, profile: Profile | None, texts: Collection[str] = ()) -> Example:
    """An example that no one's data is in: of each column what is usual there, else zeros and empty strings.

    A number is the middle, in few digits, of the bin that the median lies in; a category is the most frequent one among
    `texts`, which are public: those in the graph. Any other, however often it comes, may be what a person wrote.

    Returns:
        What the model predicts something for; empty where it has bfloat16 inputs or over a thousand values, fails on
        every such row, or answers with NaN.

    Raises:
        ModelNotReady: the manifest's features do not fit the inputs.
    """
    zeros = model.zeros()
    if not model.in_json or sum(array.size for array in zeros.values()) > MOST_VALUES:
        return {}
    if model.media_types:
        return {name: array.tolist() for name, array in zeros.items()}
    schema = Schema.read(model.signature, model.manifest)
    for known in ([profile] if profile is not None else []) + [None]:
        if schema.columns:
            found = _of_values(
                schema,
                {
                    name: _usual(column.datatype, known, name, texts, column.missing)
                    for name, column in required(schema).items()
                },
            )
        else:
            found = {
                name: np.full(
                    array.shape, _usual(model.signature.inputs[name].datatype, known, name, texts), object
                ).tolist()
                for name, array in zeros.items()
            }
        if _is_answered(model, found):
            return found
    return {}


def published_example(model: Model, rows: Rows) -> Example:
    """The first row of the sample as it is, for who wants it shown; empty where it cannot be an example.

    Raises:
        ModelNotReady: the manifest's features do not fit the inputs.
    """
    schema = Schema.read(model.signature, model.manifest)
    if not model.in_json or not len(rows.made_up) or rows.made_up[0]:
        return {}
    if schema.columns:
        columns = required(schema)
        if not set(columns) <= set(rows.columns):
            return {}
        found = _of_values(schema, {name: _given(column, rows.columns[name][0]) for name, column in columns.items()})
    else:
        found = {name: values[0 if model.media_types else slice(1)].tolist() for name, values in rows.columns.items()}
    return found if _is_answered(model, found) else {}


def required(schema: Schema) -> dict[str, Column]:
    """The columns that an example has a value for."""
    return {name: column for name, column in schema.columns.items() if not column.optional}


def _of_values(schema: Schema, values: Mapping[str, Any]) -> Example:
    """The example whose features have these values."""
    if schema.matrix is not None:
        return {schema.matrix.name: [list(values.values())]}
    return {name: [value] if len(schema.inputs[name].shape) < 2 else [[value]] for name, value in values.items()}


def _is_answered(model: Model, example: Example) -> bool:
    try:
        # Null becomes NaN here, as it does in the protocol; where that cannot be, it is a TypeError.
        arrays = {name: np.array(data, model.signature.inputs[name].datatype.dtype) for name, data in example.items()}
        if sum(array.size for array in arrays.values()) > MOST_VALUES or not all(map(_is_sendable, arrays.values())):
            return False
        outputs = run(model, arrays)
    except (DespliegueError, TypeError):
        return False
    return not any(array.dtype.kind == "f" and np.isnan(array).any() for array in outputs.values())


def _is_sendable(array: Array) -> bool:
    """Whether JSON holds it: infinity it does not."""
    return array.dtype.kind != "f" or not bool(np.isinf(array).any())


def _given(column: Column, value: Any) -> Any:
    """A value of the sample as a request has it: null for NaN, the marker for what else is missing."""
    if value is None or value != value:
        value = column.missing
    if value is None or value != value:
        return None
    return str(value) if column.datatype.kind == "O" else _fitted(float(value), column.datatype)


def _usual(datatype: Datatype, profile: Profile | None, name: str, texts: Collection[str], missing: Any = None) -> Any:
    """What is usual for a column or input; zero, false or an empty string where nothing is known."""
    column = profile.feature(name) if profile is not None else None
    if datatype.kind != "O":
        value = _fitted(_middle(column) if column is not None else 0.0, datatype)
        return int(value) if datatype.kind == "f" and column is not None and column.integers else value
    if column is None:
        return ""
    other = "" if column.kind == "category" and missing is not None else "text"
    return next((value for value in column.values if value in texts), other)


def _fitted(value: float, datatype: Datatype) -> Any:
    """A number as the datatype has it."""
    if datatype.kind == "b":
        return value >= 0.5
    if datatype.kind == "f":
        return value
    limits = np.iinfo(datatype.dtype)  # type: ignore[type-var]
    return min(max(round(value), int(limits.min)), int(limits.max))


def _middle(column: ColumnProfile) -> float:
    """A short number in the middle of the bin that the median lies in."""
    if column.histogram is None or not column.histogram.edges:
        return column.mean or 0.0
    edges, counts = column.histogram.edges, column.histogram.counts
    place = int(np.searchsorted(np.cumsum(counts), sum(counts) / 2))
    # Of a bin that is open at one end only the other is known.
    if place == 0:
        return float(math.floor(edges[0])) if column.integers else edges[0]
    if place == len(edges):
        return float(math.ceil(edges[-1])) if column.integers else edges[-1]
    low, high = edges[place - 1], edges[place]
    return _shortest(low, high, most=0 if column.integers else 20)


def _shortest(low: float, high: float, most: int) -> float:
    """The number of fewest digits near the middle of `low` and `high`, and between them; `most` after the point."""
    first = -math.floor(math.log10(high - low)) - 1
    for digits in range(min(first, most), most + 1):
        value = round((low + high) / 2, digits)
        if low < value <= high:
            return value + 0.0  # no negative zero
    return float(math.floor(high))
