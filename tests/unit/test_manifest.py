"""The manifest says what ONNX cannot, and is checked against what lies beside it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from despliegue.errors import ModelNotReady
from despliegue.models import Manifest
from despliegue.models.manifest import Feature

type AddModel = Callable[..., Path]

MANIFEST = Manifest(description="adds", features=(Feature("a"), Feature("b", "category")), labels=("no", "yes"))


def test_a_bare_model_has_an_empty_manifest(add_model: AddModel) -> None:
    assert Manifest.read(add_model()) == Manifest()


def test_what_is_written_is_read_again(add_model: AddModel) -> None:
    folder = add_model()
    MANIFEST.write(folder)

    manifest = Manifest.read(folder)

    assert (manifest.description, manifest.features, manifest.labels) == ("adds", MANIFEST.features, ("no", "yes"))
    assert manifest.files["model.onnx"].size == (folder / "model.onnx").stat().st_size


def test_the_same_files_give_the_same_bytes(add_model: AddModel) -> None:
    written = set()
    for name in ("one", "two"):
        folder = add_model(name=name)
        MANIFEST.write(folder)
        written.add((folder / "manifest.json").read_bytes())

    assert len(written) == 1


def test_private_files_are_not_described(add_model: AddModel) -> None:
    folder = add_model()
    (folder / "private").mkdir()
    (folder / "private" / "examples.json").write_text("{}")
    (folder / ".DS_Store").write_bytes(b"")
    (folder / "weights" / "private").mkdir(parents=True)
    (folder / "weights" / "private" / "rows.csv").write_text("1")

    assert list(MANIFEST.describe(folder).files) == ["model.onnx"]


def test_an_edited_manifest_is_refused(add_model: AddModel) -> None:
    folder = add_model()
    MANIFEST.write(folder)
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace("adds", "subtracts"))

    with pytest.raises(ModelNotReady, match=r"manifest\.json was changed after it was written"):
        Manifest.read(folder)


def test_a_model_cut_short_is_refused(add_model: AddModel) -> None:
    folder = add_model()
    MANIFEST.write(folder)
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])

    with pytest.raises(ModelNotReady, match=r"model\.onnx has \d+ bytes, but manifest\.json says \d+"):
        Manifest.read(folder)


def test_a_missing_file_is_named(add_model: AddModel) -> None:
    folder = add_model()
    (folder / "weights.bin").write_bytes(b"123")
    MANIFEST.write(folder)
    (folder / "weights.bin").unlink()

    with pytest.raises(ModelNotReady, match=r"lists weights\.bin, which is not there"):
        Manifest.read(folder)


def test_a_manifest_by_hand_needs_no_digest(add_model: AddModel) -> None:
    folder = add_model()
    (folder / "manifest.json").write_text(json.dumps({"labels": ["no", "yes"]}))

    assert Manifest.read(folder).labels == ("no", "yes")


def test_keys_of_a_later_version_are_ignored_and_digested(add_model: AddModel) -> None:
    folder = add_model()
    (folder / "manifest.json").write_text(json.dumps({"features": [{"name": "a", "unit": "cm"}], "owner": "me"}))

    assert Manifest.read(folder).features == (Feature("a"),)


def test_what_is_usual_is_read_again(add_model: AddModel) -> None:
    features = (Feature("a", usual=(-1.5, 60.0)), Feature("b", "category", choices=("<b>", "ñ")))
    folder = add_model()
    Manifest(features=features).write(folder)

    manifest = Manifest.read(folder)

    assert manifest.features == features
    assert manifest.digest == json.loads((folder / "manifest.json").read_bytes())["digest"]


def test_features_of_which_nothing_is_usual_are_written_and_digested_as_before(add_model: AddModel) -> None:
    folder = add_model()
    Manifest(features=(Feature("a"),)).write(folder)

    document = json.loads((folder / "manifest.json").read_bytes())

    assert document["features"] == [{"name": "a", "kind": "number", "missing": None}]
    assert Manifest.read(folder).digest == document["digest"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ('"usual": [60, 33]', "feature 'a' is usually 60 to 33; expected finite numbers, the lower first"),
        ('"usual": [33]', "Expected `array` of length 2, got 1 - at `$.features[0].usual`"),
        ('"usual": null', "Expected `array`, got `null`"),
        ('"usual": ["33", 60]', "Expected `float`, got `str` - at `$.features[0].usual[0]`"),
        ('"usual": [false, 60]', "Expected `float`, got `bool`"),
        ('"usual": [0, NaN]', "is not valid JSON"),
        ('"usual": [0, 1e999]', "is not valid JSON"),
        ('"choices": []', "Expected `array` of length >= 1 - at `$.features[0].choices`"),
        ('"choices": ["b", ""]', "Expected `str` of length >= 1 - at `$.features[0].choices[1]`"),
        ('"choices": ["b", "c", "b"]', "feature 'a' has a choice twice; expected choices that all differ"),
        ('"choices": ["b", 3]', "Expected `str`, got `int`"),
        (f'"choices": ["{"b" * 101}"]', "Expected `str` of length <= 100"),
        (f'"choices": {json.dumps([str(number) for number in range(51)])}', "Expected `array` of length <= 50"),
    ],
)
def test_what_cannot_be_usual_is_refused(add_model: AddModel, fields: str, says: str) -> None:
    folder = add_model()
    (folder / "manifest.json").write_text(f'{{"features": [{{"name": "a", {fields}}}]}}')

    with pytest.raises(ModelNotReady, match=r"^manifest\.json is not ") as caught:
        Manifest.read(folder)

    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "\udcff",
        '{"features": [{"nome": "a"}]}',
        '{"features": ["a"]}',
        '{"features": [{"name": 3}]}',
        '{"files": {"model.onnx": 3}}',
        '{"files": {"model.onnx": {"size": "a", "sha256": "1"}}}',
        '{"files": {"a\\u0000b": {"size": 1, "sha256": "a"}}}',
        '{"files": {"../other/model.onnx": {"size": 1, "sha256": "a"}}}',
        '{"files": {"/etc/passwd": {"size": 1, "sha256": "a"}}}',
        '{"example": []}',
        '{"labels": "abc"}',
        '{"labels": [1, null]}',
        '{"description": 5}',
        '{"source": 3}',
    ],
)
def test_a_manifest_of_another_form_is_refused(add_model: AddModel, text: str) -> None:
    folder = add_model()
    (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(ModelNotReady, match=r"^manifest\.json (is not|cannot be read|lists)") as caught:
        Manifest.read(folder)

    assert str(folder) not in str(caught.value)
