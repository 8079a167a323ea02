"""A file's rows get what the API gives them, whatever way they are read; what one refuses, the other does."""

import csv
import io
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from despliegue.errors import InvalidRequest
from despliegue.http import InferenceService, Request
from despliegue.models import Model, ModelRepository
from despliegue.scoring import Options, Scoring
from despliegue.scoring.rows import Scored, score_rows

type Score = Callable[..., Any]
type Predict = Callable[[str, str], Any]
type Row = list[tuple[str, str]]
"""A row's values, each as CSV and as JSON write it."""

FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda value: (repr(value), repr(value)))
WIDE = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: (repr(value), repr(value)))
INTEGERS = st.integers(-(10**20), 10**20).map(lambda value: (str(value), str(value)))
ODD = st.sampled_from(
    [
        ("", "null"), ("NA", "null"), (" nan ", "null"), ("NULL", "null"), (" 4 ", "4"), ("+2", "2"), (".5", "0.5"),
        ("1.", "1.0"), ("007", "7"), ("1E3", "1e3"), ("inf", "1e999"), ("-Infinity", "-1e999"), ("1e999", "1e999"),
        ("x", '"x"'), ("true", '"true"'), ("1 2", '"1 2"'), ("1 5", '"1,5"'), ("1e39", "1e39"), ("1\r\n", "1"),
    ]
)  # fmt: skip
NUMBERS = FLOATS | WIDE | INTEGERS | ODD | FLOATS
TEXTS = (
    st.sampled_from(["Biscoe", "Dream", "Torgersen", "male", "female", "", " male", '5" pipe', "a;b,c\td|e", "'q'"])
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
).map(lambda text: (text, json.dumps(text) if text else "null"))
SIZES = st.floats(0, 60, width=32).map(lambda value: (repr(value), repr(value))) | ODD
BIRDS = {"island": TEXTS, **dict.fromkeys(["bill_length_mm", "bill_depth_mm", "flipper_length_mm"], SIZES)}
FEATURES: dict[str, dict[str, st.SearchStrategy[tuple[str, str]]]] = {
    "penguins": {**BIRDS, "body_mass_g": SIZES, "sex": TEXTS},
    "sum": {"a": NUMBERS, "b": NUMBERS},
    "same": {"b": NUMBERS, "a": NUMBERS},
    "bare": {"p": NUMBERS, "q": NUMBERS, "r": NUMBERS},
    "types": {
        "b": st.sampled_from([("true", "true"), ("FALSE", "false"), ("true", "true"), ("1", '"1"'), ("", "null")]),
        "i": st.integers(-130, 130).map(lambda value: (str(value), str(value))) | ODD,
        "u": st.integers(-1, 2**64).map(lambda value: (str(value), str(value))) | st.just(("3.0", "3.0")),
        "d": NUMBERS,
        "s": TEXTS.map(lambda text: (text[0], '""' if not text[0] else text[1])),
    },
}
TABLES = {
    name: st.lists(st.tuples(*features.values()).map(list), min_size=1, max_size=6)
    for name, features in FEATURES.items()
}


QUOTING = [csv.QUOTE_MINIMAL, csv.QUOTE_ALL]


@pytest.fixture(scope="session")
def predict(repository_of: Callable[[str], ModelRepository]) -> Predict:
    """Asks the API for the prediction of one instance, in a list; None where it refuses."""

    def ask(model: str, instance: str) -> Any:
        body = f'{{"instances":[{instance}]}}'.encode()
        service = InferenceService(repository_of(model))
        response = service.handle(Request("POST", f"/v1/models/{model}:predict", {}, body, "request-1"))
        assert response.status in (200, 400), response.body
        return json.loads(response.body)["predictions"] if response.status == 200 else None

    return ask


def flat(prediction: Any) -> list[Any]:
    """A prediction's values in a list, as its columns hold them."""
    if isinstance(prediction, dict):
        return [each for value in prediction.values() for each in flat(value)]
    return [each for value in prediction for each in flat(value)] if isinstance(prediction, list) else [prediction]


def agrees(found: Any, expected: Any, tolerance: float) -> bool:
    """Whether a field of CSV, or a value of JSON, is what the API gave."""
    if expected is None:
        return found in ("", None)
    if isinstance(expected, bool):
        return found in (expected, str(expected).lower())
    if isinstance(expected, str):
        return bool(found == expected)
    return math.isclose(float(found), float(expected), rel_tol=tolerance, abs_tol=1e-9)


def check(done: Any, rows: list[list[Any]], wanted: list[Any]) -> None:
    """That each row was scored as wanted, or rejected where None is."""
    assert [reject["row"] for reject in done.rejects] == [at for at, want in enumerate(wanted, 1) if want is None]
    accepted = [flat(want) for want in wanted if want is not None]
    assert len(rows) == len(accepted)
    for row, expected in zip(rows, accepted, strict=True):
        # Softmax magnifies the last bits, and ONNX Runtime adds up in another order where rows are many.
        tolerance = 1e-4 if isinstance(expected[0], str) else 1e-6
        assert all(agrees(*pair, tolerance) for pair in zip(row[-len(expected) :], expected, strict=True)), row


