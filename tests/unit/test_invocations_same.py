"""The same rows get the same bytes back from `/invocations`, whatever format they come in, and from V1."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from despliegue.errors import InvalidRequest
from despliegue.http import InferenceService, Request
from despliegue.protocols.parquet_process import read
from despliegue.protocols.predict_v1 import decoder_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from despliegue.http import Response

    type Invoke = Callable[..., Response]
    type Rows = list[tuple[Any, ...]]

TEXTS = st.none() | (
    st.sampled_from(
        ["Biscoe", "male", "", " ", "a,b", 'a"b', '"', "a\nb", "\r\n", "\ufeff", "NaN", "null", "sex", "=1+1"]
    )
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
)
NUMBERS = st.none() | (
    st.floats(0, 6000, width=32)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.floats(-1e40, 1e40)
    | st.integers(-(10**6), 10**6)
)
PENGUINS = {
    "island": TEXTS,
    "bill_length_mm": NUMBERS,
    "bill_depth_mm": NUMBERS,
    "flipper_length_mm": NUMBERS,
    "body_mass_g": NUMBERS,
    "sex": TEXTS,
}
BIRDS: Rows = [("Biscoe", 39.1, None, 181, 3750, 'fe"m,ale\n'), (None, None, None, None, None, None)]


def as_csv(names: list[str], rows: Rows, *, header: bool) -> str:
    text = io.StringIO()
    # In quotes, a byte order mark that a text begins with is not taken for the body's.
    writer = csv.writer(text, quoting=csv.QUOTE_MINIMAL if header else csv.QUOTE_ALL)
    writer.writerows([names, *rows] if header else rows)
    return text.getvalue()


def as_parquet(names: list[str], rows: Rows) -> bytes:
    columns = []
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        if name in ("island", "sex"):
            columns.append(Array(list(values), type=DataType.string()))
        else:
            floats = [None if value is None else float(value) for value in values]
            columns.append(Array(floats, type=DataType.float64()))
    output = io.BytesIO()
    write_parquet(Table.from_arrays(columns, names=names), output)
    return output.getvalue()


def bodies(names: list[str], rows: Rows) -> dict[str, tuple[Any, str]]:
    """The rows in every format, each with its content type."""
    json_type, lines_type = "application/json", "application/jsonlines"
    records = [dict(zip(names, row, strict=True)) for row in rows]
    sparse = [{name: value for name, value in record.items() if value is not None} for record in records]
    backwards = {"columns": names[::-1], "data": [row[::-1] for row in rows]}
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return {
        "instances": ({"instances": records}, json_type),
        "rows": ({"instances": rows}, json_type),
        "inputs": ({"inputs": columns}, json_type),
        "records": ({"dataframe_records": sparse}, json_type),
        "split": ({"dataframe_split": {"columns": names, "data": rows}}, json_type),
        "split backwards": ({"dataframe_split": backwards}, json_type),
        "lines": ("\n".join(map(json.dumps, records)), lines_type),
        "lines of arrays": ("".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in rows), lines_type),
        "csv": (as_csv(names, rows, header=True), "text/csv"),
        "csv without header": (as_csv(names, rows, header=False), "text/csv; header=absent"),
    }


def check(shipped: InferenceService, invoke: Invoke, model: str, names: list[str], rows: Rows) -> int:
    """That all formats agree, in what they predict and in what they refuse; gives the status."""
    body = json.dumps({"instances": [dict(zip(names, row, strict=True)) for row in rows]}).encode()
    v1 = shipped.handle(Request("POST", f"/v1/models/{model}:predict", body=body))
    for name, (written, content_type) in bodies(names, rows).items():
        response = invoke(written, model, content_type)
        assert response.status == v1.status, (name, response.body)
        if v1.status == 200:
            assert response.body == v1.body, name
        else:  # such as a number that is out of range: the same row and feature are named
            assert json.loads(response.body)["error"].split(" is ")[0] == json.loads(v1.body)["error"].split(" is ")[0]
    return v1.status


@given(rows=st.lists(st.tuples(*PENGUINS.values()), min_size=1, max_size=5))
@example(rows=BIRDS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_penguins_are_the_same_in_every_format(shipped: InferenceService, invoke: Invoke, rows: Rows) -> None:
    assert check(shipped, invoke, "penguins", list(PENGUINS), rows) in (200, 400)


@given(rows=st.lists(st.tuples(*PENGUINS.values()), min_size=1, max_size=5))
@example(rows=BIRDS)
@settings(max_examples=200, deadline=None)
def test_parquet_gives_the_model_the_same(shipped: InferenceService, rows: Rows) -> None:
    decoder = decoder_of(shipped.repository.get("penguins"))
    instances = json.dumps({"instances": rows}).encode()

    def arrays(decode: Callable[[], dict[str, Any]]) -> dict[str, list[Any]] | str:
        try:
            return {name: [each.dtype, each.shape, *map(repr, each.ravel())] for name, each in decode().items()}
        except InvalidRequest as error:
            return str(error).split(" is ")[0]

    body = as_parquet(list(PENGUINS), rows)
    assert arrays(lambda: read(body, decoder.schema)) == arrays(lambda: decoder.decode(instances))


@given(rows=st.lists(st.tuples(*[st.floats(0, 5000) | st.integers(0, 5000)] * 30), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_matrix_is_the_same_in_every_format(shipped: InferenceService, invoke: Invoke, rows: Rows) -> None:
    names = [feature.name for feature in shipped.repository.get("breast-cancer").manifest.features]

    assert check(shipped, invoke, "breast-cancer", names, rows) == 200


@pytest.mark.parametrize("times", [1, 1500])
def test_many_rows_are_the_same_in_every_format(shipped: InferenceService, invoke: Invoke, times: int) -> None:
    rows, names = BIRDS * times, list(PENGUINS)

    assert check(shipped, invoke, "penguins", names, rows) == 200
    parquet = invoke(as_parquet(names, rows), content_type="application/vnd.apache.parquet")
    assert parquet.body == invoke({"dataframe_split": {"columns": names, "data": rows}}).body
