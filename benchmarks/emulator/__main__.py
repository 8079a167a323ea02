"""Our Lambda handler against hand-written ones, through AWS's runtime interface client and emulator, without Docker.

    python -m benchmarks.emulator [--rounds N] [--quick] [--json] [--save]

The same two models (a logistic regression, gradient boosting), one thread of ONNX Runtime, the same Python, packages of
the same versions, the environment that template.yaml sets, REST events. benchmarks/emulator/handlers says how each is
written and why. With BENCHMARK_BUILT=1 ours imports the layers that `sam build` left. What every handler answers is
compared with the model's own predictions before anything is measured.

Functions have core 0 to themselves and the load comes from core 1, one invoke at a time. A round visits all in random
order. p50 is seen by the client. `own cost` is p50 less the empty handler's on the same event in the same round, less
`session.run`; `own CPU` is the same of the Python process's processor time, which other work on the machine disturbs
least. × is times the naive handler, within a round.

The first reply is counted from the spawn of the emulator, which starts Python when the first event comes: with
everything in the page cache, and from disk, with the contents of the files of code, packages and model dropped from the
page cache (posix_fadvise); `dropped to` is the most that was still in it (fincore), `read` what was after the first
reply. The interpreter, the runtime's client and boto3 stay in it, as do names and inodes: on Lambda those come with the
runtime. Memory is the peak of the Python process (VmHWM) after all requests.

Where others work on the machine, their noise is in the figures; on one that is yours alone,
`setsid --wait nice -n -20 python -m benchmarks.emulator` as root goes before whatever else wakes up.
"""

import os
import tempfile
from pathlib import Path

from benchmarks import report
from benchmarks.deployment import ROOT
from benchmarks.emulator import results
from benchmarks.emulator.measure import CLIENT_CORE, FUNCTION_CORE, measure
from benchmarks.http.process import share_priority
from benchmarks.warm import model_folders

ROUNDS, QUICK_ROUNDS, QUICK_STARTS = 16, 2, 1


def main() -> None:
    """The command."""
    options = report.arguments(__doc__, rounds=ROUNDS, quick=QUICK_ROUNDS)
    load = os.getloadavg()[0]
    share_priority(os.getpid())
    build = ROOT / "build/benchmarks"
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="emulator-scratch-", dir=build) as folder:
        scratch = Path(folder)
        models = model_folders(scratch)
        starts = QUICK_STARTS if options.quick else options.rounds
        measured = measure(models, options.rounds, starts, scratch)
    figures = results.Figures(measured)
    tables = {"targets": results.targets(figures, list(models)), "functions": results.functions(figures)}
    note = (
        f"load before the run {load:.1f}; {options.rounds} interleaved rounds, {starts} of starts, medians;"
        f" functions on core {FUNCTION_CORE}, the load on core {CLIENT_CORE}; {len(measured.restarts)} restarts"
    )
    report.show("emulator", results.table(figures, list(models)), options, note, tables, measured.versions)


if __name__ == "__main__":
    main()
