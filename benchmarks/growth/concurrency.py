"""Concurrent requests against `despliegue serve`: requests a second, and the time of one.

The server has core 0 to itself and the load comes from core 1, as in benchmarks.http. It is a closed loop: each
connection sends its next request when it has its reply, so that where the server is busy all the time, a request takes
as many times longer as there are connections.
"""

import json
import os
import random
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.growth.fit import Curve, median
from benchmarks.http.client import drive
from benchmarks.http.contenders import CONTENDERS, OURS
from benchmarks.http.forms import V2_JSON
from benchmarks.http.measure import CLIENT_CORE, start
from benchmarks.requests import names
from benchmarks.warm import save_logistic

CONNECTIONS = (1, 2, 4, 8, 16, 32, 64)
ROWS = 1
_LEAST = 200


def measure(rounds: int, seconds: float, sizes: Sequence[int] = CONNECTIONS) -> tuple[list[Curve], list[report.Row]]:
    """The curves and a table.

    Args:
        rounds: in each of which every number of connections has its turn, in random order.
        seconds: of a turn.
        sizes: connections at once.
    """
    ours = next(contender for contender in CONTENDERS if contender.name == OURS)
    latencies: dict[int, list[list[float]]] = {size: [] for size in sizes}
    rates: dict[int, list[float]] = {size: [] for size in sizes}
    cores = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="despliegue-growth-") as scratch:
        folder = Path(scratch) / "logistic"
        save_logistic(folder / "model.onnx")
        manifest = {"features": [{"name": name} for name in names()], "labels": ["no", "yes"]}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        running = start(ours, ours.environment(), "logistic", folder, Path(scratch))
        os.sched_setaffinity(0, {CLIENT_CORE})
        try:
            request = V2_JSON.request(ROWS)
            running.server.first_reply(running.port, request)
            drive(running.port, request, 8, seconds, _LEAST)
            for _ in range(rounds):
                for size in random.sample(sizes, len(sizes)):
                    taken, took = drive(running.port, request, size, seconds, _LEAST)
                    latencies[size].append(sorted(taken))
                    rates[size].append(len(taken) / took)
        finally:
            running.server.end()
            os.sched_setaffinity(0, cores)
    curves = [
        median("connections, requests/s", "/s", list(rates.items())),
        median("connections, p50", "µs", [(size, _percentiles(latencies[size], 0.5)) for size in sizes]),
        median("connections, p99", "µs", [(size, _percentiles(latencies[size], 0.99)) for size in sizes]),
    ]
    return curves, [_row(size, rates[size], latencies[size], rates[sizes[0]]) for size in sizes]


def _row(size: int, rates: list[float], latencies: list[list[float]], base: list[float]) -> report.Row:
    p50, p99 = (statistics.median(_percentiles(latencies, share)) for share in (0.5, 0.99))
    return {
        "connections": size,
        "requests/s": statistics.median(rates),
        "× one": statistics.median(mine / other for mine, other in zip(rates, base, strict=True)),
        "p50 µs": p50,
        "p99 µs": p99,
        "p99/p50": p99 / p50,
    }


def _percentiles(rounds: list[list[float]], share: float) -> list[float]:
    """That percentile of each round, µs."""
    return [taken[int(len(taken) * share)] * 1e6 for taken in rounds]
