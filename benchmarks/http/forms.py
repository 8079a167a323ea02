"""What each server is asked, in its own natural form, and what its reply says."""

import json
from array import array
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from tritonclient.utils import deserialize_bytes_tensor

from benchmarks.requests import COLUMNS, values

type Predictions = tuple[list[str], list[list[float]]]
"""Labels as text, and a row of probabilities for each."""


class Form(NamedTuple):
    """How a server is asked.

    Attributes:
        name: of the form: json or binary.
        path: where the request goes.
        body: the body for a number of rows, and the headers that it needs.
        read: the predictions that a reply's body holds; of binary ones its length of JSON comes with it.
    """

    name: str
    path: str
    body: Callable[[int], tuple[bytes, dict[str, str]]]
    read: Callable[[bytes, int], Predictions]

    def request(self, rows: int) -> bytes:
        """The request as it goes over the wire."""
        body, more = self.body(rows)
        headers = {"Host": "127.0.0.1", "Content-Type": "application/json", **more, "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {self.path} HTTP/1.1\r\n{head}\r\n".encode() + body


def nested(rows: int) -> list[list[float]]:
    """The rows that every request has."""
    flat = values(rows)
    return [flat[start : start + COLUMNS] for start in range(0, len(flat), COLUMNS)]


def _tensor(rows: int) -> dict[str, Any]:
    return {"name": "input", "shape": [rows, COLUMNS], "datatype": "FP32"}


def _v2_json(rows: int) -> tuple[bytes, dict[str, str]]:
    return json.dumps({"inputs": [_tensor(rows) | {"data": values(rows)}]}).encode(), {}


def _v2_binary(rows: int) -> tuple[bytes, dict[str, str]]:
    raw = array("f", values(rows)).tobytes()
    tensor = _tensor(rows) | {"parameters": {"binary_data_size": len(raw)}}
    header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    said = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(header))}
    return header + raw, said


def _rows_as(key: str) -> Callable[[int], tuple[bytes, dict[str, str]]]:
    return lambda rows: (json.dumps({key: nested(rows)}).encode(), {})


def _read_v2(body: bytes, json_length: int) -> Predictions:
    outputs, raw = json.loads(body[: json_length or None])["outputs"], body[json_length:]
    found = {}
    for output in outputs:
        size = (output.get("parameters") or {}).get("binary_data_size")
        found[output["name"]] = output["data"] if size is None else _unpack(output, raw[:size])
        raw = raw[size or 0 :]
    return [str(label) for label in found["label"]], np.reshape(found["probabilities"], (-1, 2)).tolist()


def _unpack(output: dict[str, Any], raw: bytes) -> list[Any]:
    if output["datatype"] != "BYTES":
        unpacked: list[Any] = np.frombuffer(raw, {"FP32": np.float32, "INT64": np.int64}[output["datatype"]]).tolist()
        return unpacked
    return [text.decode() for text in deserialize_bytes_tensor(raw)]


def _read_named(body: bytes, json_length: int) -> Predictions:
    found = json.loads(body)
    found = found.get("predictions", found)
    return [str(label) for label in found["label"]], found["probabilities"]


def _read_nothing(body: bytes, json_length: int) -> Predictions:
    return [], []


V2_JSON = Form("json", "/v2/models/model/infer", _v2_json, _read_v2)
V2_BINARY = Form("binary", "/v2/models/model/infer", _v2_binary, _read_v2)
INSTANCES = Form("json", "/predict", _rows_as("instances"), _read_named)
MLFLOW_INPUTS = Form("json", "/invocations", _rows_as("inputs"), _read_named)
NO_BODY = Form("no body", "/", lambda rows: (b"", {}), _read_nothing)
SAME_BODY = Form("json", "/", _v2_json, _read_nothing)
