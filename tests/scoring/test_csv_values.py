"""What fields of CSV stand for: numbers, integers, texts, booleans, nothing; what is none of them is rejected."""

from collections.abc import Callable
from typing import Any

import pytest

type Score = Callable[..., Any]

TYPES = "b,i,u,d,s\n"
GOOD = "true,1,2,3.5,x\n"


@pytest.mark.parametrize("many", [1, 100])
@pytest.mark.parametrize(
    ("field", "number"),
    [
        ("1", "1.0"), ("1.", "1.0"), (".5", "0.5"), ("+2", "2.0"), ("-2", "-2.0"), ("007", "7.0"), ("1e3", "1000.0"),
        ("1E-2", "0.01"), (" 4 ", "4.0"), ("\t5", "5.0"), ('"6"', "6.0"), ('" 7"', "7.0"), ("inf", "inf"),
        ("-INF", "-inf"), ("+Infinity", "inf"), ("1e999", "inf"), ("1e-999", "0.0"),
        ("123456789012345678901234567890", "1.2345678901234568e+29"),
    ],
)  # fmt: skip
def test_numbers_may_be_written_in_many_ways(score: Score, field: str, number: str, many: int) -> None:
    done = score("same", "a,b\n" + f"{field},1\n" * many + "2,2\n")

    assert done.column("y_0") == [number] * many + ["2.0"]
    assert done.rejects == []


@pytest.mark.parametrize("many", [1, 100])
@pytest.mark.parametrize("field", ["", '""', "NA", "N/A", "n/a", "NaN", "nan", "-nan", "NULL", "None", "  ", " NA "])
def test_what_is_missing_may_be_written_in_many_ways(score: Score, field: str, many: int) -> None:
    done = score("same", "a,b\n" + f"1,{field}\n" * many)

    assert done.column("y_1") == [""] * many
    assert done.rejects == []


@pytest.mark.parametrize("many", [1, 100])
@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("x", "is 'x'; expected a number or null"), ("1,5", ""), ('"1,5"', "expected a number with a decimal point"),
        ("1_000", "is '1_000'"), ("0x10", "is '0x10'"), ("1e", "is '1e'"), ("--1", "is '--1'"), ("true", "is 'true'"),
        ("\uff11", "is '\uff11'"), ("infinit", "is 'infinit'"), ("#N/A", "is '#N/A'"),
        ("[1]", "is '[1]'"), ("{}", "is '{}'"), ("1'", "is \"1'\""), ("y" * 90, f"is '{'y' * 17}...y"),
    ],
)  # fmt: skip
def test_a_text_where_a_number_belongs_rejects_its_row_alone(score: Score, field: str, says: str, many: int) -> None:
    done = score("same", "a,b\n" + "1,2\n" * many + f"3,{field}\n" + "5,6\n" * many)

    assert done.column("y_0") == ["1.0"] * many + ["5.0"] * many
    (reject,) = done.rejects
    assert (reject["row"], reject["raw"]) == (many + 1, f"3,{field}")
    if says:
        assert reject["field"] == "b"
        assert says in reject["reason"]
        assert len(reject["reason"]) < 120
    else:
        assert reject["reason"] == "the row has 3 fields; expected 2"


@pytest.mark.parametrize(
    ("row", "gives"),
    [
        (GOOD, "true,1,2,3.5,x"), ("TRUE,3.0,+4,,\n", "true,3,4,,"), ("False,-128,18446744073709551615,inf,\n",
         "false,-128,18446744073709551615,inf,"), (" true , 1 , 2 , 3 , x \n", "true,1,2,3.0, x "),
        ("true,1e1,0,0,NA\n", "true,10,0,0.0,NA"), ("true,-0,-0,nan,null\n", "true,0,0,,null"),
    ],
)  # fmt: skip
def test_each_datatype_reads_its_own(score: Score, row: str, gives: str) -> None:
    done = score("types", TYPES + row)

    assert done.lines[1:] == [row.rstrip("\n") + "," + gives]


@pytest.mark.parametrize(
    ("row", "field", "says"),
    [
        ("1,1,2,3,x", "b", "is '1'; expected true or false"),
        (",1,2,3,x", "b", "is null; expected true or false"),
        ("yes,1,2,3,x", "b", "is 'yes'; expected true or false"),
        ("true,128,2,3,x", "i", "is 128, which is out of the range of INT8"),
        ("true,1.5,2,3,x", "i", "is 1.5; expected an integer"),
        ("true,NA,2,3,x", "i", "is null; expected an integer"),
        ("true,inf,2,3,x", "i", "is Infinity; expected an integer"),
        ("true,1,-1,3,x", "u", "is -1, which is out of the range of UINT64"),
        ("true,1,18446744073709551616,3,x", "u", "which is out of the range of UINT64"),
        (f"true,1,{'9' * 5000},3,x", "u", "expected an integer"),
        ("true,1,2,x,x", "d", "is 'x'; expected a number or null"),
    ],
)
def test_each_datatype_rejects_what_it_does_not_hold(score: Score, row: str, field: str, says: str) -> None:
    done = score("types", f"{TYPES}{GOOD}{row}\n{GOOD}")

    assert (done.counts.scored, done.counts.rejected) == (2, 1)
    assert (done.rejects[0]["row"], done.rejects[0]["field"], done.rejects[0]["raw"]) == (2, field, row)
    assert f"feature '{field}' {says}" in done.rejects[0]["reason"] or says in done.rejects[0]["reason"]


def test_an_integer_keeps_all_its_digits(score: Score) -> None:
    done = score("types", f"{TYPES}true,1,9007199254740993,1,\ntrue,1,18446744073709551615,1,\n")

    assert done.column("ou") == ["9007199254740993", "18446744073709551615"]


def test_a_null_where_the_model_takes_none_rejects_its_row(score: Score) -> None:
    done = score("sum", "a,b\n1,2\n1,\nNA,2\n3,4\n")

    assert done.column("prediction") == ["3.0", "7.0"]
    assert [(reject["row"], reject["field"]) for reject in done.rejects] == [(2, "b"), (3, "a")]
    assert done.rejects[0]["reason"] == "feature 'b' is null; expected a number"


def test_a_number_out_of_range_rejects_its_row(score: Score) -> None:
    done = score("sum", "a,b\n1,2\n1e39,2\n3,4\n")

    assert [reject["reason"] for reject in done.rejects] == ["feature 'a' is 1e+39, which is out of the range of FP32"]
    assert score("half", "h\n65519\n65520\n").counts.rejected == 1


def test_an_empty_text_is_missing_only_where_a_marker_says_so(score: Score) -> None:
    done = score("texts", 's,t\n,\n"",""\n')

    assert (done.column("os"), done.column("ot")) == (["", ""], ["", ""])


def test_rows_that_the_model_itself_refuses_are_rejected(score: Score) -> None:
    done = score("picky", "i\n" + "0\n1\n2\n" * 50 + "3\n" + "-3\n" * 50 + "-4\n")

    assert done.counts.scored == 200
    assert [(reject["row"], reject["raw"]) for reject in done.rejects] == [(151, "3"), (202, "-4")]
    assert "indices element out of data bounds" in done.rejects[0]["reason"]
