"""The requests that are measured: inferences of 30 columns of made-up numbers, as API Gateway's events."""

import json
import random
from array import array
from typing import Any

from benchmarks.deployment import ROOT, Event, event

COLUMNS = 30


def values(rows: int) -> list[float]:
    """Row-major numbers with the handful of digits that data in the wild has; the same at every call."""
    numbers = random.Random(rows)
    return [round(numbers.lognormvariate(0, 1), 4) for _ in range(rows * COLUMNS)]


def names() -> list[str]:
    """The columns' names, as long as real ones are: those of the breast cancer example."""
    manifest = json.loads((ROOT / "layers/models/breast-cancer/1/manifest.json").read_bytes())
    return [feature["name"] for feature in manifest["features"]]


def inference(model: str, rows: int, layout: str) -> Event:
    """The event of one inference request.

    Its layout: JSON with `flat` or `nested` data, `binary` data both ways, or V1 `records`.
    """
    flat = values(rows)
    nested = [flat[start : start + COLUMNS] for start in range(0, len(flat), COLUMNS)]
    tensor: dict[str, Any] = {"name": "input", "shape": [rows, COLUMNS], "datatype": "FP32"}
    if layout == "records":
        body = json.dumps({"instances": [dict(zip(names(), row, strict=True)) for row in nested]}).encode()
        return _to(f"v1/models/{model}:predict", event(body))
    path = f"v2/models/{model}/infer"
    if layout != "binary":
        return _to(
            path, event(json.dumps({"inputs": [tensor | {"data": flat if layout == "flat" else nested}]}).encode())
        )
    raw = array("f", flat).tobytes()
    tensor["parameters"] = {"binary_data_size": len(raw)}
    header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    given = _to(path, event(header + raw))
    said = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(header))}
    return given | {"headers": given["headers"] | said}


def _to(path: str, given: Event) -> Event:
    return given | {"path": f"/{path}", "pathParameters": {"proxy": path}}
