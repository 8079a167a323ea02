"""Scored files as columns, to see that every way gives the same before any is measured."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from arro3.io import read_parquet

TOLERANCE = 1e-5
"""Relative, and of a probability: writers print float32 with fewer digits or more."""


def read(path: Path) -> dict[str, list[Any]]:
    """The columns of a CSV, JSON Lines or Parquet file."""
    if path.suffix == ".parquet":
        table = read_parquet(path).read_all()
        return {name: list(table.column(name).to_pylist()) for name in table.column_names}
    with path.open(newline="") as file:
        records = list(csv.DictReader(file)) if path.suffix == ".csv" else list(map(json.loads, file))
    return {name: [record[name] for record in records] for name in records[0]}


def check(first: dict[str, list[Any]], second: dict[str, list[Any]], who: str) -> None:
    """Make sure that two files hold the same columns, their numbers equal but for rounding.

    Raises:
        RuntimeError: not.
    """
    if list(first) != list(second):
        raise RuntimeError(f"{who}: its columns are {list(second)}, not {list(first)}")
    for name, values in first.items():
        if not _equal(values, second[name]):
            raise RuntimeError(f"{who}: column {name} is not the same")


def _equal(first: list[Any], second: list[Any]) -> bool:
    try:
        one, other = np.array(first, np.float64), np.array(second, np.float64)
    except ValueError:
        return first == second
    return one.shape == other.shape and np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE)
