"""Given the instructions committed for a case, when it is counted anew, then it takes as many, within 10 %.

The cases are requests in each format, files and the interpreter's calibration: see `benchmarks.counted_cases`. Counted,
not timed: two runs differ by far less than the 10 %, so a busy machine fails nothing. Where a change is meant, in
either direction, or a case is new, run `python -m benchmarks.count --save` and commit instructions.json with it.
"""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COMMITTED: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "instructions.json").read_text())
NAMES = list(COMMITTED.get(platform.machine(), {}))
TOLERANCE = 10.0
UPDATE = "python -m benchmarks.count --save"


@pytest.fixture(scope="module")
def counted(require: Callable[[bool, str], None]) -> dict[str, dict[str, Any]]:
    """The rows of `python -m benchmarks.count`, by case: one process under valgrind for all tests."""
    require(shutil.which("valgrind") is not None, "valgrind is not installed")
    require(bool(NAMES), f"no instructions are committed for {platform.machine()}: {UPDATE}")
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.count", "--json"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    return {row["case"]: row for row in json.loads(run.stdout)["rows"]}


def test_what_is_counted_is_what_is_committed(counted: dict[str, dict[str, Any]]) -> None:
    new, gone = counted.keys() - NAMES, set(NAMES) - counted.keys()

    assert not new, f"not in instructions.json yet, so unguarded: {sorted(new)}. Run {UPDATE}"
    assert not gone, f"in instructions.json, but not counted any more: {sorted(gone)}. Run {UPDATE}"


@pytest.mark.parametrize("case", [name for name in NAMES if name != "calibration"])
def test_a_case_takes_as_many_instructions_as_committed(counted: dict[str, dict[str, Any]], case: str) -> None:
    if case not in counted:
        pytest.skip("not counted any more, as the test above says")
    row = counted[case]
    change = row["change %"]
    counts = f"{case}: {row['instructions']:,} instructions, committed are {row['committed']:,} ({change:+.1f} %)"

    assert change <= TOLERANCE, f"{counts}. It got slower; if that is meant: {UPDATE}"
    # A gain that is not committed would let as large a loss pass unseen later.
    assert change >= -TOLERANCE, f"{counts}. It got faster; to keep it so: {UPDATE}"
