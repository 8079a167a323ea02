"""What is scored: files of 30 columns of random numbers with four decimals, and the models that score them."""

import json
from pathlib import Path

import numpy as np
import onnx
from arro3.core import Array, Table
from arro3.io import write_parquet
from examples import breast_cancer
from sklearn.ensemble import GradientBoostingClassifier

from benchmarks.requests import COLUMNS, names


def write_files(folder: Path, rows: int) -> None:
    """The same rows as `rows.npy` (float32), `rows.csv`, `rows.jsonl` and `rows.parquet` (double)."""
    folder.mkdir()
    matrix = np.round(np.random.default_rng(0).lognormal(0, 1, (rows, COLUMNS)), 4)
    np.save(folder / "rows.npy", matrix.astype(np.float32))
    columns = [Array.from_numpy(np.ascontiguousarray(column)) for column in matrix.T]
    write_parquet(Table.from_arrays(columns, names=names()), folder / "rows.parquet", compression="snappy")
    with (folder / "rows.csv").open("w") as table, (folder / "rows.jsonl").open("w") as lines:
        table.write(",".join(names()) + "\n")
        for row in matrix.tolist():
            table.write(",".join(map(repr, row)) + "\n")
            lines.write(json.dumps(dict(zip(names(), row, strict=True))) + "\n")


def save_boosting(folder: Path) -> None:
    """Train the breast cancer example with 500 trees of depth 4 in place of 100 of depth 3."""
    rows, diagnoses, _ = breast_cancer.load_data()
    classifier = GradientBoostingClassifier(n_estimators=500, max_depth=4, random_state=0).fit(rows, diagnoses)
    folder.mkdir(parents=True)
    onnx.save(breast_cancer.convert(classifier), folder / "model.onnx")
    breast_cancer.describe(classifier).write(folder)
