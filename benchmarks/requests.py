"""The requests that are measured: inferences of 30 columns of made-up numbers, as API Gateway's events."""

import json
import random

from benchmarks.deployment import Event, event

COLUMNS = 30


def values(rows: int) -> list[float]:
    """Row-major numbers with the handful of digits that data in the wild has; the same at every call."""
    numbers = random.Random(rows)
    return [round(numbers.lognormvariate(0, 1), 4) for _ in range(rows * COLUMNS)]


def inference(model: str, rows: int, layout: str) -> Event:
    """The event of one inference request, its data `flat` or `nested`."""
    data: list[float] | list[list[float]] = values(rows)
    if layout == "nested":
        flat = values(rows)
        data = [flat[start : start + COLUMNS] for start in range(0, len(flat), COLUMNS)]
    body = {"inputs": [{"name": "input", "shape": [rows, COLUMNS], "datatype": "FP32", "data": data}]}
    path = f"v2/models/{model}/infer"
    return event(json.dumps(body).encode()) | {"path": f"/{path}", "pathParameters": {"proxy": path}}
