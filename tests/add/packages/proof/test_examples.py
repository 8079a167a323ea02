"""Examples: what is read is what was written, to the last bit; spread over all rows, and never too many values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from despliegue.errors import DespliegueError
from despliegue.models import Model
from despliegue.models.manifest import Feature
from despliegue.models.model import Array
from despliegue_cli.convert import Reference
from despliegue_cli.proof.examples import read_examples, write_examples
from despliegue_cli.proof.rows import Rows

type Package = Callable[..., Model]
type MakeRows = Callable[..., Rows]

MIXED = """(double[N] number, string[N] text, int64[N] id) => (double[N] y, string[N] label, int64[N] same)
    { y = Add(number, number) label = Identity(text) same = Identity(id) }"""


@pytest.fixture
def mixed(package: Package) -> Model:
    """Takes numbers and texts that may be missing, and integers."""
    return package(MIXED, Feature("number", "number", "NaN"), Feature("text", "category", ""), Feature("id"))


def predicted(rows: Rows, accepted: Array | None = None) -> Reference:
    """What the model above is to predict."""
    asked = rows if accepted is None else rows.pick(accepted)
    labels = np.array([text or "" for text in asked.columns["text"]], object)
    outputs = {"y": asked.columns["number"] * 2, "label": labels, "same": asked.columns["id"]}
    return Reference(outputs, np.ones(len(rows), bool) if accepted is None else accepted)


def many(rows_of: MakeRows, count: int = 6, made_up: int = 2) -> Rows:
    numbers = np.resize([0.1, np.nan, np.inf, -np.inf, 5e-324, -0.0], count)
    texts = np.resize(np.array(["ñ", None, '"', "null"], object), count)
    return rows_of(made_up=made_up, number=numbers, text=texts, id=2**53 + np.arange(count))


def test_numbers_texts_and_what_is_missing_come_back_as_they_were(
    mixed: Model, rows_of: MakeRows, tmp_path: Path
) -> None:
    rows = many(rows_of)
    expected = predicted(rows)

    write_examples(tmp_path, mixed, rows, expected)
    found = read_examples(tmp_path)

    assert found is not None
    assert found.rows.places == rows.places
    for name, values in rows.columns.items():
        assert found.rows.columns[name].dtype == values.dtype
    np.testing.assert_array_equal(found.rows.columns["number"], rows.columns["number"])
    assert np.signbit(found.rows.columns["number"][5])
    assert found.rows.columns["text"].tolist() == rows.columns["text"].tolist()
    assert found.rows.columns["id"].tolist() == rows.columns["id"].tolist()
    np.testing.assert_array_equal(found.outputs["y"], expected.outputs["y"])
    assert found.outputs["label"].tolist() == expected.outputs["label"].tolist()
    assert found.rows.made_up.tolist() == [False] * 4 + [True] * 2


def test_they_are_spread_over_all_rows_and_the_same_each_time(mixed: Model, rows_of: MakeRows, tmp_path: Path) -> None:
    rows = many(rows_of, 1000, made_up=300)

    write_examples(tmp_path, mixed, rows, predicted(rows))
    first = (tmp_path / "private/examples.json").read_bytes()
    write_examples(tmp_path, mixed, rows, predicted(rows))
    found = read_examples(tmp_path)

    assert found is not None
    assert (len(found.rows), int(found.rows.made_up.sum())) == (150, 50)
    assert (found.rows.places[0], found.rows.places[99], found.rows.places[149]) == ("row 1", "row 700", "row 1000")
    assert (tmp_path / "private/examples.json").read_bytes() == first


def test_rows_that_the_original_refuses_are_none(mixed: Model, rows_of: MakeRows, tmp_path: Path) -> None:
    rows = many(rows_of, 3, made_up=0)

    write_examples(tmp_path, mixed, rows, predicted(rows, np.array([True, False, True])))
    found = read_examples(tmp_path)

    assert found is not None
    assert found.rows.places == ("row 1", "row 3")
    assert found.outputs["y"].tolist() == [0.2, np.inf]


def test_where_a_difference_was_accepted_the_packages_answer_is_kept(
    mixed: Model, rows_of: MakeRows, tmp_path: Path
) -> None:
    rows = many(rows_of, 2, made_up=0)
    reference = predicted(rows)
    reference.outputs["y"][0] = 7.0

    write_examples(tmp_path, mixed, rows, reference)
    found = read_examples(tmp_path)

    assert found is not None
    assert found.outputs["y"][0] == 0.2
    assert reference.outputs["y"][0] == 7.0


def test_images_are_kept_in_their_shape_and_fewer_of_them(package: Package, rows_of: MakeRows, tmp_path: Path) -> None:
    model = package(
        "(uint8[N,300,300] pixels) => (float[N] y) <int64[2] axes = {1, 2}> "
        "{ f = Cast <to = 1> (pixels) y = ReduceMax <keepdims = 0> (f, axes) }"
    )
    pixels = np.arange(40 * 300 * 300).reshape(40, 300, 300).astype(np.uint8)

    write_examples(tmp_path, model, rows_of(pixels=pixels), Reference({"y": np.full(40, 255.0)}, np.ones(40, bool)))
    found = read_examples(tmp_path)

    assert found is not None
    assert 1 < len(found.rows) < 12
    assert found.rows.columns["pixels"].dtype == np.uint8
    assert found.rows.columns["pixels"][-1].tolist() == pixels[-1].tolist()


def test_none_were_written_and_none_are_found(tmp_path: Path) -> None:
    assert read_examples(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not of the expected form"),
        ('{"format": 2, "places": [], "made_up": 0, "columns": {}, "outputs": {}}', "of format 2; .* up to 1"),
        ('{"format": 1, "places": [], "made_up": 0, "columns": {}, "outputs": {}}', "do not have 0 rows each"),
        (
            '{"format": 1, "places": ["row 1"], "made_up": 0, "columns": {}, '
            '"outputs": {"y": {"datatype": "FP64", "shape": [2], "data": [1]}}}',
            "needs 2 values, data has 1",
        ),
        (
            '{"format": 1, "places": ["row 1"], "made_up": 0, "columns": {}, '
            '"outputs": {"y": {"datatype": "FP65", "shape": [1], "data": [1]}}}',
            "not of the expected form: 'FP65'",
        ),
    ],
)
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, content: str, message: Any) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private/examples.json").write_text(content)

    with pytest.raises(DespliegueError, match=message):
        read_examples(tmp_path)
