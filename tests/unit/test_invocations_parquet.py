"""`/invocations` takes Parquet where its reader is there, and refuses what is damaged, other, or too much."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from tests.unit.bodies import numbers, parquet, strings
from tests.unit.replies import error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from despliegue.http import Response

    type AddModel = Callable[..., Path]
    type Invoke = Callable[..., Response]

PARQUET = "application/vnd.apache.parquet"
MATRIX = '<ir_version: 10, opset_import: ["": 21]> g (float[N, 2] x) => (float[N, 2] y) { y = Identity(x) }'


BIRDS = {
    "island": strings("Torgersen", None),
    "bill_length_mm": numbers(39.1, None),
    "bill_depth_mm": numbers(18.7, 14.3),
    "flipper_length_mm": numbers(181, 215),
    "body_mass_g": numbers(3750, 5000),
    "sex": strings("male", None),
}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is empty; expected a Parquet file"),
        (b"PAR1", "the body is not Parquet: it does not begin and end with PAR1"),
        (parquet(BIRDS)[:-9], "the body is not Parquet"),
        (b"PAR1" + b"\0" * 20 + b"PAR1", "the body is not readable as Parquet"),
        (parquet(BIRDS | {"wings": numbers(2, 2)}), "unknown feature 'wings'; expected 'island'"),
        (parquet(BIRDS | {"sex": numbers(2, 2)}), "column 'sex' is Float64; expected a string or null"),
        (
            parquet(BIRDS | {"body_mass_g": strings("1", "2")}),
            "column 'body_mass_g' is Utf8; expected a number or null",
        ),
        (parquet(BIRDS | {"body_mass_g": numbers(1, 1e39)}), "row 1: feature 'body_mass_g' is 1e+39, which is out"),
    ],
)
def test_parquet_that_does_not_fit_is_400(invoke: Invoke, body: bytes, says: str) -> None:
    assert says in error(invoke(body, content_type=PARQUET))


def test_a_file_that_ends_its_reader_leaves_the_server_alone(root: Path, invoke: Invoke) -> None:
    """Bytes of its metadata are changed, so that arro3 aborts the process."""
    damaged = (root / "tests" / "unit" / "fixtures" / "damaged.parquet").read_bytes()

    message = error(invoke(damaged, content_type=PARQUET))

    assert message.startswith("the body is not readable as Parquet")
    assert "Traceback" not in message


def test_parquet_of_many_rows_is_one_request(add_model: AddModel, invoke: Invoke) -> None:
    add_model(MATRIX)
    count = 3000
    rows = [float(number) for number in range(count)]

    response = invoke(parquet({"a": numbers(*rows), "b": numbers(*rows)}), "m", PARQUET)

    assert [row["y"][0] for row in json.loads(response.body)["predictions"]] == rows
    wide = parquet({"a": numbers(*rows), "b": numbers(*rows[:-1], 1e39)})
    assert "row 2,999: feature 'b' is 1e+39" in error(invoke(wide, "m", PARQUET))


def test_a_small_file_of_many_rows_is_413(add_model: AddModel, invoke: Invoke) -> None:
    add_model(MATRIX)
    column = numbers(*[0.0] * 600_000)

    response = invoke(parquet({"a": column, "b": column}), "m", PARQUET)

    assert "over the 1,000,000 values that a body of" in error(response, 413)


def test_without_the_tables_layer_parquet_is_415(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "arro3.io", None)

    message = error(invoke(parquet(BIRDS), content_type=PARQUET), 415)

    assert message.startswith("Parquet is not read here, since the tables layer is not there; send application/json")
