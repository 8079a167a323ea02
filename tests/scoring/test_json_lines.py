"""JSON Lines: objects by key or arrays by position; extras pass through, and what is no row is rejected."""

import io
from collections.abc import Callable
from typing import Any

import pytest

from despliegue.models import Model
from despliegue.scoring import Options, Scoring

type Score = Callable[..., Any]

MANY = '{"a":1,"b":2}\n' * 30
"""More lines than are looked at to find the keys."""


def test_predictions_follow_what_a_line_holds(score: Score) -> None:
    done = score("sum", '{"id": "x", "b": 2, "a": 1}\n{ "a":3,"b":4.5,"more":{"k":[1,"}"]} }\n', "rows.jsonl")

    assert done.output == (
        b'{"id": "x", "b": 2, "a": 1,"prediction":3.0}\n{ "a":3,"b":4.5,"more":{"k":[1,"}"]},"prediction":7.5}\n'
    )
    assert (done.suffix, done.facts["format"], done.facts["rows_are"]) == (".jsonl", "jsonl", "objects")


def test_a_classifier_adds_its_label_and_a_key_a_class(score: Score) -> None:
    (bird,) = score("penguins", '{"island":"Biscoe","flipper_length_mm":230,"sex":null}\n', "x.ndjson").objects

    assert list(bird)[3:] == ["label", "probability_Adelie", "probability_Chinstrap", "probability_Gentoo"]
    assert bird["label"] == "Gentoo"


@pytest.mark.parametrize("name", ["x.jsonl", "x.ndjson", "x.json", "x", "x.data"])
def test_json_lines_are_told_by_name_or_by_their_first_character(score: Score, name: str) -> None:
    done = score("sum", '{"a":1,"b":2}\n', name)

    assert done.objects == [{"a": 1, "b": 2, "prediction": 3.0}]
    assert done.suffix == (f".{name.split('.')[1]}" if name.split(".")[-1] not in ("x", "data") else ".jsonl")


def test_arrays_are_features_by_position(score: Score) -> None:
    done = score("same", "[1,2]\n[ 3 , null ]\n[1]\n[1,2,3]\n[]\n[]\n", "x.jsonl")

    assert done.output == b"[1,2,1.0,2.0]\n[ 3 , null,3.0,null]\n"
    assert [reject["reason"] for reject in done.rejects][:2] == [
        "the row is an array of 1; expected an array of 2 values",
        "the row is an array of 3; expected an array of 2 values",
    ]
    assert score("bare", "[1,2,3]\n", "x.jsonl").objects == [[1, 2, 3, 6.0]]


def test_arrays_that_are_too_short_are_rejected_even_where_values_may_be_missing(score: Score) -> None:
    done = score("same", "[1,2]\n" * 50 + "[1]\n[]\n" + "[1,2]\n" * 50, "x.jsonl")

    assert [reject["row"] for reject in done.rejects] == [51, 52]


def test_arrays_may_miss_a_value_before_one_that_is_required(score: Score) -> None:
    done = score("texts", '["x","y"]\n[null,"z"]\n["x",null]\n', "x.jsonl")

    assert done.output == b'["x","y","x","y"]\n[null,"z","","z"]\n'
    assert [reject["row"] for reject in done.rejects] == [3]


def test_objects_and_arrays_do_not_mix(score: Score) -> None:
    objects = score("sum", '{"a":1,"b":2}\n[1,2]\n', "x.jsonl")
    arrays = score("sum", '[1,2]\n{"a":1,"b":2}\n', "x.jsonl")

    assert (objects.counts.rejected, arrays.counts.rejected) == (1, 1)
    assert objects.rejects[0]["reason"] == "the row is an array of 2; expected an object"


def test_keys_are_found_whatever_their_case_and_may_change_it(score: Score) -> None:
    done = score("sum", '{"A":1,"B":2}\n{"b":4,"a":3}\n{"a":5,"A":0,"B":6}\n', "x.jsonl")

    assert [row["prediction"] for row in done.objects] == [3.0, 7.0, 11.0]
    twice = score("sum", MANY + '{"A":1," a":2,"b":3}\n', "x.jsonl")
    assert [(reject["row"], reject["reason"]) for reject in twice.rejects] == [(31, "the row has feature 'a' twice")]


