"""Rows that are hard on trees, and a session to run an ensemble's graph in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from despliegue_cli.trees import Ensemble, emit

type Array = np.ndarray[Any, np.dtype[Any]]
type Run = Callable[..., dict[str, Array]]

ROWS = 2400
CATEGORIES = [3, 4]


@dataclass(frozen=True)
class Table:
    """Columns 0 and 5 are numbers, 1 has many ties, 2 is seconds since 1970, 3 and 4 are codes below 12 and 60.

    Attributes:
        x: without missing values.
        nulls: the same, with a tenth of the values missing.
        unseen: as `nulls`, with codes that are in neither, negative ones, zeros and none missing in some rows.
        number, binary, classes, counts, positive: targets, by what they are.
    """

    x: Array
    nulls: Array
    unseen: Array
    number: Array
    binary: Array
    classes: Array
    counts: Array
    positive: Array


@pytest.fixture(scope="session")
def table() -> Table:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(ROWS, 6))
    x[:, 1] = x[:, 1].round(1)
    x[:, 2] = 1.7e9 + rng.integers(0, 30_000_000, ROWS)
    x[:, 3], x[:, 4] = rng.integers(0, 12, ROWS), rng.integers(0, 60, ROWS)
    number = x[:, 0] + x[:, 1] + np.sin(x[:, 2] / 1e6) + (x[:, 3] % 3 == 1) + (x[:, 4] % 7 < 3)
    number += rng.normal(size=ROWS) * 0.3
    nulls = np.where(rng.random(x.shape) < 0.1, np.nan, x)
    unseen = nulls.copy()
    unseen[:300] = x[:300]
    unseen[300:500, 3], unseen[500:600, 4], unseen[600:700, 3] = 50, 999, -1
    unseen[700:800, :2] = 0
    positive = np.exp(np.clip(number, -2, 2))
    return Table(
        x=x,
        nulls=nulls,
        unseen=unseen,
        number=number,
        binary=(number > 1).astype(int),
        classes=np.digitize(number, [0, 1, 2]),
        counts=rng.poisson(positive),
        positive=positive,
    )


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs the graph of an ensemble on rows, as it is served: one thread, and checked by onnx in full before."""

    def outputs(ensemble: Ensemble, rows: Array, inputs: Sequence[str] | None = None) -> dict[str, Array]:
        model = emit(ensemble, inputs)
        onnx.checker.check_model(model, full_check=True)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(model.SerializeToString(), options)
        rows = np.asarray(rows, np.float64)
        given = {"input": rows} if inputs is None else {name: rows[:, [i]] for i, name in enumerate(inputs)}
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, given), strict=True))

    return outputs


@pytest.fixture(scope="session")
def at_thresholds() -> Callable[[Ensemble, Array], Array]:
    """`rows`, and as many again with one value each on a threshold of the ensemble, or next to it."""

    def rows_at(ensemble: Ensemble, rows: Array) -> Array:
        rng = np.random.default_rng(6)
        sources = [*range(ensemble.width), *(column.source for column in ensemble.derived)]
        splits = [
            (sources[feature], threshold)
            for tree in ensemble.trees
            for feature, threshold, mode in zip(tree.feature, tree.threshold, tree.mode, strict=True)
            if mode in (0, 1) and np.isfinite(threshold)
        ]
        near = rows.copy()
        for row, number in zip(near, rng.integers(0, len(splits), len(rows)), strict=True):
            feature, threshold = splits[number]
            row[feature] = np.nextafter(threshold, threshold + rng.integers(-1, 2))
        return np.concatenate([rows, near])

    return rows_at
