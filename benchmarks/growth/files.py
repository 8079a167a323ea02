"""File size: `despliegue score` on CSV files, by throughput and the peak memory of each of its processes.

A file is one block of rows over and over, written once for all its measurements; the results are written to a file
beside it, and deleted after each run.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import report
from benchmarks.growth.fit import Curve, median
from benchmarks.requests import COLUMNS, names, values
from benchmarks.warm import models

MEGABYTES = (1, 3, 10, 30, 100, 300, 1000, 2000, 5000)
WORKERS = (1, 2)
MODEL = "logistic"
_BLOCK_ROWS = 4096
_LOOK_S = 0.02
"""Between two looks at the memory of the processes; one that lives for less may be missed."""


class NoSpace(Exception):
    """The largest file and its results do not fit on the disk."""


class Sample(NamedTuple):
    """One file scored: rows, seconds, and peak memory in MB of the process that writes and of the largest worker."""

    rows: int
    seconds: float
    main: float
    worker: float


def write_csv(path: Path, megabytes: int) -> None:
    """A file of at least so many MB (10⁶ bytes): a header, and a block of rows until it is long enough."""
    flat = values(_BLOCK_ROWS)
    rows = (flat[start : start + COLUMNS] for start in range(0, len(flat), COLUMNS))
    block = "".join(",".join(map(repr, row)) + "\n" for row in rows).encode()
    with path.open("wb") as file:
        left = megabytes * 1_000_000 - file.write((",".join(names()) + "\n").encode())
        while left > 0:
            # The last one is cut at a line's end, so that small files are as long as they say.
            part = block if left >= len(block) else block[: block.index(b"\n", left - 1) + 1]
            left -= file.write(part)


def score(models: Path, source: Path, workers: int) -> Sample:
    """Score one file by the command, from its start to its end.

    Raises:
        RuntimeError: not every row was scored.
    """
    output = source.with_suffix(".scored")
    program: list[str | Path] = [
        Path(sys.prefix) / "bin/despliegue",
        "score",
        "--json",
        "--models",
        models,
        "--model",
        MODEL,
    ]
    started = time.perf_counter()
    with subprocess.Popen(
        [*program, "--workers", str(workers), source, output], stdout=subprocess.PIPE, text=True
    ) as child:
        peaks: dict[int, float] = {child.pid: 0.0}
        while child.poll() is None:
            for process in (child.pid, *_children(child.pid)):
                peaks[process] = max(peaks.get(process, 0.0), _peak(process))
            time.sleep(_LOOK_S)
        seconds = time.perf_counter() - started
        said = child.communicate()[0]
    if child.returncode:
        raise RuntimeError(f"not every row was scored: {said}")
    for written in source.parent.glob(f"{output.name}*"):
        written.unlink()
    main = peaks.pop(child.pid)
    return Sample(json.loads(said)["rows"]["scored"], seconds, main, max(peaks.values(), default=0.0))


def measure(rounds: int, sizes: Sequence[int]) -> tuple[list[Curve], list[report.Row]]:
    """Seconds and memory by file size and workers, and a table.

    Raises:
        NoSpace: there is no room for the largest file and what comes of it.
    """
    taken: dict[tuple[int, int], list[Sample]] = {(size, workers): [] for size in sizes for workers in WORKERS}
    with models() as root, tempfile.TemporaryDirectory(prefix="despliegue-growth-") as scratch:
        needed, free = sizes[-1] * 3_000_000, shutil.disk_usage(scratch).free
        if needed > free:
            raise NoSpace(f"files of {sizes[-1]:,} MB take {needed / 1e9:.1f} GB here; {free / 1e9:.1f} are free")
        for size in sizes:
            print(f"file of {size:,} MB", file=sys.stderr, flush=True)
            path = Path(scratch) / "rows.csv"
            write_csv(path, size)
            for _ in range(rounds if size <= 100 else 1):  # a large file's noise evens out within it
                for workers in WORKERS:
                    taken[size, workers].append(score(root, path, workers))
    curves = []
    for workers in WORKERS:
        of = f"file, {workers} worker{'s' * (workers > 1)}"
        seconds = [(size, [each.seconds for each in taken[size, workers]]) for size in sizes]
        memory = [(size, [max(each.main, each.worker) for each in taken[size, workers]]) for size in sizes]
        curves += [median(of, "s", seconds), median(f"{of}, memory", "MB", memory)]
    return curves, [_row(size, workers, samples) for (size, workers), samples in taken.items()]


def _row(size: int, workers: int, samples: list[Sample]) -> report.Row:
    seconds = statistics.median(each.seconds for each in samples)
    return {
        "file MB": size,
        "workers": workers,
        "rows": samples[0].rows,
        "s": seconds,
        "MB/s": size / seconds,
        "k rows/s": samples[0].rows / seconds / 1000,
        "peak MB": max(each.main for each in samples),
        "worker peak MB": max(each.worker for each in samples) or None,
    }


def _children(process: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def _peak(process: int) -> float:
    """The most memory that a process had so far, in MB; 0 for one that has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024 / 1e6
