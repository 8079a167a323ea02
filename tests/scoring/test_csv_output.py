"""What scored CSV holds besides the predictions, what these are called, and how they are written."""

import csv
import io
from collections.abc import Callable
from typing import Any

import numpy as np

type Score = Callable[..., Any]

FEATURES = "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex"
BIRDS = f"id,{FEATURES}\nx-1,Torgersen,39.1,18.7,181,3750,male\n"


def test_a_classifier_adds_its_label_and_a_column_a_class(score: Score) -> None:
    (bird,) = score("penguins", BIRDS).table

    assert list(bird)[-4:] == ["label", "probability_Adelie", "probability_Chinstrap", "probability_Gentoo"]
    assert bird["label"] == "Adelie"
    assert sum(float(bird[name]) for name in list(bird)[-3:]) == np.float32(1)


def test_predictions_stand_alone_where_nothing_is_joined(score: Score) -> None:
    assert score("sum", "a,b,x\n1,2,q\n3,4,r\n", join="false").lines == ["prediction", "3.0", "7.0"]
    assert score("sum", "1,2\n3,4\n", join="false").lines == ["3.0", "7.0"]


def test_an_id_column_stands_before_the_predictions(score: Score) -> None:
    text = 'a;b;my id\n1;2;"x;1"\n3;4;"y""2"\n'

    assert score("sum", text, id="MY ID").lines == ["my id;prediction", '"x;1";3.0', '"y""2";7.0']
    assert score("sum", text, id="my id", join="true").lines[0] == "my id;prediction"
    assert score("sum", "7,1,2\n8,3,4\n", id="1").lines == ["7,3.0", "8,7.0"]


def test_an_id_column_that_is_not_there_once_is_refused(score: Score) -> None:
    assert "there is no id column 'z'; the columns are 'a', 'b'" in score("sum", "a,b\n1,2\n", id="z").error
    assert "the id column 'c' is there 2 times" in score("sum", "a,b,c,C,c\n1,2,3,4,5\n", id="c").error
    for number in ("0", "4", "x", "²", "-1"):
        assert "expected its number from 1 to 3" in score("sum", "7,1,2\n", id=number).error


def test_an_id_that_is_a_feature_is_written_and_used(score: Score) -> None:
    assert score("sum", "a,b\n1,2\n", id="a").lines == ["a,prediction", "1,3.0"]


def test_a_name_that_is_taken_prefixes_all_predictions_of_a_file(score: Score) -> None:
    once = score("penguins", BIRDS)
    twice = score("penguins", once.output)
    thrice = score("penguins", twice.output)

    assert list(twice.table[0])[-4:] == [f"predicted_{name}" for name in list(once.table[0])[-4:]]
    assert list(thrice.table[0])[-1] == "predicted_predicted_probability_Gentoo"
    assert thrice.table[0]["label"] == thrice.table[0]["predicted_predicted_label"] == "Adelie"


def test_several_outputs_are_columns_of_their_names(score: Score) -> None:
    done = score("types", "b,i,u,d,s\ntrue,-3,18446744073709551615,0.1,x\n")

    assert done.lines[1].endswith(",true,-3,18446744073709551615,0.1,x")
    assert list(done.table[0])[-5:] == ["ob", "oi", "ou", "od", "os"]


def test_an_output_that_is_a_matrix_is_a_column_a_value(score: Score) -> None:
    assert score("same", "a,b\n1,2.5\n").lines == ["a,b,y_0,y_1", "1,2.5,1.0,2.5"]


def test_numbers_are_as_short_as_their_datatype_allows(score: Score) -> None:
    assert score("half", "h\n0.1\n65504\n").column("prediction") == ["0.099975586", "65504.0"]
    assert score("picky", "i\n1\n").column("prediction") == ["20.0"]
    assert score("same", "a,b\n0.1,1e-320\n").lines[1] == "0.1,1e-320,0.1,1e-320"


def test_nan_is_nothing_and_infinity_is_inf(score: Score) -> None:
    assert score("same", "a,b\n,inf\n1e999,-Infinity\n").lines[1:] == [",inf,,inf", "1e999,-Infinity,inf,-inf"]


def test_a_prediction_that_is_nothing_still_is_a_line_that_readers_count(score: Score) -> None:
    done = score("half", "h,x\n1,q\nnan,q\n2,q\n", join="false")

    assert done.lines == ["prediction", "1.0", '""', "2.0"]
    assert len(list(csv.DictReader(done.lines))) == 3


def test_texts_are_quoted_where_they_must_be(score: Score) -> None:
    values = ["a;b", 'say "hi"', "two\nlines", "carriage\rreturn", "plain, here", "", " spaces "]
    text = io.StringIO()
    csv.writer(text, delimiter=";", quoting=csv.QUOTE_ALL).writerows([["s", "x"], *([value, "1"] for value in values)])

    done = score("text", text.getvalue(), id="x")

    assert done.column("os") == values
    for written in (b'1;"a;b"', b'1;"say ""hi"""', b"1;plain, here", b"1; spaces "):
        assert written + b"\r\n" in done.output
