"""CSV: its dialect is found, its columns are the model's features by name or by position, and what it holds stays."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

type Score = Callable[..., Any]


@pytest.mark.parametrize("header", ["a,b", "b,a", "B,A", " A , b ", '"a","b"', "x,b,a", "a,b,", "a,B,a b"])
def test_columns_are_found_by_name_whatever_their_case_and_order(score: Score, header: str) -> None:
    names = next(csv.reader([header]))
    row = ["1" if "a" in name.strip().lower().split() else "20" for name in names]

    done = score("sum", f"{header}\n{','.join(row)}\n")

    assert done.lines[0] == f"{header},prediction"
    assert done.lines[1] == f"{','.join(row)},21.0"


def test_an_exact_name_goes_before_one_in_another_case(score: Score) -> None:
    done = score("sum", "A,a,b\n100,1,2\n")

    assert done.column("prediction") == ["3.0"]


def test_without_a_header_columns_are_features_by_position(score: Score) -> None:
    done = score("same", "1,2\n3,\n")

    assert done.facts["header"] is False
    assert done.lines == ["1,2,1.0,2.0", "3,,3.0,"]


@pytest.mark.parametrize("text", ["1,2,3\n4,5,6\n", "1\n2\n"])
def test_without_a_header_another_number_of_columns_is_refused(score: Score, text: str) -> None:
    done = score("sum", text)

    assert f"the file has {text.splitlines()[0].count(',') + 1} columns and no header" in done.error
    assert done.output == b""


def test_a_model_without_names_takes_columns_by_position(score: Score) -> None:
    named, nameless = score("bare", "p,q,r\n1,2,3\n"), score("bare", "1,2,3\n")

    assert named.lines == ["p,q,r,prediction", "1,2,3,6.0"]
    assert nameless.lines == ["1,2,3,6.0"]
    assert "there are 2 columns; expected 3" in score("bare", "1,2\n").error
    assert "not all different: 'p', 'p', 'q'" in score("bare", "p,p,q\n1,2,3\n").error


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,c\n1,2\n", "the file has no column 'b'; its columns are 'a', 'c'"),
        ("p,q\n1,2\n", "the file has no column 'a', 'b'; its columns are 'p', 'q'"),
        ("a,b,A,a\n1,2,3,4\n", "feature 'a' is there 2 times, as 'a', 'a'; expected it once"),
        ("A,b, a\n1,2,3\n", "feature 'a' is there 2 times, as 'A', ' a'; expected it once"),
        ("", "the file is empty"),
        ("\n\r\n\n", "the file is empty"),
        ("\ufeff", "the file is empty"),
        ("a" * 1_200_000, "its first line has no end within 1,0"),
        ("a,\0b\n", "the file is no text: a NUL byte is at 2"),
    ],
)
def test_a_file_that_is_no_table_of_the_features_is_refused(score: Score, text: str, says: str) -> None:
    done = score("sum", text)

    assert says in done.error
    assert (done.output, done.rejects, done.counts) == (b"", [], None)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04zip", "a zip archive or an Excel workbook"),
        ("a,b\n1,2\n".encode("utf-16"), "the file is UTF-16"),
        (b"a,\xff\n1,2\n", "its first line is no CSV in UTF-8"),
    ],
)
def test_what_is_no_text_in_utf_8_is_refused_by_its_name(score: Score, data: bytes, says: str) -> None:
    assert says in score("sum", data).error


def test_a_model_that_takes_no_columns_or_gives_no_rows_scores_no_files(score: Score) -> None:
    assert "the model's inputs are no columns ('image')" in score("images", "a,b\n1,2\n").error
    assert "not a value for each of 2 rows" in score("long", "a,b\n1,2\n3,4\n").error


def test_features_that_may_be_missing_may_be_missing_as_columns(score: Score) -> None:
    done = score("same", "b,x\n2,q\n,r\n")

    assert done.lines == ["b,x,y_0,y_1", "2,q,,2.0", ",r,,"]
    assert "none of the file's columns is a feature" in score("same", "x,y\nq,r\n").error


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_delimiter_and_quoting_are_found(score: Score, delimiter: str, quote: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quotechar=quote, lineterminator="\n")
    writer.writerows([["s", "n"], ["a,b;c\td|e", 1], [f"it{quote}s", 2], ["two\nlines", 3], ["plain", 4]])

    done = score("text", text.getvalue())

    assert (done.facts["delimiter"], done.facts["quote"], done.facts["columns"]) == (delimiter, quote, 2)
    assert done.column("os") == done.column("s") == ["a,b;c\td|e", f"it{quote}s", "two\nlines", "plain"]


def test_a_header_decides_between_delimiters_that_rows_hold_too(score: Score) -> None:
    done = score("sum", "a;b;note\n1;2;x,y,z\n3;4;u,v,w\n")

    assert done.column("prediction") == ["3.0", "7.0"]


def test_an_apostrophe_in_a_text_is_no_quote(score: Score) -> None:
    done = score("text", "s,x\nit's,1\n'tis,2\nrock 'n' roll,3\n")

    assert done.facts["quote"] == '"'
    assert done.column("os") == ["it's", "'tis", "rock 'n' roll"]


def test_options_go_before_what_is_found(score: Score) -> None:
    shifted = score("text", "s,x;y\n1,2;3\n", delimiter="comma")
    header = score("text", "s,x\n1,2\n", header="false", id="2")
    forced = score("bare", "1,2,3\n4,5,6\n", header="true")

    assert shifted.lines == ["s,x;y,os", "1,2;3,1"]
    assert header.lines == ["x,s", "2,1"]
    assert forced.lines == ["1,2,3,prediction", "4,5,6,15.0"]


def test_a_byte_order_mark_is_kept_and_is_no_part_of_a_name(score: Score) -> None:
    for text in ("a,b\n1,2\n", '"a",b\n1,2\n'):
        done = score("sum", b"\xef\xbb\xbf" + text.encode())

        assert done.output.startswith(b"\xef\xbb\xbf" + text[:3].encode())
        assert done.output.count(b"\xef\xbb\xbf") == 1
        assert done.column("prediction") == ["3.0"]
    assert score("sum", b"\xef\xbb\xbf1,2\n3,4\n").output == b"\xef\xbb\xbf1,2,3.0\n3,4,7.0\n"


def test_line_ends_are_kept(score: Score) -> None:
    assert score("sum", "a,b\r\n1,2\r\n3,4\r\n").output == b"a,b,prediction\r\n1,2,3.0\r\n3,4,7.0\r\n"
    assert score("sum", "1,2\r\n3,4").output == b"1,2,3.0\r\n3,4,7.0\r\n"
    assert score("sum", "a,b\r\r\n1,2\r\r\n").output == b"a,b,prediction\n1,2,3.0\n"
    assert score("sum", "a,b\n1,2\n3,4").output == b"a,b,prediction\n1,2,3.0\n3,4,7.0\n"


def test_blank_lines_are_no_rows(score: Score) -> None:
    done = score("sum", "\n\na,b\n\n1,2\n\r\n\n3,x\n\n")

    assert done.lines == ["a,b,prediction", "1,2,3.0"]
    assert [reject["row"] for reject in done.rejects] == [2]
    assert (done.counts.read, done.counts.scored) == (2, 1)


def test_a_header_alone_gives_a_header_with_the_predictions(score: Score) -> None:
    done = score("penguins", "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex\n")

    assert done.output == (
        b"island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex"
        b",label,probability_Adelie,probability_Chinstrap,probability_Gentoo\n"
    )
    assert (done.counts.read, done.rejects) == (0, [])
    for text in ("a,b", "\na,b", '\ufeff"a","b"', "\r\n\r\na,b\r\n"):
        assert (score("sum", text).counts.read, score("sum", text).lines[0].split(",")[-1]) == (0, "prediction")


@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_what_fields_hold_passes_through_byte_for_byte(score: Score, line: str) -> None:
    rows = ['1,2,"x""y"', '3,4,"two\nlines, and a ""quote"""', '5,6,5" pipe', "7,8, spaces "]
    rows += ['9,10,""', '11,12,"ñ\r\n✓"']
    text = line.join(["a,b,note", *rows, ""])

    done = score("sum", text)

    assert done.output.decode() == line.join(
        ["a,b,note,prediction", *(f"{row},{4 * at + 3}.0" for at, row in enumerate(rows)), ""]
    )


def test_quotes_where_none_belong_break_no_line_that_has_them_in_place(score: Score) -> None:
    # The inch sign makes the splitter read carefully; line breaks within quotes must still be none.
    done = score("texts", 's,t\r\n5" pipe,"two\r\nlines"\r\nc,d\r\n')

    assert done.column("os") == ['5" pipe', "c"]
    assert done.column("ot") == ["two\r\nlines", "d"]
