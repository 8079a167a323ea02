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


@pytest.mark.parametrize("text", ["{", "[]", '{"features": [{"nome": "a"}]}', '{"files": {"model.onnx": 3}}', "\udcff"])
def test_a_manifest_of_another_form_is_refused(add_model: AddModel, text: str) -> None:
    folder = add_model()
    (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(ModelNotReady, match=r"manifest\.json"):
        Manifest.read(folder)
