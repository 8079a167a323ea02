"""Given the instructions committed for a request, when it is counted anew, then it takes as many, within 10 %.

Counted, not timed: two runs differ by less than 0.1 %, so a busy machine fails nothing. Where a change is meant, in
either direction, run `python -m benchmarks.count --save` and commit instructions.json with it.
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
TOLERANCE = 10.0
UPDATE = "python -m benchmarks.count --save"


@pytest.fixture(scope="module")
def counted(require: Callable[[bool, str], None]) -> dict[str, dict[str, Any]]:
    """The rows of `python -m benchmarks.count`, by request: one process under valgrind for all tests."""
    require(shutil.which("valgrind") is not None, "valgrind is not installed")
    committed = json.loads((Path(__file__).parent / "instructions.json").read_text())
    require(platform.machine() in committed, f"no instructions are committed for {platform.machine()}: {UPDATE}")
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.count", "--json"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    return {row["request"]: row for row in json.loads(run.stdout)["rows"]}


@pytest.mark.parametrize("request_name", ["1 row", "1,024 rows"])
def test_a_request_takes_as_many_instructions_as_committed(
    counted: dict[str, dict[str, Any]], request_name: str
) -> None:
    row = counted[request_name]
    change = row["change %"]
    counts = (
        f"{request_name}: {row['instructions']:,} instructions, committed are {row['committed']:,} ({change:+.1f} %)"
    )

    assert change <= TOLERANCE, f"{counts}. The request got slower; if that is meant: {UPDATE}"
    # A gain that is not committed would let as large a loss pass unseen later.
    assert change >= -TOLERANCE, f"{counts}. The request got faster; to keep it so: {UPDATE}"
