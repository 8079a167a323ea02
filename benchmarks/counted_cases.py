"""What is counted, by name: a request in each format, a file of each format, and the interpreter's own work.

Made by `benchmarks.count` outside of callgrind, where that takes a second and not twenty. Left out are Parquet and
images in requests: processes of their own read them, and callgrind counts one.

The model is a logistic regression, which takes next to nothing: with the example's 100 trees two thirds of the
instructions are ONNX Runtime's, and a format could double unseen. Those trees have a case of their own, and so has
text with missing values, which other code reads than 30 numbers: penguins.
"""

import io
import json
import random
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from arro3.core import Array, Table
from arro3.io import write_parquet

from benchmarks.deployment import Event, event
from benchmarks.requests import COLUMNS, inference, names, values

MODEL: Final = "logistic"
ROWS: Final = 1024
FILE_ROWS: Final = 4096
"""Two of the blocks that a text is scored in, and four of Parquet's."""
SMALL, LARGE = 20, 1
"""Repeats of what takes half a million instructions, and of what takes many millions."""


class Request(NamedTuple):
    """An event for the handler, and the status of its reply."""

    event: Event
    repeats: int = LARGE
    status: int = 200


class File(NamedTuple):
    """A file for the scorer: its name, what it holds, the model, and its rows, none of which is refused."""

    name: str
    content: bytes
    model: str = MODEL
    rows: int = FILE_ROWS
    repeats: int = LARGE


class Calibration(NamedTuple):
    """Work for the interpreter alone, on this document."""

    document: dict[str, Any]
    repeats: int = 50


type Case = Request | File | Calibration


def cases() -> dict[str, Case]:
    """All, in the order in which they are counted."""
    small = inference(MODEL, 1, "nested")
    return {
        "1 row, flat": Request(inference(MODEL, 1, "flat"), SMALL),
        "1 row, nested": Request(small, SMALL),
        "1 row, V1 records": Request(inference(MODEL, 1, "records"), SMALL),
        **{f"{ROWS:,} rows, {name}": case for name, case in _requests().items()},
        **{f"{FILE_ROWS:,} rows, {name}": case for name, case in _files().items()},
        "calibration": Calibration(small),
    }


def _requests() -> dict[str, Request]:
    rows = _rows(ROWS)
    records = _records(rows)
    frame = {"columns": names(), "data": rows}
    columns = dict(zip(names(), map(list, zip(*rows, strict=True)), strict=True))
    bad = [*rows[:-1], [*rows[-1][:-1], "heavy"]]
    bad_records = [*records[:-1], records[-1] | {names()[-1]: "heavy"}]
    bad_tensor = {"name": "input", "shape": [ROWS, COLUMNS], "datatype": "FP32", "data": bad}
    infer, predict = f"v2/models/{MODEL}/infer", f"v1/models/{MODEL}:predict"
    npy, npy_type = _npy(rows), {"Content-Type": "application/x-npy"}
    return {
        "flat": Request(inference(MODEL, ROWS, "flat")),
        "nested": Request(inference(MODEL, ROWS, "nested")),
        "nested, gradient boosting": Request(inference("breast-cancer", ROWS, "nested")),
        "nested, refused": Request(_post(infer, _json({"inputs": [bad_tensor]})), status=400),
        "binary": Request(inference(MODEL, ROWS, "binary")),
        "V1 records": Request(inference(MODEL, ROWS, "records")),
        "V1 records of text": Request(_post("v1/models/penguins:predict", _json({"instances": _penguins(ROWS)}))),
        "V1 records, refused": Request(_post(predict, _json({"instances": bad_records})), status=400),
        "V1 rows": Request(_post(predict, _json({"instances": rows}))),
        "dataframe_split": Request(_invocation(_json({"dataframe_split": frame}))),
        "dataframe_records": Request(_invocation(_json({"dataframe_records": records}))),
        "instances": Request(_invocation(_json({"instances": rows}))),
        "inputs": Request(_invocation(_json({"inputs": columns}))),
        "CSV": Request(_invocation(_csv(rows), {"Content-Type": "text/csv"})),
        "JSON Lines": Request(_invocation(_json_lines(rows), {"Content-Type": "application/jsonlines"})),
        "npy": Request(_invocation(npy, npy_type)),
        # The quickest to decode, so that what is seen is the reply.
        "npy, reply in CSV": Request(_invocation(npy, npy_type | {"Accept": "text/csv"})),
        "npy, reply in JSON Lines": Request(_invocation(npy, npy_type | {"Accept": "application/jsonlines"})),
    }


def _files() -> dict[str, File]:
    rows, penguins = _rows(FILE_ROWS), _penguins(FILE_ROWS)
    texts = [",".join("" if value is None else str(value) for value in bird.values()) for bird in penguins]
    return {
        "CSV file": File("rows.csv", ",".join(names()).encode() + b"\n" + _csv(rows)),
        "CSV file of text": File("birds.csv", "\n".join([",".join(penguins[0]), *texts]).encode(), "penguins"),
        "JSON Lines file": File("rows.jsonl", _json_lines(rows)),
        "Parquet file": File("rows.parquet", _parquet(rows)),
    }


def _rows(count: int) -> list[list[float]]:
    flat = values(count)
    return [flat[start : start + COLUMNS] for start in range(0, len(flat), COLUMNS)]


def _records(rows: list[list[float]]) -> list[dict[str, float]]:
    features = names()
    return [dict(zip(features, row, strict=True)) for row in rows]


def _penguins(count: int) -> list[dict[str, Any]]:
    """Records of two categories and four numbers; every tenth value is missing."""
    numbers = random.Random(count)
    return [
        {
            name: None if numbers.random() < 0.1 else value
            for name, value in {
                "island": numbers.choice(["Biscoe", "Dream", "Torgersen"]),
                "bill_length_mm": round(numbers.uniform(34, 54), 1),
                "bill_depth_mm": round(numbers.uniform(13.7, 20.7), 1),
                "flipper_length_mm": numbers.randint(180, 229),
                "body_mass_g": numbers.randint(58, 118) * 50,
                "sex": numbers.choice(["female", "male"]),
            }.items()
        }
        for _ in range(count)
    ]


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


def _csv(rows: list[list[float]]) -> bytes:
    return "".join(",".join(map(repr, row)) + "\n" for row in rows).encode()


def _json_lines(rows: list[list[float]]) -> bytes:
    return b"".join(_json(record) + b"\n" for record in _records(rows))


def _npy(rows: list[list[float]]) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(rows, np.float32))
    return file.getvalue()


def _parquet(rows: list[list[float]]) -> bytes:
    file = io.BytesIO()
    columns = [Array.from_numpy(np.array(column)) for column in zip(*rows, strict=True)]
    write_parquet(Table.from_arrays(columns, names=names()), file, compression="snappy")
    return file.getvalue()


def _invocation(body: bytes, headers: Mapping[str, str] | None = None) -> Event:
    return _post(f"models/{MODEL}/invocations", body, headers or {})


def _post(path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Event:
    given = event(body)
    return given | {
        "path": f"/{path}",
        "pathParameters": {"proxy": path},
        "headers": given["headers"] | dict(headers or {}),
    }