@pytest.mark.parametrize("model", FEATURES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_csv_is_scored_as_its_rows_are_over_the_api(score: Score, predict: Predict, model: str, data: Any) -> None:
    table: list[Row] = data.draw(TABLES[model])
    times = data.draw(st.sampled_from([1, 20]))
    delimiter, quoting = data.draw(st.sampled_from(",;\t|")), data.draw(st.sampled_from(QUOTING))
    names, text = list(FEATURES[model]), io.StringIO()
    # A header in quotes says which character quotes.
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerow([*names, "more"])
    rows = [[*(written for written, _ in row), "x"] for row in table] * times
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows(rows)
    if model == "bare":
        text = io.StringIO(text.getvalue().replace(f'{delimiter}"more"', "", 1).replace(f"{delimiter}x\r\n", "\r\n"))
        text = io.StringIO(text.getvalue().replace(f'{delimiter}"x"\r\n', "\r\n"))

    done = score(model, text.getvalue())

    wanted = [predict(model, instance(model, row)) for row in table] * times
    check(done, [list(row.values()) for row in done.table], wanted)


@pytest.mark.parametrize("model", FEATURES)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_json_lines_are_scored_as_they_are_over_the_api(score: Score, predict: Predict, model: str, data: Any) -> None:
    table: list[Row] = data.draw(TABLES[model])
    times = data.draw(st.sampled_from([1, 20]))
    instances = [instance(model, row) for row in table]

    done = score(model, "".join(f"{each}\n" for each in instances * times), "x.jsonl")

    rows = [list(each.values()) if isinstance(each, dict) else each for each in done.objects]
    check(done, rows, [predict(model, each) for each in instances] * times)


def instance(model: str, row: Row) -> str:
    """A row as the V1 protocol has it."""
    values = [value for _, value in row]
    if model == "bare":
        return f"[{','.join(values)}]"
    return "{" + ",".join(f'"{name}":{value}' for name, value in zip(FEATURES[model], values, strict=True)) + "}"


FIELDS = ["1", "2.5", "-0", "", "NA", "nan", "-nan", "inf", "1e400", "1e39", "+1", ".5", "1.", " 1", "x", "true", "007"]
FIELDS += ['"1"', '" 1"', '""', '"a"b', '"a', 'a"', "a\rb", "\r", "1\r", '"a\rb"', "\0", "1\0", "[1]", "{}", "é"]
FIELDS += ["3.0", "128", "-1", "18446744073709551616", "FALSE", "null", "0x1", "1_0", '"a""b"', '"a,b"']
FIELDS += [
    "\uff11",
    "-81234567890",
    "-87654321098",
    "9" * 30,
    "9" * 400,
    "\ufeff",
    "'1'",
    "\xa01",
    "\v1",
]
LINES = st.lists(
    st.lists(st.sampled_from(FIELDS), min_size=1, max_size=6).map(",".join).map(lambda line: line or ","), max_size=5
)
JSON_VALUES = ["1", "2.5", "-0", "null", "1e400", "1e39", '"x"', '"1"', "true", "[1]", "{}", "9" * 30]
JSON_VALUES += [
    "9" * 400,
    "9" * 5000,
    '{"k":1}',
    '{"k":1,"k":2}',
    '"\\ud800"',
    '"a\\":b"',
    "NaN",
    "01",
    "",
    '"\xff"',
    "[" * 300 + "]" * 300,
]
KEYS = ['"a":', '"b":', '"a" :', '"A":', '"x":', '"\\u0061":', '"y":', ""]
OBJECTS = st.lists(
    st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(JSON_VALUES)).map("".join), max_size=4).map(
        lambda members: "{" + ",".join(members) + "}"
    )
    | st.lists(st.sampled_from(JSON_VALUES), max_size=3).map(lambda values: "[" + ",".join(values) + "]"),
    max_size=5,
)
STARTS: dict[str, tuple[str, list[str], str]] = {
    "same": ("a,b\n", ["1,2", "3,", ",4"], "x.csv"),
    "sum": ("b,x,a\n", ["1,2,3", "4,5,6"], "x.csv"),
    "types": ("b,i,u,d,s\n", ["true,1,2,3.5,x", "false,-1,2,,"], "x.csv"),
    "texts": ("s,t\n", ["a,b", '"c\nd",e'], "x.csv"),
    "half": ("h\n", ["1", "2.5"], "x.csv"),
    "objects": ("", ['{"a":1,"b":2,"x":3}', '{"b":1,"a":null}'], "x.jsonl"),
    "arrays": ("", ["[1,2]", "[null,3]"], "x.jsonl"),
}


@pytest.mark.parametrize("start", STARTS)
@given(data=st.data())
@example(data=None)
@settings(max_examples=200, deadline=None)
def test_rows_get_the_same_however_they_are_read(scored_models: Callable[[str], Model], start: str, data: Any) -> None:
    head, good, name = STARTS[start]
    odd = data.draw(LINES if name == "x.csv" else OBJECTS) if data is not None else []
    at = data.draw(st.integers(0, 20)) if data is not None else 0
    model = scored_models("same" if name == "x.jsonl" else start)
    rows = [row.encode("latin-1" if "\xff" in row else "utf-8") for row in (good * 10)[:at] + odd + good * 5]

    def scored(careful: bool) -> Scored[Any]:
        source = io.BytesIO((head + "\n".join(good)).encode())
        table: Any = Scoring.open(model, name, source, Options()).table
        if careful:
            table.arrays = refuse
        return score_rows(model, table, rows, 1)

    fast, slow = scored(careful=False), scored(careful=True)

    assert fast.rejects == slow.rejects
    assert [row for rows, _ in fast.pieces for row in rows] == [row for rows, _ in slow.pieces for row in rows]
    for output in model.signature.outputs:
        one, other = (np.concatenate([outputs[output] for _, outputs in each.pieces]) for each in (fast, slow))
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def refuse(rows: Any) -> Any:
    raise InvalidRequest("read them one by one")
