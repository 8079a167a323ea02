"""What callers have → the rows of a request: DataFrames, records, columns and arrays, as JSON.

pandas, polars, pyarrow and numpy are known by what their objects can do, so none of them is imported.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any


def encode_instances(data: Any) -> bytes:
    """`{"instances": […]}` of V1's predict. Missing values are null, infinities are ±1e999, which is valid JSON.

    Args:
        data: a DataFrame (pandas, polars), a pyarrow Table, a sequence of mappings or of rows, a mapping of columns, a
            mapping of plain values (one row), or an array of two or more dimensions, rows first.

    Raises:
        TypeError: it is, or holds, nothing of these.
        ValueError: its columns differ in length, or it has no dimension for rows.
    """
    infinity = uuid.uuid4().hex  # json has no word for it: stands in its place, and is no text of the caller's
    document = {"instances": [_plain(row, infinity) for row in _rows(data)]}
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace(f'"{infinity}"', "1e999").replace(f'"-{infinity}"', "-1e999").encode("utf-8", "surrogatepass")


def _rows(data: Any) -> Sequence[Any]:
    if hasattr(data, "to_dicts"):  # polars
        return list(data.to_dicts())
    if hasattr(data, "to_pylist"):  # pyarrow
        return list(data.to_pylist())
    if hasattr(data, "iloc") and hasattr(data, "columns"):  # pandas; by position, since names may come twice
        names = [str(name) for name in data.columns]
        if len(set(names)) < len(names):
            raise ValueError("two columns of the DataFrame have the same name")
        columns = {name: data.iloc[:, at].tolist() for at, name in enumerate(names)}
        return _records(columns, len(data))
    if hasattr(data, "tolist") and hasattr(data, "ndim"):  # numpy
        if data.ndim < 2:
            raise ValueError(
                f"the array has {data.ndim} dimensions; expected rows first: reshape(1, -1) makes one row of it"
            )
        return list(data.tolist())
    if isinstance(data, Mapping):
        return _from_mapping(data)
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return data
    raise TypeError(
        f"data is {type(data).__name__}; expected a DataFrame, a list of dicts, a dict of columns or an array"
    )


def _from_mapping(data: Mapping[str, Any]) -> Sequence[Any]:
    columns = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in data.items()}
    is_column = {name: isinstance(value, Sequence) and not isinstance(value, str) for name, value in columns.items()}
    if not any(is_column.values()):
        return [columns]
    if not all(is_column.values()):
        scalar = next(name for name, known in is_column.items() if not known)
        raise ValueError(f"'{scalar}' is one value where others are columns")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns differ in length: {lengths}")
    return _records(columns, next(iter(lengths.values())))


def _records(columns: Mapping[str, Sequence[Any]], rows: int) -> list[dict[str, Any]]:
    return [{name: column[at] for name, column in columns.items()} for at in range(rows)]


def _plain(value: Any, infinity: str) -> Any:
    """`value` as json knows it."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if math.isinf(value):
            return infinity if value > 0 else f"-{infinity}"
        return None if math.isnan(value) else float(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item, infinity) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, infinity) for item in value]
    if type(value).__name__ in ("NAType", "NaTType"):  # pandas' words for a missing value
        return None
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return _plain(value.tolist(), infinity)
    if isinstance(value, Decimal):
        return _plain(float(value), infinity)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    raise TypeError(f"a value is {type(value).__name__}; expected text, a number, a boolean, a date or a missing value")
