"""Our ways, in a process of their own: `python -m benchmarks.batch.ours WAY MODEL INPUT OUTPUT CORES join|bare`.

WAY is `despliegue`, with as many workers as cores, or `alone`: `session.run` by as many threads, on an array that is in
memory. MODEL is a folder in a repository. Prints JSON: rows, seconds, and the MB of the largest process.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from despliegue.models import ModelRepository, SessionSettings

CHUNK = 2048
"""Rows at a time where nothing is parsed, as in the scorer."""


def alone(model: Path, source: Path, threads: int) -> tuple[int, float]:
    """`session.run` and nothing else."""
    loaded = ModelRepository(model.parent.parent, SessionSettings(threads=threads)).get(model.parent.name)
    matrix = np.load(source)
    outputs = list(loaded.signature.outputs)
    started = time.perf_counter()
    for start in range(0, len(matrix), CHUNK):
        loaded.run({"input": matrix[start : start + CHUNK]}, outputs)
    return len(matrix), time.perf_counter() - started


def despliegue(model: Path, source: Path, output: Path, workers: int, *, join: bool) -> tuple[int, float]:
    """`despliegue score`, from opening the file to closing the results: as it reports that itself."""
    from despliegue_cli.score import Job, score

    options = {"join": str(join).lower()}
    report = score(Job(model.parent.parent, model.parent.name, str(source), str(output), options, workers), print_none)
    if report["status"] != "scored" or report["rows"]["rejected"]:
        raise RuntimeError(f"not every row was scored: {report}")
    return report["rows"]["scored"], report["rows"]["read"] / report["timings"]["rows_per_second"]


def print_none(scored: object) -> None:
    """No progress bar."""


def peak_memory() -> float:
    """The largest resident memory of this process and those that it waited for, in MB.

    Its own is not what getrusage says, which begins with that of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024 / 1e6


def main() -> None:
    """The command."""
    way, cores, join = sys.argv[1], int(sys.argv[5]), sys.argv[6] == "join"
    model, source, output = map(Path, sys.argv[2:5])
    if way == "alone":
        rows, seconds = alone(model, source, cores)
    else:
        rows, seconds = despliegue(model, source, output, cores, join=join)
    print(json.dumps({"rows": rows, "seconds": seconds, "rss_mb": peak_memory()}))


if __name__ == "__main__":
    main()
