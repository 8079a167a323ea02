"""Decoding V1 records: bytes to the model's matrix, nothing run or encoded.

Budget: ≤ 60 ns a value for 1,024 records of 30 named floats, in one thread of a quiet machine. The calibration row is
`orjson.loads` of the same body in the same run, which stops at Python's own objects; that ratio holds on any machine.

    python -m benchmarks.records [--rounds N] [--quick] [--json] [--save]
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import orjson

from benchmarks import report
from benchmarks.deployment import ROOT
from benchmarks.requests import COLUMNS, names, values
from despliegue.models import ModelRepository
from despliegue.protocols.predict_v1 import decoder_of

ROWS = 1024
BUDGET_NS = 60.0


def nanoseconds(call: Callable[[], Any]) -> float:
    """Time of one call, a value."""
    started = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - started) / (ROWS * COLUMNS)


def main() -> None:
    """The command."""
    options = report.arguments(__doc__, rounds=101, quick=11)
    flat = values(ROWS)
    rows = [flat[start : start + COLUMNS] for start in range(0, len(flat), COLUMNS)]
    body = orjson.dumps({"instances": [dict(zip(names(), row, strict=True)) for row in rows]})
    decoder = decoder_of(ModelRepository(ROOT / "layers/models").get("breast-cancer"))
    calls: dict[str, Callable[[], Any]] = {
        "records": lambda: decoder.decode(body),
        "records, carefully": lambda: decoder.decode_carefully(body),
        "calibration: orjson.loads": lambda: orjson.loads(body),
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(options.rounds):
        for name, call in calls.items():
            taken[name].append(nanoseconds(call))
    base = min(taken["calibration: orjson.loads"])
    table: list[report.Row] = [
        {"decoding": name, "ns a value": min(times), "median": statistics.median(times), "ratio": min(times) / base}
        for name, times in taken.items()
    ]
    goals = [report.target("decoding records, ns a value", min(taken["records"]), BUDGET_NS)]
    note = f"{options.rounds} interleaved rounds; ns a value is the quickest round"
    report.show("records", table, options, note, {"targets": goals})


if __name__ == "__main__":
    main()
