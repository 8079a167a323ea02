"""`/invocations` takes CSV, JSON Lines and Parquet, and says by row and name what is wrong in them."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from arro3.core import Array, DataType
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.unit.bodies import graph, numbers, parquet, strings
from tests.unit.replies import error

from despliegue.models.manifest import Feature, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from despliegue.http import Response

    type AddModel = Callable[..., Path]
    type Invoke = Callable[..., Response]

CSV, LINES, PARQUET = "text/csv", "application/jsonlines", "application/vnd.apache.parquet"
HEADER = "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex\n"
ROWS = "Torgersen,39.1,18.7,181,3750,male\nBiscoe,,14.3,215,5000,\n"
RECORDS: list[dict[str, Any]] = [
    dict(zip(HEADER.strip().split(","), row, strict=True))
    for row in (["Torgersen", 39.1, 18.7, 181, 3750, "male"], ["Biscoe", None, 14.3, 215, 5000, None])
]
JSON_LINES = "".join(json.dumps(record) + "\n" for record in RECORDS)


MATRIX = graph("(float[N, 2] x) => (float[N, 2] y)", "y = Identity(x)")
TYPES = graph(
    "(bool[N] b, int8[N] i, double[N] d, string[N] s) => (bool[N] ob, int8[N] oi, double[N] od, string[N] os)",
    "ob = Identity(b)  oi = Identity(i)  od = Identity(d)  os = Identity(s)",
)
IMAGES = graph("(float[N, 2, 2] image) => (float[N, 2, 2] same)", "same = Identity(image)")


BIRDS = {
    name: (strings if name in ("island", "sex") else numbers)(*(record[name] for record in RECORDS))
    for name in RECORDS[0]
}


# Good bodies


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (CSV, HEADER + ROWS),
        (CSV, ROWS),
        (CSV, (HEADER + ROWS).replace("\n", "\r\n")),
        (CSV, (HEADER + ROWS).replace("\n", "\r")),
        (CSV, "\ufeff" + HEADER + "\n" + ROWS.replace("\n", "\n\n").rstrip()),
        (CSV, '"' + (HEADER + ROWS).strip().replace(",", '","').replace("\n", '"\n"') + '"'),
        (CSV, "".join(",".join(line.split(",")[::-1]) + "\n" for line in (HEADER + ROWS).splitlines())),
        (
            CSV,
            "".join(f"{start}{line}\n" for start, line in zip((",", "7,", "8,"), (HEADER + ROWS).split(), strict=True)),
        ),
        (CSV, HEADER + ROWS.replace(",,", ", NaN ,").replace("39.1", " +391e-1")),
        (CSV + "; header=present; charset=UTF-8", HEADER + ROWS),
        (CSV + '; header="absent"', ROWS),
        (LINES, JSON_LINES),
        ("application/x-ndjson", "\ufeff" + JSON_LINES.replace("\n", " \r\n\r\n")),
        (LINES, "".join(json.dumps(list(record.values())) + "\n" for record in RECORDS).rstrip()),
        (LINES, JSON_LINES.replace('"bill_length_mm": null, ', "")),
        (PARQUET, parquet(BIRDS)),
        ("application/x-parquet", parquet(dict(reversed(BIRDS.items())))),
        (PARQUET, parquet(BIRDS | {"__index_level_0__": numbers(7, 8)})),
        (PARQUET, parquet(BIRDS | {"body_mass_g": Array([3750, 5000], type=DataType.int64())})),
    ],
)
def test_every_format_gives_what_json_gives(invoke: Invoke, content_type: str, body: str | bytes) -> None:
    response = invoke(body, content_type=content_type)

    assert response.status == 200, response.body
    assert response.body == invoke({"dataframe_records": RECORDS}).body
    assert (response.outcome.model, response.outcome.rows) == ("penguins", 2)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (CSV, "1,2\n3,0.5\n"),
        (CSV + ";header=present", "a,b\n1,2\n3,0.5\n"),
        (LINES, "[1,2]\n[3,0.5]\n"),
        (PARQUET, parquet({"a": numbers(1, 3), "b": numbers(2, 0.5)})),
    ],
)
def test_a_matrix_without_names_takes_columns_by_position(
    add_model: AddModel, invoke: Invoke, content_type: str, body: Any
) -> None:
    add_model(MATRIX)

    assert invoke(body, "m", content_type).body == b'{"predictions":[{"y":[1.0,2.0]},{"y":[3.0,0.5]}]}'


def test_text_becomes_what_the_model_takes(add_model: AddModel, invoke: Invoke) -> None:
    add_model(TYPES)

    response = invoke('b,i,d,s\nTrue,-128,1_0,"a,""b""\n\r"\nfalse,3.0,,\n', "m", CSV)
    good = invoke('b,i,d,s\nTrue,-128,1e400,"a,""b""\n\r"\nfalse,3.0,,\n', "m", CSV)

    assert "row 0: feature 'd' is '1_0'; expected a number or null" in error(response)
    assert good.body == (
        b'{"predictions":[{"ob":true,"oi":-128,"od":1e999,"os":"a,\\"b\\"\\n\\r"},'
        b'{"ob":false,"oi":3,"od":null,"os":""}]}'
    )


def test_a_header_alone_and_a_file_without_rows_are_no_predictions(invoke: Invoke) -> None:
    none = parquet({name: column.slice(0, 0) for name, column in BIRDS.items()})

    for body, content_type in ((HEADER, CSV), (none, PARQUET)):
        assert invoke(body, content_type=content_type).body == b'{"predictions":[]}'


# Bad bodies


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "the body is empty; expected CSV: a line for each row"),
        ("\r\n\n", "the body is empty"),
        (b"\xff\xfe", "the body is not UTF-8: byte 0xff at position 0"),
        (HEADER + "Dream\0", "the body is not valid CSV: it holds a NUL at position 75"),
        (HEADER + ROWS + "Dream,1,2\n", "row 2 has 3 fields; expected 6"),
        (HEADER + ROWS + "\nDream,1,2,3,4,male,more\n", "row 2 has 7 fields; expected 6"),
        (ROWS + "Dream,1,2\n", "row 2 has 3 fields; expected 6"),
        ("Dream,1,2\n" + ROWS, "row 0 has 3 fields; expected 6; the first line is a header only if it names"),
        (HEADER + ROWS + '"Dream"s,1,2,3,4,male\n', "line 4 is not valid CSV"),
        (HEADER + '"Dream,1,2,3,4,male\n' + ROWS, "line 4 is not valid CSV: unexpected end of data"),
        (
            HEADER.replace("sex", "gender") + ROWS,
            "row 0: feature 'bill_length_mm' is 'bill_length_mm'; expected a number",
        ),
        (HEADER.replace("sex", "gender") + ROWS, "the first line is a header only if it names the features: 'island'"),
        (HEADER.replace("sex", "island") + ROWS, "the header names 'island' twice"),
        (HEADER + ROWS + "Dream,x,1,1,1,male\n", "row 2: feature 'bill_length_mm' is 'x'; expected a number or null"),
        (HEADER + "Dream,+nan,1,1,1,male\n", "row 0: feature 'bill_length_mm' is '+nan'; expected a number or null"),
        (HEADER + 'Dream,"39,1",1,1,1,male\n', "row 0: feature 'bill_length_mm' is '39,1'; expected a number"),
        (HEADER + ROWS.replace("39.1", "1e39"), "is 1e+39, which is out of the range of FP32"),
        (
            (HEADER + ROWS).replace(",", ";"),
            "row 0 has 1 fields; expected 6, with commas between them, not semicolons; the first line is a header",
        ),
        (
            f"id,{HEADER}1,{ROWS}",
            "the first line is a header only if it names the features: 'island', 'bill_length_mm'",
        ),
        (f"id,{HEADER}1,{ROWS}", "'flipper_length_mm', 'body_mass_g', 'sex'; 'id' is not among them"),
        (HEADER + "x" * 200_000 + ",1,1,1,1,male", "line 2 is not valid CSV: field larger than field limit"),
    ],
)
def test_csv_that_does_not_fit_is_400(invoke: Invoke, body: str | bytes, says: str) -> None:
    assert says in error(invoke(body, content_type=CSV))


def test_a_header_that_is_said_to_be_there_must_name_the_features(invoke: Invoke, add_model: AddModel) -> None:
    add_model(MATRIX)

    renamed = HEADER.replace("sex", "gender") + ROWS
    assert "unknown feature 'gender'; expected 'island'" in error(invoke(renamed, content_type=CSV + ";header=present"))
    assert "header='maybe'; expected present or absent" in error(invoke(ROWS, content_type=CSV + ";header=maybe"))
    assert "row 0: feature 'bill_length_mm' is" in error(invoke(HEADER, content_type=CSV + ";header=absent"))
    assert "there are 3 columns; expected 2, as the model takes" in error(invoke("1,2,3\n", "m", CSV))
    assert "row 1 has 1 fields; expected 2" in error(invoke("1,2\n3\n", "m", CSV))


def test_a_feature_that_must_be_there_is_missed(add_model: AddModel, invoke: Invoke) -> None:
    Manifest(features=(Feature("a"), Feature("b"))).write(add_model(MATRIX))

    for body, content_type in (("a\n1\n", CSV), ('{"a":1}\n', LINES), (parquet({"a": numbers(1)}), PARQUET)):
        assert "feature 'b'" in error(invoke(body, "m", content_type))
    for body, content_type in (("a,b\n1,2\n1,\n", CSV), ("[1,2]\n[1,null]", LINES)):
        assert "row 1: feature 'b' is null; expected a number" in error(invoke(body, "m", content_type))


def test_images_are_no_columns(add_model: AddModel, invoke: Invoke) -> None:
    add_model(IMAGES)

    for body, content_type in (("1,2\n", CSV), (parquet({"a": numbers(1)}), PARQUET)):
        assert "the model's inputs are no columns ('image')" in error(invoke(body, "m", content_type))
    assert invoke('{"image":[[1,2],[3,4]]}', "m", LINES).status == 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "the body is empty; expected JSON Lines: a JSON object or array for each row"),
        (" \n\n", "the body is empty"),
        (JSON_LINES + '{"sex": "male"', "row 2: the line is not valid JSON"),
        (JSON_LINES + '\n\n{"sex": NaN}\n', "row 2: the line is not valid JSON: NaN is not a JSON value; write null"),
        ('{"sex":\n"male"}\n', "row 0: the line is not valid JSON"),
        ('{"sex": "male"}],"x":[{}\n', "row 0: the line is not valid JSON: Extra data"),
        ('{"sex": "male"},{}\n', "row 0: the line is not valid JSON: Extra data"),
        ("[" * 100_000, "row 0: the line is nested too deep"),
        (b'{"sex": "\xff"}\n', "row 0: the line is not UTF-8: byte 0xff at position 9"),
        (JSON_LINES + '{"sex": "a", "sex": "b"}\n', "row 2: the key 'sex' is there twice in one object"),
        (JSON_LINES + "[]\n", "row 2 is an array, but row 0 is an object; expected all rows alike"),
        (JSON_LINES + '{"wings": 2}\n', "row 2: unknown feature 'wings'; expected 'island'"),
        (JSON_LINES + '{"island": 3}\n', "row 2: feature 'island' is 3; expected a string or null"),
        (JSON_LINES + '{"body_mass_g": "3"}\n', "row 2: feature 'body_mass_g' is '3'; expected a number or null"),
        ('{"dataframe_records": []}\n', "row 0: unknown feature 'dataframe_records'"),
    ],
)
def test_json_lines_that_do_not_fit_are_400(invoke: Invoke, body: str | bytes, says: str) -> None:
    assert says in error(invoke(body, content_type=LINES))


PIECES = st.sampled_from(["[1,2]", "[", "]", "1", ",", '"', '"x', "{", "}", ":", "\\", " ", "\r", "null", "[3,4]"])


@given(st.lists(st.lists(PIECES, max_size=5).map("".join), min_size=1, max_size=4))
@example(["[1,2]],[", "[3,4]"])
@example(["[1,2", "3]"])
@example(["[[1,2]", "[3,4]]"])
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_line_is_a_row_whatever_stands_in_it(add_model: AddModel, invoke: Invoke, lines: list[str]) -> None:
    add_model(MATRIX)

    response = invoke("[5,6]\n" + "\n".join(lines), "m", LINES)

    rows = [line for line in lines if line.strip()]
    good = all(line.replace(" ", "").replace("\r", "") in ("[1,2]", "[3,4]") for line in rows)
    assert response.status == (200 if good else 400), response.body
    assert response.outcome.rows == (1 + len(rows) if good else 0)


NUMBERS = st.floats(width=32).map(repr) | st.sampled_from(
    [
        "-0",
        "1e5",
        "1E-3",
        "0.1",
        "16777217",
        "123456789012345678901234567890",
        "3.4028236e38",
        "1e39",
        "1.",
        ".5",
        "+1",
        "01",
    ]
)


@pytest.mark.parametrize("header", ["", "a,b\n"])
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=4), st.sampled_from(["\n", "\r\n", "\n\n"]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numbers_are_read_the_same_at_once_and_field_by_field(
    add_model: AddModel, invoke: Invoke, header: str, rows: list[tuple[str, str]], end: str
) -> None:
    """A quoted field is read by itself."""
    Manifest(features=(Feature("a", missing="NaN"), Feature("b", missing="NaN"))).write(add_model(MATRIX))
    plain = header + end.join(map(",".join, rows))
    quoted = header + end.join(f'"{first}",{second}' for first, second in rows)

    at_once, by_field = invoke(plain, "m", CSV), invoke(quoted, "m", CSV)

    assert at_once.body == by_field.body
    assert at_once.status == by_field.status


@pytest.mark.parametrize("body", ["1,2\n3\n4,5,6\n", "1\n2,3,4\n", "1,2,3,4\n", "1,2\n3,4,\n5\n"])
def test_rows_of_differing_widths_are_400(add_model: AddModel, invoke: Invoke, body: str) -> None:
    Manifest(features=(Feature("a"), Feature("b"))).write(add_model(MATRIX))

    response = invoke(body, "m", CSV)

    assert response.status == 400
    assert "fields; expected 2" in error(response)


FIELDS = st.sampled_from(
    ["1", "", ",", '"', "\r", "\n", "\0", "a", "b", "\ufeff", "nan", "1e999", "1_0", "\u0661", "a,b\n"]
)


@given(st.binary(max_size=40) | st.lists(FIELDS, max_size=12).map(lambda found: "".join(found).encode()))
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_as_csv_get_an_answer(add_model: AddModel, invoke: Invoke, body: bytes) -> None:
    Manifest(features=(Feature("a", missing="NaN"), Feature("b", missing="NaN"))).write(add_model(MATRIX))

    response = invoke(body, "m", CSV)

    if response.status == 400:
        assert error(response)
        return
    rows = [row for row in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")) if row]
    named = {*rows[0]} <= {"a", "b"} or (rows[0][0] == "" and len(rows[0]) > 1 and {*rows[0][1:]} <= {"a", "b"})
    assert len(json.loads(response.body)["predictions"]) == len(rows) - named
