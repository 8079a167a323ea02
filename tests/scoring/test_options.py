"""Options are text by name: each has its values, the first source that names one decides, and nothing else passes."""

from collections.abc import Callable
from typing import Any

import pytest

from despliegue.errors import UnscorableFile
from despliegue.scoring import Options


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("delimiter", ";", "delimiter", ";"),
        ("delimiter", "Semicolon", "delimiter", ";"),
        ("delimiter", "comma", "delimiter", ","),
        ("delimiter", "tab", "delimiter", "\t"),
        ("delimiter", "\t", "delimiter", "\t"),
        ("delimiter", "\\t", "delimiter", "\t"),
        ("delimiter", "pipe", "delimiter", "|"),
        ("delimiter", "space", "delimiter", " "),
        ("delimiter", "~", "delimiter", "~"),
        ("header", "true", "header", True),
        ("header", " No ", "header", False),
        ("join", "0", "join", False),
        ("join", "YES", "join", True),
        ("id", " my id ", "id", "my id"),
        ("reject-threshold", "0.05", "reject_threshold", 0.05),
        ("reject-threshold", "5%", "reject_threshold", 0.05),
        ("reject-threshold", "0", "reject_threshold", 0.0),
        ("reject-threshold", "100%", "reject_threshold", 1.0),
    ],
)
def test_an_option_is_read(name: str, text: str, field: str, value: Any) -> None:
    assert getattr(Options.read({name: text}), field) == value


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        *(("delimiter", text, "one character") for text in ("", "ab", '"', "'", "\n", "é", "a", "1", ".", "-", "+")),
        *(("header", text, "true or false") for text in ("", "maybe", "2", "none")),
        ("join", "on", "true or false"),
        ("id", " ", "the name of a column"),
        *(("reject-threshold", text, "a share of the rows") for text in ("", "x", "-1", "1.01", "101%", "nan", "inf")),
    ],
)
def test_a_value_that_an_option_does_not_take_is_refused(name: str, text: str, expected: str) -> None:
    with pytest.raises(UnscorableFile, match=f"option {name} is .*; expected {expected}"):
        Options.read({name: text})


def test_an_unknown_option_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnscorableFile, match="unknown option 'threshold'; expected delimiter, header, id, join"):
        Options.read({}, {"threshold": "1"})


def test_the_first_source_that_names_an_option_decides_it() -> None:
    options = Options.read({"delimiter": ";"}, {"delimiter": "|", "join": "false"}, {"join": "true", "id": "x"})

    assert options == Options(delimiter=";", join=False, id="x")


def test_the_canonical_text_is_the_same_for_the_same_options() -> None:
    one = Options.read({"join": "no", "delimiter": "comma", "reject-threshold": "5%"})
    other = Options.read({"reject-threshold": "0.05"}, {"delimiter": ",", "join": "false"})

    assert one.canonical() == other.canonical() != Options().canonical()
    assert Options.read().canonical() == Options.read({"join": "true"}).canonical()


def test_an_odd_delimiter_still_gives_csv_that_can_be_read(score: Callable[..., Any]) -> None:
    done = score("same", "a~b\n1.5~-2\n", delimiter="~")

    assert done.table == [{"a": "1.5", "b": "-2", "y_0": "1.5", "y_1": "-2.0"}]
