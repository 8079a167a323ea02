"""Cold start: a whole process up to its first reply, as a ratio to importing numpy and ONNX Runtime.

Budgets: ≤ 1.40 × `python -c "import numpy, onnxruntime"`, logs and metrics on; peak memory ≤ 65 MB (10⁶ bytes) for the
small example model.

    python -m benchmarks.cold [--rounds N] [--quick] [--json] [--save]

The child is the real functions/predict/app.py on events/predict/rest-infer.json, in the environment that template.yaml
sets. The clock runs from the spawn until the reply is there, and for the baseline until both imports are done; what a
process does at its end is in neither, since on Lambda it does not end.

Both kinds of children import as on Lambda: `-S -s -P` with an explicit path, so that the virtual environment's .pth
files, the editable install's finder and the user's site, which Lambda has not, cost nothing. The packages are the
virtual environment's, or with BENCHMARK_BUILT=1 those of the trimmed layers that `sam build` left. Their .pyc are
there: an uncounted first round writes what is missing.

A round runs every kind of child once, in turn, and the ratio is taken within the round, so that a busy moment of the
machine falls on all of them. The `cpu` ratio is of processor time, which other processes disturb less.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import report
from benchmarks.deployment import ROOT, environment, import_path

RATIO_BUDGET = 1.40
MEMORY_BUDGET_MB = 65.0
_TELL = "import os, sys, time; os.write(int(sys.argv[1]), b'%.6f' % time.process_time())"
CHILDREN = {
    "python -c pass": ["-c", _TELL],
    "import numpy, onnxruntime": ["-c", f"import numpy, onnxruntime; {_TELL}"],
    "first reply": [str(Path(__file__).with_name("first_reply.py"))],
}
BASELINE = "import numpy, onnxruntime"


class Sample(NamedTuple):
    """One process: wall and processor seconds until it was ready, and its peak memory in bytes."""

    wall: float
    cpu: float
    memory: int


def run(arguments: Sequence[str], variables: dict[str, str]) -> Sample:
    """Run one child until it tells that it is ready, then wait for its end.

    Raises:
        RuntimeError: it failed.
    """
    read, write = os.pipe()
    with open(read, "rb") as pipe:
        started = time.perf_counter()
        # Its metrics line goes where it costs a system call, as on Lambda, and disturbs no table.
        child = subprocess.Popen(
            [sys.executable, "-S", "-s", "-P", *arguments, str(write)],
            env=variables,
            stdout=subprocess.DEVNULL,
            pass_fds=[write],
        )
        os.close(write)
        told = pipe.read1()
        wall = time.perf_counter() - started
    # ru_maxrss is never below what this process had when it forked: so nothing large is imported here.
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode or not told:
        raise RuntimeError(f"a measured process failed with exit code {child.returncode}: {' '.join(arguments)}")
    return Sample(wall, float(told), usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def measure(rounds: int) -> dict[str, list[Sample]]:
    """A sample of every child a round; the first round, which writes .pyc and fills caches, is not counted."""
    # The environment is made anew, so PYTHONDONTWRITEBYTECODE is not in it.
    variables = environment() | {
        "PYTHONPATH": os.pathsep.join(import_path()),
        "EVENT": str(ROOT / "events/predict/rest-infer.json"),
    }
    samples: dict[str, list[Sample]] = {name: [] for name in CHILDREN}
    for turn in range(rounds + 1):
        for name, arguments in CHILDREN.items():
            sample = run(arguments, variables)
            if turn:
                samples[name].append(sample)
    return samples


def rows(samples: dict[str, list[Sample]]) -> list[report.Row]:
    """A row for each child."""
    table: list[report.Row] = []
    for name, taken in samples.items():
        walls = [sample.wall for sample in taken]
        ratios = [sample.wall / base.wall for sample, base in zip(taken, samples[BASELINE], strict=True)]
        cpu_ratios = [sample.cpu / base.cpu for sample, base in zip(taken, samples[BASELINE], strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4)
        ratio, memory = statistics.median(ratios), statistics.median(sample.memory for sample in taken) / 1e6
        row: report.Row = {
            "process": name,
            "ms": statistics.median(walls) * 1000,
            "ratio": ratio,
            "quartiles": f"{low:.2f}–{high:.2f}",
            "cpu ratio": statistics.median(cpu_ratios),
            "peak MB": memory,
        }
        table.append(row)
    return table


def targets(table: list[report.Row]) -> list[report.Row]:
    """The budgets, and whether they are met."""
    reply = next(row for row in table if row["process"] == "first reply")
    return [
        report.target(f"first reply, × {BASELINE}", float(reply["ratio"] or 0), RATIO_BUDGET),
        report.target("peak memory at the first reply, MB", float(reply["peak MB"] or 0), MEMORY_BUDGET_MB),
    ]


def main() -> None:
    """The command."""
    options = report.arguments(__doc__, rounds=15, quick=4)
    table = rows(measure(options.rounds))
    note = f"{options.rounds} interleaved rounds, medians"
    report.show("cold", table, options, note, {"targets": targets(table)})


if __name__ == "__main__":
    main()
