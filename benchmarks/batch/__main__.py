"""Scoring files: `despliegue score` against pandas, polars, loops over rows and the json module, and scoring alone.

    python -m benchmarks.batch [--rounds N] [--rows N] [--quick] [--json] [--save]

A logistic regression, where everything is overhead, and gradient boosting of 500 trees of depth 4. The files: 30
columns of random numbers with four decimals, of 1, 40 and 200 MB as CSV, or of --rows rows. What every way gives is
compared before anything is measured.

Each way runs in a process of its own, one after the other, round by round, on one core and on two; `ours ×` is our rate
as a multiple of its, within a round. The time is from opening the file to closing the results, the model being there;
`start to end` has the start of Python, what it imports and loading the model too. `alone` is `session.run` on an array
in memory, with a thread a core; despliegue has a worker a core, `rows` runs the session for each row, `json` for 1,024.
MB is the largest process.
"""

import multiprocessing
import os
import tempfile
from pathlib import Path

from benchmarks import report
from benchmarks.batch import results
from benchmarks.batch.inputs import save_boosting, write_files
from benchmarks.batch.measure import OURS, Group, Inputs, Runner, peers
from benchmarks.batch.results import BOOSTING, LOGISTIC
from benchmarks.environments import versions
from benchmarks.warm import models

ROWS = (5_000, 190_000, 950_000)
PEERS = {
    (LOGISTIC, "csv", "join"): ("pandas", "polars", "rows"),
    (LOGISTIC, "csv", "bare"): ("pandas", "polars"),
    (LOGISTIC, "jsonl", "join"): ("json", "polars"),
    (LOGISTIC, "parquet", "join"): ("pandas", "polars"),
    (BOOSTING, "csv", "join"): ("pandas", "polars", "rows"),
    (BOOSTING, "parquet", "join"): ("pandas", "polars"),
}
ONE_CORE = frozenset({"rows", "json"})
"""Ways that use one core, whatever there are."""
LARGE = 500_000
"""Rows of a file from which on ways are left out that take twenty times as long as ours and as long for each row."""
SLOW = frozenset({("join", "pandas"), ("join", "rows"), ("join", "json")})


def groups(sizes: tuple[int, ...]) -> dict[Group, tuple[str, ...]]:
    """What is compared."""
    return {
        Group(*case, rows, cores): (*OURS, *(way for way in peers if _is_run(way, case[2], rows, cores)))
        for rows in sizes
        for case, peers in PEERS.items()
        for cores in (1, 2)
    }


def _is_run(way: str, output: str, rows: int, cores: int) -> bool:
    return (cores == 1 or way not in ONE_CORE) and (rows < LARGE or (output, way) not in SLOW)


def main() -> None:
    """The command."""
    options = report.arguments(__doc__, rounds=3, rows=0, quick=1)
    sizes = (options.rows,) if options.rows else ROWS[:1] if options.quick else ROWS
    load = os.getloadavg()[0]
    with models() as root, tempfile.TemporaryDirectory(prefix="despliegue-batch-") as scratch:
        files = {rows: Path(scratch) / f"{rows}" for rows in sizes}
        # In a process of its own: what it needs would count as memory of those that this one starts.
        with multiprocessing.get_context("spawn").Pool(1) as writer:
            writer.apply(save_boosting, (root / BOOSTING / "1",))
            writer.starmap(write_files, [(folder, rows) for rows, folder in files.items()])
        runner = Runner(Inputs(root, files, Path(scratch)), groups(sizes))
        runner.check()
        for _ in range(options.rounds):
            runner.round()
    note = f"load before the run {load:.1f}; {options.rounds} interleaved rounds, medians"
    tables = {"targets": results.targets(runner)}
    report.show("batch", results.table(runner), options, note, tables, {"peers": versions(peers())})


if __name__ == "__main__":
    main()