@pytest.mark.parametrize(
    "line",
    [
        '{"a":1,"a":2,"b":3}',
        '{"a" :1,"a" : 2,"b":3}',
        '{"a":1,"b":3,"x":1,"x":2}',
        '{"a":1,"b":3,"x":{"k":1,"k":2}}',
        '{"a":1,"\\u0061":2,"b":3}',
        '{"a":1,"b":3,"x":"\\":","x":2}',
        '{"a":1,"b":3,"x":"y\\": \\":","x" :2}',
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_a_key_that_is_there_twice_rejects_the_row(score: Score, line: str, known: bool) -> None:
    done = score("sum", ('{"a":1,"b":2,"x":"\\":"}\n' if known else "") + MANY + f"{line}\n" + MANY, "x.jsonl")

    (reject,) = done.rejects
    assert reject["raw"] == line
    assert "twice" in reject["reason"]


def test_colons_in_texts_are_no_keys(score: Score) -> None:
    done = score("text", '{"s":"a\\":b","x":"\\":"}\n{"s":"c: d","x":":"}\n', "x.jsonl")

    assert [row["os"] for row in done.objects] == ['a":b', "c: d"]


@pytest.mark.parametrize("key", ['s":', "s: ", 's"', "s\\\\", "ñ ✓", "%b", "\\u0041"])
def test_a_key_may_hold_anything(score: Score, key: str) -> None:
    escaped = key.replace('"', '\\"')

    done = score("text", f'{{"s":"x","{escaped}":1}}\n' * 2 + f'{{"s":"y","{escaped}":1,"{escaped}":1}}\n', "x.jsonl")

    assert (done.counts.scored, done.counts.rejected) == (2, 1)


@pytest.mark.parametrize(
    ("value", "gives"),
    [("1", 1.0), ("1.0e2", 100.0), ("null", None), ("-1e999", float("-inf")), ("1e-999", 0.0), ("1" + "0" * 30, 1e30)],
)
def test_numbers_are_those_of_json(score: Score, value: str, gives: float | None) -> None:
    done = score("same", f'{{"a":{value},"b":2}}\n{{"b":2}}\n', "x.jsonl")

    assert done.rejects == []
    assert [row["y_0"] for row in done.objects] == [gives, None]
    assert (b"-1e999" in done.output) is (gives == float("-inf"))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("NaN", "NaN is no JSON number; null stands for a missing one"),
        ("-Infinity", "-Infinity is no JSON number"),
        ('"1"', "feature 'a' is '1'; expected a number or null"),
        ("true", "feature 'a' is true; expected a number or null"),
        ("[1]", "feature 'a' is an array; expected a number or null"),
        ("{}", "feature 'a' is an object; expected a number or null"),
        ("9" * 400, "is out of the range of FP64"),
        ("9" * 5000, "is out of the range of FP64"),
        ("01", "the row is not valid JSON"),
        ("1.", "the row is not valid JSON"),
        ("", "the row is not valid JSON"),
    ],
)
def test_a_value_that_does_not_fit_rejects_its_row_alone(score: Score, value: str, says: str) -> None:
    done = score("same", f'{MANY}{{"a":{value},"b":2}}\n{MANY}', "x.jsonl")

    (reject,) = done.rejects
    assert reject["row"] == 31
    assert says in reject["reason"]
    assert done.counts.scored == 60


def test_a_key_that_is_missing_rejects_its_row(score: Score) -> None:
    done = score("sum", MANY + '{"a":1}\n{"a":null,"b":1}\n', "x.jsonl")

    assert [(reject["row"], reject["field"], reject["reason"]) for reject in done.rejects] == [
        (31, "b", "feature 'b' is missing; expected a number"),
        (32, "a", "feature 'a' is null; expected a number"),
    ]


@pytest.mark.parametrize(
    ("lines", "bad"),
    [
        ('{"a":1,"b":2}{"a":1,"b":2}', 1),
        ('{"a":1,"b":2} {"a":1,"b":2}', 1),
        ('{"a":1,\n"b":2}', 2),
        ('{"a":1,"b":2', 1),
        ("   ", 1),
        ("null", 1),
        ("3", 1),
        ('"text"', 1),
        ('{"a":1,"b":2}]', 1),
    ],
)
def test_a_line_that_is_no_object_is_rejected(score: Score, lines: str, bad: int) -> None:
    done = score("sum", f"{MANY}\n\r\n{lines}\r\n{MANY}", "x.jsonl")

    assert [reject["row"] for reject in done.rejects] == list(range(31, 31 + bad))
    assert done.counts.scored == 60
    assert len(done.objects) == 60


def test_extras_may_be_what_python_does_not_hold(score: Score) -> None:
    deep, long, surrogate = "[" * 500 + "]" * 500, "9" * 5000, '"\\ud800"'
    for extra in (deep, long, surrogate):
        for bad in ("", '{"a":"x","b":1}\n'):
            done = score("sum", f'{{"a":1,"b":2,"x":0}}\n{bad}{{"a":1,"b":2,"x":{extra}}}\n', "x.jsonl")

            assert f'"x":{extra},"prediction":3.0}}\n'.encode() in done.output, "whatever its neighbours are"


