"""Instructions that requests in each format and files take: the guard's figures, which no busy machine disturbs.

    python -m benchmarks.count [--json] [--save]

Needs valgrind. --save writes tests/counted/instructions.json, against which tests/counted fails on ±10 %: run it when a
change of the count is meant, and commit the file with the change.

The cases of `benchmarks.counted_cases` run under callgrind, one after the other in one process: the handler of
functions/predict/app.py on events with base64 bodies, metrics on, and the scorer on files; of small requests the mean
of several. What could make two runs differ is held still: the hash seed, threads (one), the environment. Valgrind gives
every program the same addresses and the same processor (AVX2, its own CPUID and cache sizes), so neither address
randomisation nor AVX-512 on one machine and not on another matters. One without AVX2 would differ.

The interpreter remains: another build of Python 3.13 takes another number of instructions for the same bytecode. So
what ran in the pinned wheels (`packages`) is kept apart from what ran elsewhere (`interpreter`: Python, libc), and the
latter is scaled by a calibration: fixed work of the interpreter alone, counted in the same process.
"""

import json
import os
import pickle
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TypedDict

from benchmarks import report
from benchmarks.counted_cases import cases
from benchmarks.deployment import ROOT, environment, import_path
from benchmarks.warm import models

FIGURES = ROOT / "tests/counted/instructions.json"
TIMEOUT_S = 280
"""Ten times what a quiet machine needs; a process that callgrind does not hear would wait for it for ever."""


class Count(TypedDict):
    """Instructions of one call, by where they ran."""

    interpreter: int
    packages: int


type Counts = dict[str, Count]


def count() -> Counts:
    """Run all cases under callgrind, once.

    Raises:
        RuntimeError: valgrind or the counted process failed.
    """
    counted = cases()
    with models() as root, tempfile.TemporaryDirectory(prefix="despliegue-count-") as folder:
        shutil.copytree(ROOT / "layers/models/penguins", root / "penguins")
        output, pickled = Path(folder) / "callgrind", Path(folder) / "cases"
        pickled.write_bytes(pickle.dumps(counted))
        _run(root, pickled, output)
        # The parts are numbered from 1: before a stretch, the stretch, before the next one, …
        return {
            name: _read_part(Path(f"{output}.{2 * number}"), case.repeats)
            for number, (name, case) in enumerate(counted.items(), start=1)
        }


def _run(root: Path, pickled: Path, output: Path) -> None:
    # Not the calling environment: PYTHONDONTWRITEBYTECODE, say, must make no difference.
    variables = environment(root) | {
        "PYTHONPATH": os.pathsep.join([*import_path(), str(ROOT)]),
        "PYTHONHASHSEED": "0",
    }
    valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--dump-before=getpgid", "--dump-line=no"]
    # Names written out in each part: compressed, they would be in the first part only.
    written_out = ["--compress-strings=no", "--compress-pos=no", f"--callgrind-out-file={output}"]
    counted = [sys.executable, "-S", "-s", "-P", "-m", "benchmarks.counted_requests", str(pickled)]
    command = [*valgrind, *written_out, *counted]
    run = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=TIMEOUT_S)
    if run.returncode:
        raise RuntimeError(f"the counted process failed:\n{run.stderr[-2000:]}")


def _read_part(path: Path, repeats: int) -> Count:
    """Sum the lines `position cost` of one part by their object file; those after `calls=` repeat a callee's."""
    packages = f"ob={sysconfig.get_path('purelib')}"
    sums = {"interpreter": 0, "packages": 0}
    place, inclusive, total = "interpreter", False, 0
    for line in path.read_text(errors="replace").splitlines():
        if line.startswith("ob="):
            place = "packages" if line.startswith(packages) else "interpreter"
        elif line.startswith("calls="):
            inclusive = True
        elif line.startswith("summary:"):
            total = int(line.split()[1])
        elif re.match(r"\d+ \d+$", line):
            sums[place] += 0 if inclusive else int(line.split()[1])
            inclusive = False
    if not total or sum(sums.values()) != total:
        raise RuntimeError(f"callgrind's output is not understood: {sum(sums.values()):,} of {total:,} instructions")
    return Count(interpreter=sums["interpreter"] // repeats, packages=sums["packages"] // repeats)


def compare(counts: Counts, committed: Counts) -> list[report.Row]:
    """A row for each case: its instructions and, where some are committed, those (scaled to this interpreter)."""
    pace = 1.0
    if "calibration" in committed:
        pace = counts["calibration"]["interpreter"] / committed["calibration"]["interpreter"]
    rows: list[report.Row] = []
    for name, now in counts.items():
        instructions = now["interpreter"] + now["packages"]
        expected = change = None
        if then := committed.get(name):
            expected = round(then["interpreter"] * pace + then["packages"])
            change = (instructions / expected - 1) * 100
        rows.append(
            {
                "case": name,
                "instructions": instructions,
                "interpreter": now["interpreter"],
                "packages": now["packages"],
                "committed": expected,
                "change %": change,
            }
        )
    return rows


def main() -> None:
    """The command."""
    options = report.arguments(__doc__)
    figures: dict[str, Counts] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    counts = count()
    machine = platform.machine()
    if options.save:
        FIGURES.write_text(json.dumps(figures | {machine: counts}, indent=2) + "\n")
        options.save = False
    rows = compare(counts, figures.get(machine, {}))
    report.show("count", rows, options, "against the committed figures, before --save")


if __name__ == "__main__":
    main()
