"""Instructions that one request takes, for 1 and for 1,024 rows: the guard's figures, which no busy machine disturbs.

    python -m benchmarks.count [--json] [--save]

Needs valgrind. --save writes tests/counted/instructions.json, against which tests/counted fails on ±10 %: run it when a
change of the count is meant, and commit the file with the change.

The handler of functions/predict/app.py answers events with base64 bodies, metrics on, under callgrind; the mean over
repeated calls is taken. What could make two runs differ is held still: the hash seed, threads (one), the environment.
Valgrind gives every program the same addresses and the same processor (AVX2, its own CPUID and cache sizes), so
neither address randomisation nor AVX-512 on one machine and not on another matters. One without AVX2 would differ.

The interpreter remains: another build of Python 3.13 takes another number of instructions for the same bytecode. So
what ran in the pinned wheels (`packages`) is kept apart from what ran elsewhere (`interpreter`: Python, libc), and the
latter is scaled by a calibration: fixed work of the interpreter alone, counted in the same process.
"""

import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TypedDict

from benchmarks import report
from benchmarks.deployment import ROOT, environment, import_path

FIGURES = ROOT / "tests/counted/instructions.json"
REPEATS = {"1 row": 50, "1,024 rows": 5, "calibration": 50}


class Count(TypedDict):
    """Instructions of one call, by where they ran."""

    interpreter: int
    packages: int


type Counts = dict[str, Count]


def count() -> Counts:
    """Run the requests under callgrind, once.

    Raises:
        RuntimeError: valgrind or the counted process failed.
    """
    # Not the calling environment: PYTHONDONTWRITEBYTECODE, say, must make no difference.
    variables = environment() | {
        "PYTHONPATH": os.pathsep.join([*import_path(), str(ROOT)]),
        "PYTHONHASHSEED": "0",
    }
    with tempfile.TemporaryDirectory(prefix="despliegue-count-") as folder:
        output = Path(folder) / "callgrind"
        # Names written out in each part: compressed, they would be in the first part only.
        valgrind = ["valgrind", "--tool=callgrind", "--dump-before=getpgid", f"--callgrind-out-file={output}"]
        written_out = ["--compress-strings=no", "--compress-pos=no"]
        counted = [sys.executable, "-S", "-s", "-P", "-m", "benchmarks.counted_requests"]
        run = subprocess.run([*valgrind, *written_out, *counted], env=variables, capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(f"the counted process failed:\n{run.stderr[-2000:]}")
        # The parts are numbered from 1: before a stretch, the stretch, before the next one, …
        return {
            name: _read_part(Path(f"{output}.{2 * number}"), repeats)
            for number, (name, repeats) in enumerate(REPEATS.items(), start=1)
        }


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
    if sum(sums.values()) != total:
        raise RuntimeError(f"callgrind's output is not understood: {sum(sums.values()):,} of {total:,} instructions")
    return Count(interpreter=sums["interpreter"] // repeats, packages=sums["packages"] // repeats)


def compare(counts: Counts, committed: Counts) -> list[report.Row]:
    """A row for each request: its instructions, those committed (scaled to this interpreter), and the change."""
    pace = counts["calibration"]["interpreter"] / committed["calibration"]["interpreter"]
    rows: list[report.Row] = []
    for name, now in counts.items():
        instructions = now["interpreter"] + now["packages"]
        expected = round(committed[name]["interpreter"] * pace + committed[name]["packages"])
        rows.append(
            {
                "request": name,
                "instructions": instructions,
                "interpreter": now["interpreter"],
                "packages": now["packages"],
                "committed": expected,
                "change %": (instructions / expected - 1) * 100,
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
    if machine not in figures:
        figures[machine] = counts
    report.show("count", compare(counts, figures[machine]), options, "against the committed figures, before --save")


if __name__ == "__main__":
    main()