@pytest.mark.parametrize("id_column", [{}, {"id": "x"}])
def test_nesting_without_end_rejects_its_row(score: Score, id_column: dict[str, str]) -> None:
    deep = f'{{"a":1,"b":2,"x":{"[" * 200_000}{"]" * 200_000}}}'

    done = score("sum", f'{{"a":1,"b":2,"x":0}}\n{deep}\n{{"a":1,"b":2,"x":0}}\n', "x.jsonl", **id_column)

    assert [reject["row"] for reject in done.rejects] == [2]
    assert "the row is not valid JSON" in done.rejects[0]["reason"]


@pytest.mark.parametrize("place", ['{"a":1,"b":2,"x":"\xff"}', '{"a":1,"b":2,"\xff":1}', '{"a":1,"b":2}\xff'])
def test_invalid_utf_8_rejects_its_row_alone(score: Score, place: str) -> None:
    done = score("sum", b'{"a":1,"b":2,"x":"y"}\n' + place.encode("latin-1") + b"\n" + MANY.encode(), "x.jsonl")

    assert [reject["row"] for reject in done.rejects] == [2]
    assert "the row is not valid UTF-8: byte 0xff" in done.rejects[0]["reason"]


def test_texts_and_keys_that_are_no_unicode_are_rejected(score: Score) -> None:
    texts = score("text", '{"s":"x"}\n{"s":"\\ud800"}\n{"s":"y"}\n', "x.jsonl")
    keys = score("sum", MANY + '{"a":1,"b":2,"\\ud800":1,"\\ud800":2}\n', "x.jsonl")
    ids = score("sum", MANY + '{"a":1,"b":2,"\\ud800":1}\n', "x.jsonl", id="a")

    assert [reject["row"] for reject in texts.rejects] == [2]
    assert (keys.rejects[0]["row"], keys.rejects[0]["field"]) == (31, "\\ud800")
    assert ids.counts.rejected == 1


def test_an_id_stands_before_the_predictions_or_nothing_does(score: Score) -> None:
    text = '{"a":1,"b":2,"my id":{"k": [1]}}\n{"a":3,"b":4}\n'

    assert score("sum", text, "x.jsonl", id="my id").output == (
        b'{"my id":{"k": [1]},"prediction":3.0}\n{"my id":null,"prediction":7.0}\n'
    )
    assert score("sum", text, "x.jsonl", join="false").output == b'{"prediction":3.0}\n{"prediction":7.0}\n'
    assert score("sum", "[1,2]\n", "x.jsonl", join="false").output == b"[3.0]\n"
    assert "have no id column" in score("sum", "[1,2]\n", "x.jsonl", id="1").error


def test_a_key_that_a_prediction_is_called_prefixes_them_all(score: Score) -> None:
    once = score("sum", '{"a":1,"b":2,"prediction":null}\n', "x.jsonl")

    assert once.output == b'{"a":1,"b":2,"prediction":null,"predicted_prediction":3.0}\n'


def test_such_a_key_in_a_later_line_rejects_that_line(score: Score) -> None:
    done = score("sum", MANY + '{"a":1,"b":2,"prediction":3}\n{"a":1,"b":2,"new":3}\n', "x.jsonl")

    assert [(reject["row"], reject["field"]) for reject in done.rejects] == [(31, "prediction")]
    assert done.objects[-1] == {"a": 1, "b": 2, "new": 3, "prediction": 3.0}


def test_a_byte_order_mark_is_kept(score: Score) -> None:
    done = score("sum", b'\xef\xbb\xbf{"a":1,"b":2}\n', "x.jsonl")

    assert done.output == b'\xef\xbb\xbf{"a":1,"b":2,"prediction":3.0}\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"a":1,"b":2},{"a":3,"b":4}]', "the file is one JSON array of objects; expected JSON Lines"),
        ('\n[\n  {\n    "a": 1,\n    "b": 2\n  }\n]\n', "the file is one JSON array of objects; expected JSON Lines"),
        ('{\n  "a": 1,\n  "b": 2\n}\n', ""),
        ("", "the file is empty: expected a JSON object a line"),
        ("\n\n", "the file is empty: expected a JSON object a line"),
        ("a,b\n1,2\n", "none of the first lines is valid JSON: 'a,b'"),
        ('{"a":1}\n', "the file has no column 'b'; its columns are 'a'"),
        ('{"A":1,"a ":2,"b":3}\n', "feature 'a' is there 2 times"),
        ('"text"\n', "the first line is 'text'; expected a JSON object or an array"),
    ],
)
def test_a_file_that_is_no_json_lines_of_the_features_is_refused(score: Score, text: str, says: str) -> None:
    done = score("sum", text, "x.jsonl")

    assert done.error
    assert says in done.error
    assert done.output == b""


