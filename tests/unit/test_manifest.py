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
