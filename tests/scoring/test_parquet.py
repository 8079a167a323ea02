"""Parquet: columns of any type pass through, features are numbers, texts or booleans, and damage is said."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from arro3.core import Array, DataType, Table
from arro3.io import read_parquet, write_parquet

from despliegue.models import Model
from despliegue.scoring import Counts, Options, Scoring

type Score = Callable[..., Any]

TEXT, FLOAT = DataType.string(), DataType.float64()
FLOATS = Array([1.0, None, 3.0], type=DataType.float64())
WHOLE = Array([1.0, 2.0, 3.0], type=DataType.float64())
NUMBERS = Array([1, 2, 3], type=DataType.int64())


def written(columns: dict[str, Array], **options: Any) -> bytes:
    file = io.BytesIO()
    write_parquet(Table.from_pydict(dict(columns)), file, **options)
    return file.getvalue()


def rows(data: bytes) -> list[dict[str, Any]]:
    table: Any = read_parquet(io.BytesIO(data)).read_all()
    return [dict(row) for row in table.to_struct_array().to_pylist()]


def many(number: int) -> dict[str, Array]:
    values = np.arange(number, dtype=np.float64)
    return {"a": Array.from_numpy(values), "b": Array.from_numpy(values / 2)}


def test_predictions_follow_the_columns(score: Score) -> None:
    done = score("same", written({"x": Array(["ñ", None, ""], type=DataType.string()), "B": NUMBERS, "a": FLOATS}), "x")

    assert (done.suffix, done.facts["format"], done.counts) == (".parquet", "parquet", Counts(3, 3, 0))
    assert [list(row)[:4] for row in rows(done.output)] == [["x", "B", "a", "y_0"]] * 3
    assert [row["x"] for row in rows(done.output)] == ["ñ", None, ""]
    assert [row["y_1"] for row in rows(done.output)] == [1.0, 2.0, 3.0]
    assert np.isnan(rows(done.output)[1]["y_0"])


def test_predictions_are_those_of_the_model(score: Score, scored_models: Callable[[str], Model]) -> None:
    columns = many(5000)

    found = read_parquet(io.BytesIO(score("sum", written(columns), "x.parquet").output)).read_all()

    matrix = np.column_stack([column.to_numpy() for column in columns.values()]).astype(np.float32)
    (expected,) = scored_models("sum").run({"x": matrix}, ["y"])
    assert found.column("prediction").to_numpy().tolist() == expected.ravel().tolist()


@pytest.mark.parametrize("number", [1, 2047, 2048, 2049, 10_000])
@pytest.mark.parametrize("group", [1000, 100_000])
def test_rows_keep_their_order_through_batches_and_row_groups(score: Score, number: int, group: int) -> None:
    done = score("sum", written(many(number), max_row_group_size=group), "x.parquet", join="false")

    assert [row["prediction"] for row in rows(done.output)] == [at * 1.5 for at in range(number)]


EXTRAS: dict[str, Array] = {
    "decimal": WHOLE.cast(DataType.decimal128(20, 2)),
    "dictionary": Array(["x", "y", "x"], type=TEXT).cast(DataType.dictionary(DataType.int32(), TEXT)),
    "large_string": Array(["x", "é", None], type=DataType.large_string()),
    "string_view": Array(["x", "é", None], type=DataType.string_view()),
    "binary": Array([b"\xff", None, b""], type=DataType.binary()),
    "timestamp": NUMBERS.cast(DataType.timestamp("us", tz="Europe/Zurich")),
    "late": Array([2**62, 1, 2], type=DataType.int64()).cast(DataType.timestamp("us")),
    "date": Array([1, 2, None], type=DataType.int32()).cast(DataType.date32()),
    "time": NUMBERS.cast(DataType.time64("us")),
    "duration": NUMBERS.cast(DataType.duration("us")),
    "uint64": Array([2**64 - 1, 0, None], type=DataType.uint64()),
    "half": Array.from_numpy(np.array([1, 2, 3], np.float16)),
    "boolean": Array([True, None, False], type=DataType.bool()),
}  # fmt: skip


@pytest.mark.parametrize("name", EXTRAS)
def test_extra_columns_of_any_type_pass_through(score: Score, name: str) -> None:
    data = written({"a": FLOATS, "b": NUMBERS, "x": EXTRAS[name]})

    done = score("sum", data, "x.parquet")

    before, after = read_parquet(io.BytesIO(data)).read_all(), read_parquet(io.BytesIO(done.output)).read_all()
    assert after.schema.field("x").type == before.schema.field("x").type
    kept = before.column("x").combine_chunks().take(Array.from_numpy(np.array([0, 2], np.uint32)))
    assert after.column("x").combine_chunks() == kept
    assert (done.counts.scored, done.rejects[0]["row"]) == (2, 2)
    assert done.rejects[0]["raw"].startswith('{"a":null,"b":2,"x":')


def test_a_row_that_is_rejected_is_told_as_json_whatever_it_holds(score: Score) -> None:
    null, nan = Array([None, 1, 2], type=FLOAT), Array([float("nan"), 1, 2], type=FLOAT)

    late = score("sum", written({"a": null, "b": NUMBERS, "x": EXTRAS["late"]}), "x")
    none = score("sum", written({"a": nan, "b": NUMBERS}), "x")

    assert late.rejects[0]["raw"] == '{"a":null,"b":1,"x":"unreadable: year 148108 is out of range"}'
    assert none.rejects == [
        {"row": 1, "field": "a", "reason": "feature 'a' is null; expected a number", "raw": '{"a":null,"b":1}'}
    ]


@pytest.mark.parametrize("name", ["decimal", "uint64", "half"])
def test_numbers_of_any_type_are_features(score: Score, name: str) -> None:
    done = score("same", written({"a": EXTRAS[name], "b": NUMBERS}), "x.parquet")

    expected = [np.nan if value is None else float(value) for value in EXTRAS[name].to_pylist()]
    np.testing.assert_array_equal([row["y_0"] for row in rows(done.output)], expected)


@pytest.mark.parametrize("name", ["dictionary", "large_string", "string_view"])
def test_texts_of_any_type_are_features(score: Score, name: str) -> None:
    done = score("text", written({"s": EXTRAS[name]}), "x.parquet")

    expected = [value for value in EXTRAS[name].to_pylist() if value is not None]
    assert [row["os"] for row in rows(done.output)] == expected
    assert done.counts == Counts(3, len(expected), 3 - len(expected))


def test_integers_and_booleans_are_features(score: Score) -> None:
    columns = {
        "b": Array([True, False, None], type=DataType.bool()),
        "i": Array([1.0, -128.0, 3.0], type=DataType.float32()),
        "u": Array([1, 2**64 - 1, 3], type=DataType.uint64()),
        "s": Array(["x", "y", "z"], type=DataType.string()),
    }

    done = score("types", written(columns), "x.parquet", join="false")

    assert [row["ou"] for row in rows(done.output)] == [1, 2**64 - 1]
    assert [row["oi"] for row in rows(done.output)] == [1, -128]
    assert done.rejects[0]["reason"] == "feature 'b' is null; expected true or false"


def test_values_that_do_not_fit_reject_their_rows(score: Score) -> None:
    index = Array([0.0, 0.5, 7.0, None, 2.0] * 1000, type=DataType.float64())

    done = score("picky", written({"i": index}), "x.parquet")

    assert done.counts == Counts(5000, 2000, 3000)
    assert [reject["row"] for reject in done.rejects[:4]] == [2, 3, 4, 7]
    assert [row["prediction"] for row in rows(done.output)] == [10.0, 30.0] * 1000


def test_no_rows_give_no_rows_with_the_columns_of_predictions(score: Score) -> None:
    empty = Array([], type=DataType.float64())

    done = score("sum", written({"a": empty, "b": empty, "x": Array([], type=DataType.string())}), "x.parquet")

    assert read_parquet(io.BytesIO(done.output)).read_all().schema.names == ["a", "b", "x", "prediction"]
    assert done.counts == Counts(0, 0, 0)


def test_id_and_taken_names(score: Score) -> None:
    once = score("sum", written({"Key": Array(["x", "y", "z"], type=DataType.string()), "a": WHOLE, "b": NUMBERS}), "x")
    by_id = score("sum", once.output, "x.parquet", id="key")

    assert [list(row) for row in rows(by_id.output)] == [["Key", "predicted_prediction"]] * 3
    assert "there is no id column 'z'" in score("sum", once.output, "x.parquet", id="z").error


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"a": WHOLE}, "the file has no column 'b'; its columns are 'a'"),
        ({"a": WHOLE, "b": EXTRAS["boolean"]}, "column 'b' is Boolean; expected a number"),
        ({"a": WHOLE, "B": EXTRAS["large_string"]}, "column 'B' is LargeUtf8; expected a number"),
        ({"a": EXTRAS["timestamp"], "b": WHOLE}, "expected a number"),
        ({"A": WHOLE, "a ": WHOLE, "b": WHOLE}, "feature 'a' is there 2 times"),
    ],
)
def test_columns_that_are_not_the_features_are_refused(score: Score, columns: dict[str, Array], says: str) -> None:
    assert says in score("sum", written(columns), "x.parquet").error


def test_what_is_no_parquet_is_said(score: Score) -> None:
    whole = written({"a": WHOLE, "b": NUMBERS})

    assert "does not begin as Parquet does" in score("sum", "a,b\n1,2\n", "x.parquet").error
    assert "cut short: it does not end in PAR1" in score("sum", whole[:-20], "x.parquet").error
    assert "are for CSV" in score("sum", whole, "x.parquet", header="true").error


@pytest.mark.parametrize("data", [b"PAR1", b"PAR1PAR1", b"PAR1\0\0\0\0PAR1", b"PAR1\xff\xff\xff\xffPAR1"])
def test_a_footer_that_is_none_is_said(score: Score, data: bytes) -> None:
    assert "the file is not readable as Parquet" in score("sum", data, "x.parquet").error


def test_damage_within_is_said(score: Score) -> None:
    data = bytearray(written(many(50_000), max_row_group_size=10_000, compression="zstd(1)"))
    data[len(data) // 2 : len(data) // 2 + 2000] = b"\xff" * 2000

    done = score("sum", bytes(data), "x.parquet")

    assert "the Parquet data is damaged" in done.error


class Storage(Exception):
    """What a store raises, of its own."""


class Failing(io.BytesIO):
    """A file whose store fails after so many calls."""

    def __init__(self, data: bytes = b"", after: int = 0) -> None:
        super().__init__(data)
        self._left = after

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Storage("gone")

    def read(self, size: int | None = -1) -> bytes:
        self._count()
        return super().read(size)

    def write(self, data: Any) -> int:
        self._count()
        return super().write(data)


@pytest.mark.parametrize("error", [Storage, KeyboardInterrupt])
def test_what_source_and_sink_raise_comes_out_as_it_is(
    scored_models: Callable[[str], Model], monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    monkeypatch.setitem(globals(), "Storage", error)
    data = written(many(20_000), max_row_group_size=5000)
    failures = {"source": 0, "sink": 0}

    def score(source: io.BytesIO, output: io.BytesIO) -> None:
        Scoring.open(scored_models("sum"), "x.parquet", source, Options()).run(output, io.BytesIO())

    for after in range(100):
        for kind, files in {
            "source": (Failing(data, after), io.BytesIO()),
            "sink": (io.BytesIO(data), Failing(after=after)),
        }.items():
            try:
                score(*files)
            except error:
                failures[kind] += 1

    assert failures["source"] > 10
    assert failures["sink"] > 3
