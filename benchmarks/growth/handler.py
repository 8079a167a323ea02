"""Rows per request and features per row: the function's whole handler, in this process, against `session.run` alone.

Times are the thread's processor time: nothing in it waits, and other work on the machine disturbs that least. Own cost
is the handler's less that of `session.run` on the same array, each in its quickest round.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from benchmarks import report
from benchmarks.deployment import Context, Event, environment, event, import_path, lambda_stdout
from benchmarks.growth.fit import Curve, median
from benchmarks.requests import COLUMNS, inference, values
from benchmarks.warm import MODELS, SLICE_S, models, save_logistic

ROWS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
FEATURES = (1, 3, 10, 30, 100, 300, 1000)
FEATURE_ROWS = (1, 100)
LAYOUTS = {"flat": "JSON", "binary": "binary"}


class Case(NamedTuple):
    """A request that is measured at one size.

    Attributes:
        name: of its curve.
        model: in the repository.
        size: where it lies on the curve.
        given: the event.
        array: what the model gets.
    """

    name: str
    model: str
    size: int
    given: Event
    array: np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def save_wide_logistic(path: Path, columns: int) -> None:
    """The logistic regression of benchmarks.warm with so many columns in place of its own."""
    save_logistic(path)
    model = onnx.load(path)
    weights = np.random.default_rng(0).normal(size=columns)
    coefficients = next(each for each in model.graph.node[0].attribute if each.name == "coefficients")
    coefficients.floats[:] = [*-weights, *weights]
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = columns
    onnx.save(model, path)


def row_cases(sizes: Sequence[int]) -> list[Case]:
    """Both models, JSON and binary."""
    return [
        Case(f"rows, {shown}, {said}", model, rows, inference(model, rows, layout), _matrix(values(rows), COLUMNS))
        for model, shown in MODELS.items()
        for layout, said in LAYOUTS.items()
        for rows in sizes
    ]


def feature_cases(sizes: Sequence[int]) -> list[Case]:
    """A logistic regression of each width, JSON."""
    cases = []
    for rows in FEATURE_ROWS:
        for columns in sizes:
            flat = values(-(-rows * columns // COLUMNS))[: rows * columns]
            tensor = {"name": "input", "shape": [rows, columns], "datatype": "FP32", "data": flat}
            path = f"v2/models/logistic-{columns}/infer"
            given = event(json.dumps({"inputs": [tensor]}).encode())
            given |= {"path": f"/{path}", "pathParameters": {"proxy": path}}
            name = f"features, {rows} row{'s' * (rows > 1)}"
            cases.append(Case(name, f"logistic-{columns}", columns, given, _matrix(flat, columns)))
    return cases


def processor_us(call: Callable[[], Any]) -> float:
    """Mean processor time of `call` over a slice of time, µs; what it returns is dropped."""
    count, started, used = 0, time.thread_time(), 0.0
    while (used := time.thread_time() - started) < SLICE_S:
        call()
        count += 1
    return used / count * 1e6


def measure(rounds: int, rows: Sequence[int], features: Sequence[int]) -> tuple[list[Curve], list[report.Row]]:
    """The curves of the whole handler and of its own cost, and a table of every size."""
    with models() as root:
        for columns in features:
            save_wide_logistic(root / f"logistic-{columns}/1/model.onnx", columns)
        with lambda_stdout():
            return _measure(rounds, [*row_cases(rows), *feature_cases(features)], root)


def _measure(rounds: int, cases: list[Case], root: Path) -> tuple[list[Curve], list[report.Row]]:
    os.environ.update(environment(root, ",".join(MODELS)))
    sys.path[:0] = import_path()
    import app  # type: ignore[import-not-found]  # only now: what it imports reads the environment
    import onnxruntime

    from despliegue.models import SessionSettings

    def calls(case: Case) -> tuple[Callable[[], Any], Callable[[], Any]]:
        path = root / case.model / "1/model.onnx"
        session = onnxruntime.InferenceSession(path, SessionSettings().options(), providers=["CPUExecutionProvider"])
        outputs = [output.name for output in session.get_outputs()]
        reply = app.handler(case.given, Context)
        if reply["statusCode"] != 200:
            raise RuntimeError(f"the reply is not a prediction: {reply}")
        return lambda: session.run(outputs, {"input": case.array}), lambda: app.handler(case.given, Context)

    pairs = [calls(case) for case in cases]
    taken: list[list[tuple[float, float]]] = [[] for _ in cases]
    for _ in range(rounds):
        for samples, (run, handle) in zip(taken, pairs, strict=True):
            samples.append((processor_us(run), processor_us(handle)))
    curves, table = [], []
    for name in dict.fromkeys(case.name for case in cases):
        chosen = [(case, samples) for case, samples in zip(cases, taken, strict=True) if case.name == name]
        curves.append(median(name, "µs", [(case.size, [handle for _, handle in each]) for case, each in chosen]))
        curves.append(Curve(f"{name}, own", "µs", [(case.size, _own(each)) for case, each in chosen]))
        table += [_row(case, each) for case, each in chosen]
    return curves, table


def _own(samples: list[tuple[float, float]]) -> float:
    """From the quickest round of each: a difference of medians would hold the noise of both."""
    runs, handles = zip(*samples, strict=True)
    return float(min(handles) - min(runs))


def _row(case: Case, samples: list[tuple[float, float]]) -> report.Row:
    run, handle = (statistics.median(column) for column in zip(*samples, strict=True))
    own = _own(samples)
    return {
        "case": case.name,
        "size": case.size,
        "session.run µs": run,
        "handler µs": handle,
        "own µs": own,
        "own ns a value": own * 1000 / case.array.size,
    }


def _matrix(flat: list[float], columns: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(flat, np.float32).reshape(-1, columns)
