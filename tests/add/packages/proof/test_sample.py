"""Samples: CSV, JSON Lines, Parquet and npz become the same rows, numbered as in the file, or one clear line."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arro3.core import Array as ArrowArray
from arro3.core import DataType, Table
from arro3.io import write_parquet

from despliegue.errors import DespliegueError
from despliegue.models import Model
from despliegue.models.manifest import Feature
from despliegue_cli.convert import Converted
from despliegue_cli.convert.from_onnx import OnnxModel
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.sample_columns import sample_columns
from despliegue_cli.proof.rows import Rows, arrays
from despliegue_cli.proof.sample import read_sample

PEOPLE = "(double[N] age, string[N] city) => (double[N] y, string[N] z) { y = Identity(age) z = Identity(city) }"
IMAGES = "(float[N,2,2] pixels) => (float[N,2,2] y) { y = Identity(pixels) }"
TABLE: dict[str, list[Any]] = {
    "city": ["Málaga", None, "Ávila"],
    "target": [1.0, 0.0, 1.0],
    "age": [31.5, 40.0, None],
}


@pytest.fixture
def people(package: Callable[..., Model]) -> Model:
    """Takes a number and a category, which both may be missing."""
    return package(PEOPLE, Feature("age", "number", "NaN"), Feature("city", "category", ""))


def write(path: Path) -> Path:
    """The table, in the form that the name says."""
    records = [dict(zip(TABLE, row, strict=True)) for row in zip(*TABLE.values(), strict=True)]
    lines = [",".join("" if value is None else f"{value}" for value in record.values()) for record in records]
    csv = "\n".join([",".join(TABLE), *lines, ""]).encode()
    match path.suffixes:
        case [".csv"]:
            path.write_bytes(csv)
        case [".csv", ".gz"]:
            path.write_bytes(gzip.compress(csv))
        case [".jsonl"]:
            path.write_text("\n".join(map(json.dumps, records)))
        case _:
            columns: dict[str, Any] = {
                name: ArrowArray(values, type=DataType.string() if name == "city" else DataType.float64())
                for name, values in TABLE.items()
            }
            write_parquet(Table.from_pydict(columns), path)
    return path


def assert_is_the_table(rows: Rows) -> None:
    np.testing.assert_array_equal(rows.columns["age"], [31.5, 40.0, np.nan])
    assert rows.columns["city"].tolist() == ["Málaga", None, "Ávila"]
    assert list(rows.columns) == ["age", "city"]
    assert rows.places == ("row 1", "row 2", "row 3")
    assert rows.skipped == 0
    assert not rows.made_up.any()


@pytest.mark.parametrize("name", ["s.csv", "s.csv.gz", "s.jsonl", "s.parquet"])
def test_a_table_in_any_form_gives_the_features_and_leaves_the_target(people: Model, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)

    assert_is_the_table(read_sample(people, path))
    assert sample_columns(path) == tuple(TABLE)


def test_an_npz_may_hold_an_array_for_each_feature(people: Model, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", age=[[31.5], [40.0], [np.nan]], city=["Málaga", "", "Ávila"])

    assert_is_the_table(read_sample(people, tmp_path / "s.npz"))


def test_rows_keep_their_numbers_where_others_are_skipped(people: Model, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("age,city\n1,a\nold,b\n3,c\n4\n5,e\n")

    rows = read_sample(people, tmp_path / "s.csv")

    assert rows.places == ("row 1", "row 3", "row 5")
    assert rows.columns["age"].tolist() == [1.0, 3.0, 5.0]
    assert rows.skipped == 2
    assert rows.reason == "row 4: the row has 1 fields; expected 2"


def test_only_so_many_rows_are_read_and_one_is_enough(people: Model, tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv")

    assert read_sample(people, path, limit=2).places == ("row 1", "row 2")
    assert read_sample(people, path, limit=1).columns["city"].tolist() == ["Málaga"]


def test_a_sparse_json_object_lacks_a_value_not_a_column(people: Model, tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_text('{"city": "a"}\n{"city": "b", "age": 2}\n')

    np.testing.assert_array_equal(read_sample(people, tmp_path / "s.jsonl").columns["age"], [np.nan, 2.0])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.csv", "age,city\n", "has no rows"),
        ("s.csv", "", "the file is empty"),
        ("s.csv", "city,target\na,1\n", "has no column 'age', and so says nothing .* its columns are 'city', 'target'"),
        ("s.jsonl", '{"city": "a"}\n', "has no column 'age'"),
        ("s.csv", "age,city\nold,a\nolder,b\n", "no row of the sample .*: row 1: feature 'age' is 'old'; expected"),
        ("s.parquet", "PAR1 and no more", "cut short"),
        ("s.npz", "PK\3\4 and no more", "not readable as npz"),
        ("s.json", '[{"age": 1}]', "expected JSON Lines"),
    ],
)
def test_a_sample_that_proves_nothing_is_refused(
    people: Model, tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)

    with pytest.raises(DespliegueError, match=message):
        read_sample(people, tmp_path / name)


def test_a_sample_that_is_not_there_is_refused(people: Model, tmp_path: Path) -> None:
    with pytest.raises(DespliegueError, match=r"s\.csv cannot be read: No such file"):
        read_sample(people, tmp_path / "s.csv")


def test_integers_stay_exact(package: Callable[..., Model], tmp_path: Path) -> None:
    model = package("(int64[N] id) => (int64[N] y) { y = Identity(id) }", Feature("id"))
    (tmp_path / "s.csv").write_text(f"id\n{2**53 + 1}\n")

    rows = read_sample(model, tmp_path / "s.csv")

    assert arrays(model, rows.columns)["id"].tolist() == [2**53 + 1]


def test_images_come_in_an_npz_in_the_inputs_own_type(package: Callable[..., Model], tmp_path: Path) -> None:
    model = package(IMAGES)
    np.savez(tmp_path / "s.npz", pixels=np.arange(12, dtype=np.uint8).reshape(3, 2, 2))

    rows = read_sample(model, tmp_path / "s.npz", limit=2)

    assert rows.columns["pixels"].dtype == np.float32
    assert rows.columns["pixels"].tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    assert sample_columns(tmp_path / "s.npz") == ()


def test_a_matrix_in_an_npz_is_split_into_its_features(package: Callable[..., Model], tmp_path: Path) -> None:
    model = package("(float[N,2] X) => (float[N,2] y) { y = Identity(X) }", Feature("a"), Feature("b"))
    np.savez(tmp_path / "s.npz", X=np.array([[1.0, 2.0], [3.0, 4.0]]))

    assert {name: each.tolist() for name, each in read_sample(model, tmp_path / "s.npz").columns.items()} == {
        "a": [1.0, 3.0],
        "b": [2.0, 4.0],
    }


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"image": np.zeros((1, 2, 2))}, "has no array 'pixels'; its arrays are 'image'"),
        ({"pixels": np.zeros((1, 2, 2)), "y": np.zeros(1)}, "has an array 'y'; expected 'pixels' and no others"),
        ({"pixels": np.zeros((1, 2, 3))}, r"is of shape \[1, 2, 3\]; expected \[N, 2, 2\]"),
        ({"pixels": np.zeros((0, 2, 2))}, "has no rows"),
        ({"pixels": np.float64(1)}, "must have a row for each row"),
        ({"pixels": np.full((1, 2, 2), "a")}, "'pixels' is of type <U1; expected FP32"),
        ({"pixels": np.full((1, 2, 2), 1e39)}, r"holds 1e\+39, which is out of the range of FP32"),
        ({"pixels": np.full((1, 2, 2), None)}, "pixels.npy' holds Python's own objects, which are never"),
    ],
)
def test_an_npz_with_other_arrays_is_refused(
    package: Callable[..., Model], tmp_path: Path, found: dict[str, Any], message: str
) -> None:
    np.savez(tmp_path / "s.npz", **found)

    with pytest.raises(DespliegueError, match=message):
        read_sample(package(IMAGES), tmp_path / "s.npz")


def test_an_npz_that_unpacks_to_too_much_is_refused_unread(people: Model, tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)})
    with zipfile.ZipFile(tmp_path / "s.npz", "w") as packed:
        packed.writestr("age.npy", header.getvalue())

    for read in (partial(read_sample, people), sample_columns):
        with pytest.raises(DespliegueError, match=r"holds 8,796,093 MB of arrays; expected at most 160 MB: save fewer"):
            read(tmp_path / "s.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no array", "magic string is not correct"),
        (b"\x93NUMPY\1\0\x0f\0{'descr': (((   ", "unexpected EOF|was never closed|Cannot parse header"),
        (b"\x93NUMPY\1\0\x3b\0{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2)}\n ", r"of shape \[-1, 2\]"),
    ],
)
def test_a_damaged_array_is_refused(people: Model, tmp_path: Path, content: bytes, message: str) -> None:
    with zipfile.ZipFile(tmp_path / "s.npz", "w") as packed:
        packed.writestr("age.npy", content)

    with pytest.raises(DespliegueError, match=rf"not readable as npz: .*({message})"):
        read_sample(people, tmp_path / "s.npz")


def test_arrays_of_differing_lengths_are_refused(people: Model, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", age=[1.0, 2.0], city=["a"])

    with pytest.raises(DespliegueError, match="'age' has 2, 'city' has 1"):
        read_sample(people, tmp_path / "s.npz")


def test_a_sample_does_not_name_the_columns_of_an_open_width(package: Callable[..., Model], tmp_path: Path) -> None:
    model = package("(float[N,K] X) => (float[N,1] y) <int64[1] axes = {1}> { y = ReduceSum(X, axes) }")
    path = tmp_path / "m/1/model.onnx"

    with pytest.raises(ConversionError, match=r"width of input 'X' is open, .* the sample's 4 columns .*\[None, K\]"):
        OnnxModel(path, ("id", "a", "b", "target"))

    for width in (1, 2):
        np.savez(tmp_path / "s.npz", X=np.ones((3, width)))
        assert OnnxModel(path, sample_columns(tmp_path / "s.npz")).features == ()
        assert read_sample(model, tmp_path / "s.npz").columns["X"].shape == (3, width)


def test_a_header_of_numbers_is_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("5.1,3.5\n4.9,3.0\n")
    with pytest.raises(DespliegueError, match=r"has no header: its first line is '5\.1,3\.5'"):
        sample_columns(tmp_path / "s.csv")

    (tmp_path / "s.csv").write_text("sep=;\n0;1\n4.9;3.0\n")
    assert sample_columns(tmp_path / "s.csv") == ("0", "1")


def test_an_original_in_onnx_gets_integers_booleans_and_tensors_of_text_as_they_are(
    tmp_path: Path, package: Callable[..., Model], converted: Callable[..., Converted]
) -> None:
    columns = package("(int64[N] id, bool[N] old) => (int64[N] y, bool[N] z) { y = Identity(id) z = Identity(old) }")
    texts = package("(string[N,2,2] words) => (string[N,2,2] y) { y = Identity(words) }", folder="texts/1")
    assert columns.signature.inputs
    assert texts.signature.inputs

    found = converted(tmp_path / "m/1/model.onnx").predict({"id": np.array([2**53 + 1]), "old": np.array([True])})
    words = np.array([[["a", "b"], ["c", "ñ"]]], object)
    same = converted(tmp_path / "texts/1/model.onnx").predict({"words": words})

    assert found.outputs["y"].tolist() == [2**53 + 1]
    assert found.outputs["z"].tolist() == [True]
    assert same.outputs["y"].tolist() == words.tolist()
