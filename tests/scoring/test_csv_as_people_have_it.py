"""CSV as R, Excel and pandas write it, and what cannot be told of it."""

from collections.abc import Callable
from typing import Any

import pytest

type Score = Callable[..., Any]


def test_names_may_differ_by_the_signs_that_a_program_put_in_them(score: Score) -> None:
    rows = "Torgersen,39.1,18.7,181,3750,male\n"
    plain = "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex\n"
    expected = score("penguins", plain + rows)

    for header in (
        plain.replace("_", "."),
        plain.replace("_", " ").title(),
        ", ".join(f'"{name}"' for name in plain.strip().split(",")) + "\n",
    ):
        done = score("penguins", header + rows)
        assert done.facts["missing_features"] == []
        assert done.lines[1] == expected.lines[1], header


def test_a_column_that_is_not_there_is_named_in_the_report(score: Score) -> None:
    done = score("penguins", "island,sex\nDream,male\n")

    assert done.facts["missing_features"] == ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]


def test_rs_row_names_are_a_column_like_others(score: Score) -> None:
    done = score("sum", '"","a","b"\n"1",1,NA\n"2",3,4\n')

    assert done.lines == ['"","a","b",prediction', '"2",3,4,7.0']
    assert [reject["row"] for reject in done.rejects] == [1]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_excels_line_for_the_delimiter_is_no_record(score: Score, newline: str) -> None:
    done = score("sum", newline.join(["sep=;", "a;b", "1;2", "3;4", ""]))

    assert done.output.decode() == newline.join(["a;b;prediction", "1;2;3.0", "3;4;7.0", ""])


def test_a_decimal_comma_is_found_where_the_delimiter_is_another(score: Score) -> None:
    done = score("sum", "a;b;note\n1,5;2;x\n-0,25;1,5e3;y\n1,5;1,5,5;u\n")
    numbers = score("sum", "a;b\n1,5;2\n0,5;1,250\n")

    assert done.facts["decimal"] == ","
    assert done.lines[1:] == ["1,5;2;x;3.5", "-0,25;1,5e3;y;1499.75"]
    assert [reject["row"] for reject in done.rejects] == [3]
    assert numbers.lines[1:] == ["1,5;2;3.5", "0,5;1,250;1.75"]


def test_a_comma_that_may_part_thousands_is_no_decimal_sign(score: Score) -> None:
    done = score("sum", "a\tb\n1,234\t2\n1\t2\n")

    assert done.facts["decimal"] == "."
    assert done.lines[1:] == ["1\t2\t3.0"]
    assert "'1,234'; expected a number with a decimal point" in done.rejects[0]["reason"]


def test_a_parted_thousand_rejects_its_own_row_alone(score: Score) -> None:
    done = score("sum", "a;b\n1,5;2\n0,5;3.750\n2;1\n")

    assert done.lines[1:] == ["1,5;2;3.5", "2;1;3.0"]
    assert "'3.750'; expected a number with a decimal comma" in done.rejects[0]["reason"]


def test_a_headerless_file_with_decimal_commas_has_no_header(score: Score) -> None:
    done = score("sum", "1,5;2,5\n3,5;4,5\n")

    assert done.lines == ["1,5;2,5;4.0", "3,5;4,5;8.0"]


def test_a_row_that_holds_a_feature_called_like_a_number_is_no_header(score: Score) -> None:
    done = score("numbered", "5.1,1,7\n6,2,8\n")
    named = score("numbered", "0,1,2\n6,2,8\n")

    assert done.counts.read == 2
    assert named.counts.read == 1


def test_a_model_of_texts_must_be_told_of_a_header_that_names_nothing(score: Score) -> None:
    text = "review\ngood\nbad\n"

    assert "say so with the option header" in score("text", text).error.lower()
    assert score("text", "good,1\nbad,2\n", header="false", id="2").counts.read == 2


def test_an_apostrophe_around_one_word_stays_in_the_text(score: Score) -> None:
    done = score("text", "s,x\n'Great',1\nfine,2\nso so,3\n")

    assert done.column("os") == ["'Great'", "fine", "so so"]


def test_a_record_that_cannot_be_read_does_not_hide_the_delimiter(score: Score) -> None:
    done = score("sum", b"note;a;b\ncaf\xe9;1;2\nca\rfe;1;2\nx;3;4\n")

    assert done.facts["delimiter"] == ";"
    assert done.counts.scored >= 1
    assert done.rejects[0]["row"] == 1


def test_a_blank_line_in_a_file_of_one_column_is_a_row(score: Score) -> None:
    done = score("half", "h\n1\n\n2\n")

    assert done.lines == ["h,prediction", "1,1.0", ",", "2,2.0"]
    assert done.counts.read == 3


def test_a_header_may_be_long(score: Score) -> None:
    names = ",".join(f"a_column_that_nobody_needs_{number}" for number in range(6000))
    done = score("sum", f"a,b,{names}\n1,2{',0' * 6000}\n")

    assert len(names) > 100_000
    assert done.lines[1].endswith(",3.0")


def test_an_integer_may_be_written_with_a_point(score: Score) -> None:
    assert score("whole", "i\n9007199254740993.0\n").column("prediction") == ["9007199254740993"]
