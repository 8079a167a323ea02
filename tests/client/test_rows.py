"""What callers have, as a request's rows."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from despliegue_client._rows import encode_instances


def rows(data: Any) -> Any:
    document = json.loads(encode_instances(data))
    assert list(document) == ["instances"]
    return document["instances"]


EXPECTED = [{"n": 1.5, "c": "a"}, {"n": None, "c": None}]


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"n": [1.5, np.nan], "c": ["a", None]}),
        pd.DataFrame({"n": pd.array([1.5, None], dtype="Float64"), "c": pd.array(["a", None], dtype="string")}),
        pd.DataFrame({"n": [1.5, np.nan], "c": ["a", None]}, index=[7, 7]),
        [{"n": 1.5, "c": "a"}, {"n": float("nan"), "c": pd.NA}],
        ({"n": Decimal("1.5"), "c": "a"}, {"n": pd.NaT, "c": None}),
        {"n": np.array([1.5, np.nan]), "c": ["a", None]},
        {"n": pd.Series([1.5, np.nan], index=[3, 1]), "c": ("a", None)},
    ],
)
def test_tables_of_every_form_are_the_same_rows(data: Any) -> None:
    assert rows(data) == EXPECTED


def test_frames_of_others_are_known_by_what_they_can_do() -> None:
    class Polars:
        def to_dicts(self) -> list[dict[str, Any]]:
            return [{"n": 1.5, "c": "a"}, {"n": None, "c": None}]

    class Arrow:
        def to_pylist(self) -> list[dict[str, Any]]:
            return [{"n": 1.5, "c": "a"}, {"n": None, "c": None}]

    assert rows(Polars()) == rows(Arrow()) == EXPECTED


def test_a_dict_of_plain_values_is_one_row() -> None:
    assert rows({"n": 1, "c": "abc"}) == [{"n": 1, "c": "abc"}]


def test_arrays_are_rows_first() -> None:
    assert rows(np.array([[1, 2], [3, 4]], np.int8)) == [[1, 2], [3, 4]]
    assert rows(np.array([[1.5, np.nan]], np.float32)) == [[1.5, None]]
    assert rows(np.zeros((1, 2, 2))) == [[[0, 0], [0, 0]]]
    assert rows({"image": np.zeros((2, 1, 1)), "n": np.arange(2)}) == [
        {"image": [[0.0]], "n": 0},
        {"image": [[0.0]], "n": 1},
    ]


def test_types_keep_their_values() -> None:
    row = {
        "flag": np.bool_(True),
        "large": np.uint64(2**64 - 1),
        "single": np.float32(0.5),
        "day": date(2026, 11, 1),
        "stamp": pd.Timestamp("2026-11-01T10:00"),
        "text": 'ñ"\u2028\\',
    }
    assert rows([row]) == [
        {
            "flag": True,
            "large": 2**64 - 1,
            "single": 0.5,
            "day": "2026-11-01",
            "stamp": "2026-11-01T10:00:00",
            "text": 'ñ"\u2028\\',
        }
    ]


def test_infinities_are_valid_json() -> None:
    body = encode_instances([{"a": np.inf, "b": -np.inf, "c": "Infinity"}])

    assert body == b'{"instances":[{"a":1e999,"b":-1e999,"c":"Infinity"}]}'


def test_no_rows_are_no_rows() -> None:
    assert rows([]) == rows(pd.DataFrame({"n": []})) == rows({"n": []}) == []


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        ("abc", TypeError, "data is str; expected a DataFrame"),
        (None, TypeError, "data is NoneType"),
        (5, TypeError, "data is int"),
        (np.arange(3), ValueError, r"the array has 1 dimensions; expected rows first: reshape\(1, -1\)"),
        ({"a": [1], "b": [1, 2]}, ValueError, "the columns differ in length: {'a': 1, 'b': 2}"),
        ({"a": [1], "b": 2}, ValueError, "'b' is one value where others are columns"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "two columns of the DataFrame have the same name"),
        ([{"a": b"bytes"}], TypeError, "a value is bytes"),
        ([{"a": object()}], TypeError, "a value is object"),
    ],
)
def test_what_is_no_table_is_refused_in_words(data: Any, kind: type[Exception], reason: str) -> None:
    with pytest.raises(kind, match=reason):
        encode_instances(data)