def test_options_for_csv_are_refused(score: Score) -> None:
    assert "are for CSV" in score("sum", '{"a":1,"b":2}\n', "x.jsonl", header="true").error
    assert "are for CSV" in score("sum", '{"a":1,"b":2}\n', "x.jsonl", delimiter=",").error


def test_one_row_of_too_many_brackets_is_rejected_among_many(score: Score) -> None:
    rows = ['{"a":1,"b":2,"note":[]}'] * 30
    rows[10] = '{"a":1,"b":2,"note":' + "[" * 100_000 + "]" * 100_000 + "}"

    done = score("sum", "\n".join(rows), "rows.jsonl")

    assert (done.counts.scored, [reject["row"] for reject in done.rejects]) == (29, [11])


def test_an_id_that_no_key_may_be_is_refused(score: Score) -> None:
    assert "the id column is 'a\"b'" in score("sum", '{"a":1,"b":2}', "rows.jsonl", id='a"b').error


def test_keys_that_come_up_late_pass_through(scored_models: Callable[[str], Model]) -> None:
    late = '{"a":1,"b":2,"note":"x:y"}\n{"A":3,"b":4,"more":[1]}\n'
    output = io.BytesIO()

    scoring = Scoring.open(scored_models("sum"), "rows.jsonl", io.BytesIO((MANY + late * 2000).encode()), Options())
    counts = scoring.run(output, io.BytesIO())

    assert counts.scored == 4030
    assert output.getvalue().endswith(
        b'{"a":1,"b":2,"note":"x:y","prediction":3.0}\n{"A":3,"b":4,"more":[1],"prediction":7.0}\n'
    )


@pytest.mark.parametrize(
    "odd",
    [
        '{"a":1,"b":2}{"a":3,"b":4}',
        '{"a":1,"b":2},{"a":3,"b":4}',
        '{"a":1,"b":2} {"a":3,"b":4}\n{"a":5,"b":{"c":6}',
        '{"a":1,"b":2\n}',
        '{"a":1,\n"b":2}',
        '{"a":1,"b":2,"c":{}',
        '{"a":1,"b":2,"c":{}\n{"a":1,"b":2}}',
        "{}",
        "{ }",
        "{",
        "}",
        "{}}",
        '{"a":1,"b":2,}',
        '{"a":1,"b":2}x}',
        '{"a":1,"b":2,"c":"100 % %s %b"}',
        '{"a":1,"b":2,"c":"}"}',
        '{"a":1,"b":2,"c":"{"}',
        '{"a":1,"b":2,"c":"\\u007d"}',
        '{"a":1,"b":2 }',
        '{ "a":1,"b":2}',
        '{"a":1,"b":2}\t',
        '{"a":1,"b":null}',
        '{"a":1}',
        '{"a":1,"b":2,"b":3}',
        "[1,2]",
        '{"a":1,"b":2,"c":"\udcff"}',
    ],
)
@pytest.mark.parametrize("model", ["sum", "same"])
def test_lines_read_at_once_are_scored_as_one_by_one(score: Score, model: str, odd: str) -> None:
    text = ('{"a":1,"b":2}\n' * 3 + odd + "\n" + '{"a":3,"b":4,"c":[{"d":"]"}]}\n' * 3).encode(errors="surrogateescape")

    at_once = score(model, text, "x.jsonl")
    one_by_one = score(model, b" " + text, "x.jsonl")

    assert one_by_one.output == b" " + at_once.output
    assert one_by_one.rejects == at_once.rejects


@pytest.mark.parametrize(
    "odd", ["[1,2][3,4]", "[1,2],", "[]", "[", "]", "[1]", "[1,2,3]", "[1,[2]]", "[1,2 ]", "[1,2]\t"]
)
def test_arrays_read_at_once_are_scored_as_one_by_one(score: Score, odd: str) -> None:
    text = "[1,2]\n" * 3 + odd + "\n" + "[3,4]\n" * 3

    at_once = score("same", text, "x.jsonl")
    one_by_one = score("same", " " + text, "x.jsonl")

    assert one_by_one.output == b" " + at_once.output
    assert one_by_one.rejects == at_once.rejects
