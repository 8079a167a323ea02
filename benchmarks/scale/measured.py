"""What other benchmarks measured, from their saved results; where one is missing, a documented figure in its place."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks import report
from benchmarks.deployment import ROOT, environment, import_path, read_template

ROWS = (1, 32, 1024)
COLUMNS = 30
MODELS = ("logistic", "boosting")
BUDGET_MS = 0.060, 0.000020
"""The budget of benchmarks.warm, a request and a value, in the place of its figures."""
COLD_MS = 150.0
"""In the place of a measured first reply: a whole process of the function took 116 to 146 ms on two cores."""
RUNTIME_MS = 0.8
"""In the place of what Lambda's runtime client and the emulator take for a request, which the handler's time has not.

A warm request of one row took that, all in all.
"""

# What Lambda itself writes of each request where logs are text, as they are in template.yaml, at its usual lengths.
_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
_PLATFORM_LINES = (
    f"START RequestId: {_ID} Version: 12\n",
    f"END RequestId: {_ID}\n",
    f"REPORT RequestId: {_ID}\tDuration: 1.23 ms\tBilled Duration: 2 ms\t",
    "Memory Size: 1769 MB\tMax Memory Used: 98 MB\t\n",
)


class Figure(NamedTuple):
    """A number, and which file it is from, or which command makes that."""

    value: float
    source: str


class Figures(NamedTuple):
    """What the calculation takes.

    Attributes:
        handler_ms: of the whole handler, by model and rows of 30 numbers in JSON.
        runtime_ms: what the runtime client adds to a request, by rows: it reads the event and posts the reply.
        cold_ms: a process of the function until its first reply, from disk where that was measured.
    """

    handler_ms: dict[tuple[str, int], Figure]
    runtime_ms: dict[int, Figure]
    cold_ms: Figure

    def busy_ms(self, model: str, rows: int) -> float:
        """How long a request keeps an environment with a whole processor."""
        return self.runtime_ms[rows].value + self.handler_ms[model, rows].value


def read(results: Path = report.RESULTS) -> Figures:
    """The figures in a folder of results."""
    fixed, value = BUDGET_MS
    handler, runtime = {}, {}
    for rows in ROWS:
        empty: report.Row = {"handler": "empty, v2", "rows": rows, "body": "base64"}
        runtime[rows] = _figure(results, "emulator", "rows", empty, "p50 µs", 0.001) or _missing("emulator", RUNTIME_MS)
        for model in MODELS:
            whole: report.Row = {"model": model, "rows": rows, "data": "flat"}
            default = _missing("warm", fixed + value * rows * COLUMNS)
            handler[model, rows] = _figure(results, "warm", "rows", whole, "handler µs", 0.001) or default
    cold = _figure(results, "emulator", "functions", {"handler": "despliegue"}, "ms, disk") or _figure(
        results, "cold", "rows", {"process": "first reply"}, "ms"
    )
    return Figures(handler, runtime, cold or _missing("cold", COLD_MS))


def log_bytes() -> int:
    """Bytes that a request leaves in the function's log group: the metrics line of a first reply, and Lambda's own.

    Rounded up to the next 50, since the line has the time that the reply took.

    Raises:
        CalledProcessError: there was no reply.
    """
    variables = environment() | {
        "PYTHONPATH": os.pathsep.join(import_path()),
        "EVENT": str(ROOT / "events/predict/rest-infer.json"),
    }
    command = [sys.executable, "-S", "-s", "-P", str(ROOT / "benchmarks/first_reply.py"), "2"]
    line = subprocess.run(command, env=variables, check=True, capture_output=True).stdout
    return math.ceil((len(line) + sum(map(len, _PLATFORM_LINES))) / 50) * 50


def access_bytes() -> int:
    """Bytes that a request leaves in the API's access log: its format's length.

    The variables' names in it are about as long as what they stand for.
    """
    return len(read_template()["Resources"]["Api"]["Properties"]["AccessLogSetting"]["Format"])


def _figure(results: Path, name: str, table: str, wanted: report.Row, column: str, unit: float = 1.0) -> Figure | None:
    """A number in a saved table, times its unit; None where the file, the row or the column is not there."""
    try:
        rows = json.loads((results / f"{name}.json").read_bytes()).get(table, [])
    except FileNotFoundError:
        return None
    found = [row[column] for row in rows if wanted.items() <= row.items() and column in row]
    return Figure(found[0] * unit, f"{name}.json") if found else None


def _missing(name: str, default: float) -> Figure:
    return Figure(default, f"not measured: python -m benchmarks.{name} --save")
