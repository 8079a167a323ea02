"""`/invocations` replies in the format that is asked for: MLflow's JSON, SageMaker's CSV, JSON Lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.bodies import graph
from tests.unit.replies import error, predictions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from despliegue.http import Response

    type AddModel = Callable[..., Path]
    type Invoke = Callable[..., Response]

ROWS: list[list[Any]] = [["Torgersen", 39.1, 18.7, 181, 3750, "male"], ["Biscoe", None, 14.3, 215, 5000, None]]


REGRESSOR = graph("(float[N] age) => (float[N] years)", "years = Identity(age)")
MATRIX = graph("(float[N, 2] x) => (float[N, 2] y)", "y = Identity(x)")
IMAGES = graph("(float[N, 2, 2] image) => (float[N, 2, 2] same)", "same = Identity(image)")
TEXTS = graph("(string[N] s, bool[N] b) => (string[N] t, bool[N] c)", "t = Identity(s)  c = Identity(b)")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("Text/CSV; charset=utf-8", "text/csv; charset=utf-8"),
        ("text/*", "text/csv; charset=utf-8"),
        ("application/json;q=0.5, text/csv", "text/csv; charset=utf-8"),
        ("*/*, application/json;q=0", "text/csv; charset=utf-8"),
        ("application/jsonlines", "application/jsonlines"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/json;q=x", "application/json"),
        ("image/png", None),
        ("text/csv;q=0", None),
    ],
)
def test_the_reply_is_what_is_accepted(invoke: Invoke, accept: str, content_type: str | None) -> None:
    response = invoke({"instances": ROWS}, accept=accept)

    if content_type is None:
        assert "the reply can be application/json, text/csv, application/jsonlines" in error(response, 415)
        return
    assert (response.status, response.headers["content-type"]) == (200, content_type)


def test_csv_and_json_lines_say_what_json_says(invoke: Invoke) -> None:
    rows = predictions(invoke({"instances": ROWS}))

    csv = invoke({"instances": ROWS}, accept="text/csv").body.decode()
    lines = invoke({"instances": ROWS}, accept="application/jsonlines").body.decode()

    assert [json.loads(line) for line in lines.splitlines()] == rows
    for line, row in zip(csv.splitlines(), rows, strict=True):
        label, *probabilities = line.split(",")
        assert label == row["label"]
        assert [float(each) for each in probabilities] == list(row["probabilities"].values())


@pytest.mark.parametrize(
    ("text", "instances", "expected"),
    [
        (REGRESSOR, [0.1, None, 1, 2.5], b'0.1\n""\n1.0\n2.5\n'),
        (MATRIX, [[0.1, None], [2, 3]], b"0.1,\n2.0,3.0\n"),
        (IMAGES, [[[1, 2], [3, 4]]], b"1.0,2.0,3.0,4.0\n"),
        (TEXTS, [["ñ", True], ['a,"b"\n', False]], 'ñ,true\n"a,""b""\n",false\n'.encode()),
    ],
)
def test_csv_has_a_line_a_row_and_no_header(
    add_model: AddModel, invoke: Invoke, text: str, instances: list[Any], expected: bytes
) -> None:
    add_model(text)

    response = invoke({"instances": instances}, "m", accept="text/csv")

    assert response.body == expected


def test_infinities_are_written(add_model: AddModel, invoke: Invoke) -> None:
    add_model(REGRESSOR)
    body = b'{"instances": [1e999, -1e999]}'

    assert invoke(body, "m", accept="text/csv").body == b"inf\n-inf\n"
    assert invoke(body, "m", accept="application/jsonlines").body == b"1e999\n-1e999\n"
    assert invoke(body, "m").body == b'{"predictions":[1e999,-1e999]}'


@pytest.mark.parametrize(
    ("content_type", "says"),
    [
        ("image/png", "expected application/json, text/csv, application/jsonlines, application/vnd.apache.parquet or"),
        ("application/x-www-form-urlencoded", "content type is 'application/x-www-form-urlencoded'"),
        ("application/json; format=pandas-split", "content type is 'application/json; format=pandas-split'"),
        ("text/csv; charset=latin-1", "the charset is 'latin-1'; expected utf-8"),
    ],
)
def test_another_content_type_is_415(invoke: Invoke, content_type: str, says: str) -> None:
    response = invoke({"instances": ROWS}, content_type=content_type)

    assert says in error(response, 415)
    assert response.outcome.error == "UnsupportedContentType"
