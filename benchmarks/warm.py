"""A warm request: the whole handler against `session.run` alone on the same array.

Budget: handler ≤ session.run + 60 µs + 20 ns per value; 60 ns per value where they come as records. `used` is
(handler - session.run) / (60 µs + 20 ns per value), so it is ≤ 1 where the budget is met.

    python -m benchmarks.warm [--rounds N] [--quick] [--json] [--save]

The handler of functions/predict/app.py, in this process, on API Gateway events with base64 bodies as the template
produces them: 1, 32 and 1,024 rows of 30 random floats, in each layout, for the example's gradient boosting and for a
logistic regression, the cheapest model there is, where everything is overhead. Metrics are on and go to /dev/null
through a stdout that is flushed after each write, as Lambda's is.

Each round times both, one right after the other; the medians over the rounds are shown. The calibration row is Python's
own json on the one-row request: it says how fast this machine is, for reading the microseconds.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmarks import report
from benchmarks.deployment import ROOT, Context, environment, import_path, lambda_stdout
from benchmarks.requests import COLUMNS, inference, names, values

CASES = [(rows, layout) for rows in (1, 32, 1024) for layout in ("flat", "nested", "binary", "records")]
MODELS = {"breast-cancer": "boosting", "logistic": "logistic"}
FIXED_US, VALUE_US, RECORD_VALUE_US = 60.0, 0.020, 0.060
SLICE_S = 0.02
"""Time for one measurement in a round: enough calls that the clock does not matter, short enough to interleave."""


def save_logistic(path: Path) -> None:
    """Write a logistic regression for two classes, as skl2onnx would, with random coefficients."""
    weights = np.random.default_rng(0).normal(size=COLUMNS)
    classifier = helper.make_node(
        "LinearClassifier",
        ["input"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        classlabels_ints=[0, 1],
        coefficients=[*-weights, *weights],
        intercepts=[-0.5, 0.5],
        post_transform="SOFTMAX",
    )
    graph = helper.make_graph(
        [classifier],
        "logistic",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, COLUMNS])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    path.parent.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)


def save_named(folder: Path) -> None:
    """The logistic regression as a version in a repository, with names and labels."""
    save_logistic(folder / "model.onnx")
    manifest = {"features": [{"name": name} for name in names()], "labels": ["no", "yes"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def model_folders(scratch: Path) -> dict[str, Path]:
    """The two models by name, each in the folder of a version; the logistic regression's is made in `scratch`."""
    save_named(scratch / "logistic")
    return {"logistic": scratch / "logistic", "boosting": ROOT / "layers/models/breast-cancer/1"}


@contextmanager
def models() -> Iterator[Path]:
    """A model repository with both models."""
    with tempfile.TemporaryDirectory(prefix="despliegue-warm-") as folder:
        root = Path(folder)
        shutil.copytree(ROOT / "layers/models/breast-cancer", root / "breast-cancer")
        save_named(root / "logistic/1")
        yield root


def microseconds(call: Callable[[], Any]) -> float:
    """Mean time of `call` over a slice of time; what it returns is dropped."""
    count, started, now = 0, time.perf_counter(), 0.0
    while (now := time.perf_counter() - started) < SLICE_S:
        call()
        count += 1
    return now / count * 1e6


def measure(rounds: int, root: Path) -> list[report.Row]:
    """A row for each model and case, after the calibration row."""
    os.environ.update(environment(root, ",".join(MODELS)))
    sys.path[:0] = import_path()
    import app  # type: ignore[import-not-found]  # only now: what it imports reads the environment
    import onnxruntime

    from despliegue.models import SessionSettings

    def row(model: str, rows: int, layout: str) -> tuple[report.Row, Callable[[], Any], Callable[[], Any]]:
        path = root / model / "1/model.onnx"
        # An own session, with the settings of the function's: what is inside the handler is not reached into.
        session = onnxruntime.InferenceSession(path, SessionSettings().options(), providers=["CPUExecutionProvider"])
        outputs = [output.name for output in session.get_outputs()]
        given, array = inference(model, rows, layout), np.array(values(rows), np.float32).reshape(rows, COLUMNS)
        reply = app.handler(given, Context)
        if reply["statusCode"] != 200:
            raise RuntimeError(f"the reply is not a prediction: {reply}")
        labels: report.Row = {"model": MODELS[model], "rows": rows, "data": layout}
        return labels, lambda: session.run(outputs, {"input": array}), lambda: app.handler(given, Context)

    document = inference("breast-cancer", 1, "flat")
    pairs = [row(model, rows, layout) for model in MODELS for rows, layout in CASES]
    times: list[list[tuple[float, float]]] = [[] for _ in pairs]
    calibration = []
    for _ in range(rounds):
        calibration.append(microseconds(lambda: json.loads(json.dumps(document))))
        for taken, (_, run, handle) in zip(times, pairs, strict=True):
            taken.append((microseconds(run), microseconds(handle)))
    table: list[report.Row] = [{"model": "calibration: json", "handler µs": statistics.median(calibration)}]
    return table + [_result(labels, taken) for (labels, _, _), taken in zip(pairs, times, strict=True)]


def _result(labels: report.Row, taken: list[tuple[float, float]]) -> report.Row:
    each = RECORD_VALUE_US if labels["data"] == "records" else VALUE_US
    allowance = FIXED_US + each * int(labels["rows"] or 0) * COLUMNS
    run = statistics.median(run for run, _ in taken)
    # Within a round, so that a slow moment of the machine falls on both.
    used = [(handler - run) / allowance for run, handler in taken]
    low, middle, high = statistics.quantiles(used, n=4)
    return labels | {
        "session.run µs": run,
        "handler µs": statistics.median(handler for _, handler in taken),
        "budget µs": run + allowance,
        "used": middle,
        "quartiles": f"{low:.2f}–{high:.2f}",
    }


def targets(table: list[report.Row]) -> list[report.Row]:
    """The budgets, and whether they are met."""
    measured = [row for row in table if "used" in row]
    return [
        report.target(
            f"handler, {row['model']}, {row['rows']} rows, {row['data']}, × its budget", float(row["used"] or 0), 1.0
        )
        for row in measured
    ]


def main() -> None:
    """The command."""
    options = report.arguments(__doc__, rounds=15, quick=3)
    with models() as root:
        with lambda_stdout():
            table = measure(options.rounds, root)
        note = (
            f"{options.rounds} interleaved rounds, medians. used = (handler - session.run) / (60 µs + 20 ns × values)"
        )
        report.show("warm", table, options, note, {"targets": targets(table)})


if __name__ == "__main__":
    main()
