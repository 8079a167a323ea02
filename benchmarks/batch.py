"""Scoring files: `despliegue score` against scoring alone, pandas and the json module, on the same files in one run.

Budgets (DESIGN.md): gradient boosting ≥ 90 % of scoring alone; logistic regression ≥ 3.5 × the pandas way on two cores;
Parquet ≥ 80 % of scoring alone; JSON Lines ≥ 4 × the json module; resident memory ≤ 150 MB a process.

    python -m benchmarks.batch [--rounds N] [--rows N] [--json] [--save]

Each way runs in a process of its own (`benchmarks.batch_way`), one after the other, round by round; a ratio is taken
within a round, and the median of them is shown. The files: 30 columns of random numbers with four decimals. `all` in
the column `output` means all input columns and the predictions, `bare` the predictions alone.
"""

import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from arro3.core import Array, Table
from arro3.io import write_parquet
from sklearn.ensemble import GradientBoostingClassifier

from benchmarks import report
from benchmarks.deployment import ROOT
from benchmarks.requests import COLUMNS, names
from benchmarks.warm import models

MEMORY_MB = 150.0
SHOWN = {"breast-cancer": "boosting-100"}


class Comparison(NamedTuple):
    """A way against another, and the least ratio of their rates; None where it is shown for orientation."""

    model: str
    file: str
    output: str
    way: str
    base: str
    budget: float | None


COMPARISONS = (
    Comparison("boosting-500", "csv", "all", "despliegue-1", "alone-1", 0.9),
    Comparison("boosting-500", "csv", "all", "despliegue-2", "alone-2", 0.9),
    Comparison("breast-cancer", "csv", "all", "despliegue-2", "alone-2", None),
    Comparison("logistic", "csv", "all", "despliegue-2", "pandas", 3.5),
    Comparison("logistic", "csv", "bare", "despliegue-2", "pandas", 3.5),
    Comparison("boosting-500", "parquet", "all", "despliegue-1", "alone-1", 0.8),
    Comparison("boosting-500", "parquet", "all", "despliegue-2", "alone-2", 0.8),
    Comparison("logistic", "jsonl", "all", "despliegue-1", "json", 4.0),
    Comparison("logistic", "jsonl", "bare", "despliegue-1", "json", 4.0),
)


def write_files(folder: Path, rows: int) -> None:
    """The same rows as `rows.npy` (float32), `rows.csv`, `rows.jsonl` and `rows.parquet` (double)."""
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
    from examples import breast_cancer

    rows, diagnoses, _ = breast_cancer.load_data()
    classifier = GradientBoostingClassifier(n_estimators=500, max_depth=4, random_state=0).fit(rows, diagnoses)
    folder.mkdir(parents=True)
    onnx.save(breast_cancer.convert(classifier), folder / "model.onnx")
    breast_cancer.describe(classifier).write(folder)


def run(way: str, root: Path, folder: Path, comparison: Comparison) -> tuple[float, float]:
    """Rows a second, and the largest process in MB."""
    source = folder / ("rows.npy" if way.startswith("alone") else f"rows.{comparison.file}")
    full = way if comparison.output == "all" or way.startswith("alone") else f"{way}-bare"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "benchmarks.batch_way",
        full,
        root,
        comparison.model,
        source,
        folder / "scored",
    ]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout)
    return result["rows"] / result["seconds"], result["rss_mb"]


def measure(rounds: int, rows: int) -> list[report.Row]:
    """A row for each comparison."""
    ratios: dict[Comparison, list[float]] = {comparison: [] for comparison in COMPARISONS}
    rates: dict[Comparison, list[tuple[float, float]]] = {comparison: [] for comparison in COMPARISONS}
    memory: dict[Comparison, float] = {}
    with models() as root, tempfile.TemporaryDirectory(prefix="despliegue-batch-") as scratch:
        folder = Path(scratch)
        # In a process of its own: what it needs would count as memory of those that this one starts.
        for task in ((write_files, folder, rows), (save_boosting, root / "boosting-500/1")):
            writer = multiprocessing.get_context("spawn").Process(target=task[0], args=task[1:])
            writer.start()
            writer.join()
        for _ in range(rounds):
            for comparison in COMPARISONS:
                base, _ = run(comparison.base, root, folder, comparison)
                rate, largest = run(comparison.way, root, folder, comparison)
                ratios[comparison].append(rate / base)
                rates[comparison].append((rate, base))
                memory[comparison] = max(largest, memory.get(comparison, 0))
    return [
        {
            "model": SHOWN.get(comparison.model, comparison.model),
            "file": comparison.file,
            "output": comparison.output,
            "way": comparison.way,
            "against": comparison.base,
            "k rows/s": statistics.median(rate for rate, _ in rates[comparison]) / 1000,
            "its": statistics.median(base for _, base in rates[comparison]) / 1000,
            "ratio": (ratio := statistics.median(ratios[comparison])),
            "spread": f"{min(ratios[comparison]):.2f}–{max(ratios[comparison]):.2f}",
            "budget": comparison.budget,
            "verdict": report.verdict(comparison.budget, ratio) if comparison.budget else None,
            "MB": memory[comparison],
            "memory": report.verdict(memory[comparison], MEMORY_MB),
        }
        for comparison in COMPARISONS
    ]


def main() -> None:
    """The command."""
    options = report.arguments(__doc__, rounds=3, rows=500_000)
    note = f"{options.rounds} interleaved rounds of {options.rows:,} rows, medians; MB is the largest process of ours"
    report.show("batch", measure(options.rounds, options.rows), options, note)


if __name__ == "__main__":
    main()
