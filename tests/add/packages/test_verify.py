"""Verifying: a changed byte, a file too many or too few, or another answer is told, with the base install alone."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from despliegue.errors import DespliegueError, ModelNotFound
from despliegue.models import Manifest, Model
from despliegue.models.manifest import Feature
from despliegue_cli.convert import Reference
from despliegue_cli.packages.verify import NotVerified, Verified, verify, verify_all
from despliegue_cli.proof.examples import write_examples
from despliegue_cli.proof.rows import Rows

DOUBLED = "(double[N] a) => (double[N] y) { y = Add(a, a) }"
_BASE_ONLY = """
import sys
for name in ("onnx", "sklearn", "skl2onnx", "pandas", "xgboost", "lightgbm", "joblib", "skops"):
    sys.modules[name] = None
from pathlib import Path
from despliegue_cli.packages.verify import verify
print(verify(Path(sys.argv[1]), "m", "1").rows)
"""


@pytest.fixture
def models(package: Callable[..., Model], rows_of: Callable[..., Rows], tmp_path: Path) -> Path:
    """A repository with version 1 of a model, with a model card and examples."""
    model = package(DOUBLED, Feature("a", "number", "NaN"))
    folder = tmp_path / "m" / "1"
    (folder / "MODEL_CARD.md").write_text("# m\n")
    model.manifest.write(folder)
    rows = rows_of(a=np.array([1.0, np.nan, np.inf, 4.0]))
    write_examples(folder, model, rows, Reference({"y": rows.columns["a"] * 2}, np.ones(4, bool)))
    return tmp_path


def test_a_package_as_it_was_added_is_verified(models: Path) -> None:
    found = verify(models, "m", "1")

    assert found == Verified("m", "1", Manifest.read(models / "m/1").digest, files=2, examples=True, rows=4)


def test_without_its_private_folder_only_its_bytes_are_verified(models: Path) -> None:
    shutil.rmtree(models / "m/1/private")

    found = verify(models, "m", "1")

    assert (found.files, found.examples, found.rows) == (2, False, 0)


def test_it_needs_no_more_than_the_base_install(models: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BASE_ONLY, str(models)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout == "4\n", done.stderr


def test_a_changed_byte_is_found_where_the_size_is_the_same(models: Path) -> None:
    path = models / "m/1/MODEL_CARD.md"
    path.write_text("# n\n")

    with pytest.raises(DespliegueError, match=r"model 'm' version 1: .*MODEL_CARD\.md was changed: its SHA-256 is"):
        verify(models, "m", "1")


def test_files_that_are_not_listed_are_named(models: Path) -> None:
    (models / "m/1/weights.bin").write_bytes(b"1")
    (models / "m/1/more").mkdir()
    (models / "m/1/more/notes.txt").write_bytes(b"2")

    with pytest.raises(DespliegueError, match=r"more/notes\.txt is not in manifest\.json; weights\.bin is not in"):
        verify(models, "m", "1")


@pytest.mark.parametrize("name", ["MODEL_CARD.md", "model.onnx"])
def test_a_file_that_is_missing_is_named(models: Path, name: str) -> None:
    (models / "m/1" / name).unlink()

    with pytest.raises(DespliegueError, match=f"lists {name}, which is not there") as refusal:
        verify(models, "m", "1")
    assert list(verify_all(models)) == [NotVerified("m", "1", str(refusal.value))]


def test_a_manifest_that_was_edited_is_found(models: Path) -> None:
    path = models / "m/1/manifest.json"
    path.write_text(path.read_text().replace('"number"', '"category"'))

    with pytest.raises(DespliegueError, match=r"manifest\.json was changed after it was written"):
        verify(models, "m", "1")


def test_a_signature_that_was_asked_for_is_checked(models: Path, tmp_path: Path) -> None:
    with pytest.raises(DespliegueError, match=r"is not signed|cannot be"):
        verify(models, "m", "1", tmp_path / "key.pub")


def test_another_answer_is_told_with_its_row(models: Path) -> None:
    path = models / "m/1/private/examples.json"
    document = json.loads(path.read_text())
    document["outputs"]["y"]["data"][3] = 8.5
    path.write_text(json.dumps(document).replace("Infinity", "1e999").replace("NaN", "null"))

    with pytest.raises(
        DespliegueError, match=r"model 'm' version 1 does not predict what it did .*\n  row 4: y expected 8\.5, came 8$"
    ):
        verify(models, "m", "1")


def test_a_package_without_digests_has_nothing_to_be_verified_against(models: Path) -> None:
    (models / "m/1/manifest.json").unlink()

    with pytest.raises(DespliegueError, match=r"has no manifest\.json with digests, so there is nothing to verify"):
        verify(models, "m", "1")


@pytest.mark.parametrize(("name", "version"), [("other", "1"), ("../m", "1"), ("m", "7"), ("m", "../1")])
def test_what_is_not_there_is_not_verified(models: Path, name: str, version: str) -> None:
    with pytest.raises(ModelNotFound, match=r"there is no model|has no version"):
        verify(models, name, version)


def test_all_are_verified_and_one_that_is_not_hides_no_other(models: Path, package: Callable[..., Model]) -> None:
    package(DOUBLED, folder="m/2")
    package(DOUBLED, folder="a/1")
    (models / "a/1/model.onnx").write_bytes(b"no model")

    assert [(each.name, each.version, type(each)) for each in verify_all(models)] == [
        ("a", "1", NotVerified),
        ("m", "1", Verified),
        ("m", "2", Verified),
    ]


def test_an_empty_repository_is_told(tmp_path: Path) -> None:
    with pytest.raises(DespliegueError, match="there is no model in"):
        list(verify_all(tmp_path))
