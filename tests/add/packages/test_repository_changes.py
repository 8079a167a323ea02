"""Versions removed, and the default chosen."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from despliegue.errors import DespliegueError, ModelNotFound
from despliegue.models import ModelRepository
from despliegue_cli.packages.repository_changes import remove, set_default

type AddModel = Callable[..., Path]


@pytest.fixture
def models(tmp_path: Path, add_model: AddModel) -> Path:
    """A repository of `m` in versions 1, 2 and 10, and `other` in 1."""
    for version in ("1", "2", "10"):
        add_model(version=version)
    add_model(name="other")
    return tmp_path / "models"


def settings(models: Path) -> object:
    return json.loads((models / "m" / "manifest.json").read_bytes())


def test_a_version_is_removed_with_all_that_lies_in_it(models: Path) -> None:
    (models / "m" / "2" / "private").mkdir()
    (models / "m" / "2" / "private" / "examples.json").write_text("{}")

    assert remove(models, "m", "2") == ["2"]
    assert ModelRepository(models).index() == {"m": ["1", "10"], "other": ["1"]}
    assert sorted(path.name for path in (models / "m").iterdir()) == ["1", "10"]


def test_the_highest_version_is_removed_and_the_one_below_is_the_default(models: Path) -> None:
    assert remove(models, "m", "10") == ["10"]
    assert ModelRepository(models).get("m").version == "2"


def test_a_model_goes_with_its_last_version(models: Path) -> None:
    (models / "other" / "manifest.json").write_text('{"note": "no default chosen"}')

    assert remove(models, "other", "1") == ["1"]
    assert not (models / "other").exists()


def test_what_a_person_put_into_a_models_folder_stays(models: Path) -> None:
    (models / "other" / "NOTES.md").write_text("keep")

    remove(models, "other", "1")

    assert [path.name for path in (models / "other").iterdir()] == ["NOTES.md"]


def test_a_model_is_removed_with_every_version_and_its_default(models: Path) -> None:
    set_default(models, "m", "2")

    assert remove(models, "m", every_version=True) == ["1", "2", "10"]
    assert [path.name for path in models.iterdir()] == ["other"]


def test_without_a_version_nothing_is_removed_unless_every_one_is_meant(models: Path) -> None:
    with pytest.raises(DespliegueError) as refused:
        remove(models, "m")

    assert str(refused.value) == (
        "'m' has these versions: 1, 2, 10; say which one to remove, as in m@10, or --all for the whole model"
    )
    assert ModelRepository(models).versions("m") == ["1", "2", "10"]


def test_the_chosen_default_is_not_removed(models: Path) -> None:
    set_default(models, "m", "2")

    with pytest.raises(DespliegueError, match="version 2 is the default of 'm' by its manifest") as refused:
        remove(models, "m", "2")
    assert "`despliegue default m --highest`" in str(refused.value)
    assert (models / "m" / "2" / "model.onnx").is_file()

    set_default(models, "m", None)
    assert remove(models, "m", "2") == ["2"]


@pytest.mark.parametrize(
    ("name", "version", "reason"),
    [
        ("m", "3", "model 'm' has no version '3'; it has 1, 2, 10"),
        ("nobody", "1", "it has m, other"),
        ("..", "models", "there is no model"),
        ("m", "../other/1", "has no version"),
        ("m", "", "has no version"),
    ],
)
def test_what_is_not_there_is_neither_removed_nor_chosen(models: Path, name: str, version: str, reason: str) -> None:
    for change in (remove, set_default):
        with pytest.raises(ModelNotFound) as refused:
            change(models, name, version)
        assert reason in str(refused.value)
    assert ModelRepository(models).index() == {"m": ["1", "2", "10"], "other": ["1"]}


def test_a_removal_that_broke_off_is_finished_by_the_next(models: Path) -> None:
    (models / "m" / ".removed" / "private").mkdir(parents=True)
    assert ModelRepository(models).versions("m") == ["1", "2", "10"]

    remove(models, "m", "1")

    assert sorted(path.name for path in (models / "m").iterdir()) == ["10", "2"]


def test_of_a_link_the_link_is_removed(models: Path, tmp_path: Path) -> None:
    (models / "m" / "2").rename(tmp_path / "elsewhere")
    (models / "m" / "2").symlink_to(tmp_path / "elsewhere")

    assert remove(models, "m", "2") == ["2"]
    assert not (models / "m" / "2").is_symlink()
    assert (tmp_path / "elsewhere" / "model.onnx").is_file()


def test_what_the_system_refuses_is_one_line(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "rename", refuse)  # root, as in CI, is refused nothing

    with pytest.raises(DespliegueError, match=r"/m/1: Permission denied$"):
        remove(models, "m", "1")
    with pytest.raises(DespliegueError, match=r"/m: Permission denied$"):
        remove(models, "m", every_version=True)
    assert ModelRepository(models).versions("m") == ["1", "2", "10"]


def test_a_default_is_chosen_and_the_highest_again(models: Path) -> None:
    assert set_default(models, "m", "2") == "2"
    assert settings(models) == {"default_version": "2"}
    assert ModelRepository(models).get("m").version == "2"

    assert set_default(models, "m", None) == "10"
    assert not (models / "m" / "manifest.json").exists()
    assert ModelRepository(models).get("m").version == "10"


def test_other_settings_of_the_model_are_kept(models: Path) -> None:
    (models / "m" / "manifest.json").write_text('{"owner": "risk", "default_version": "1"}')

    set_default(models, "m", "2")
    assert settings(models) == {"owner": "risk", "default_version": "2"}

    set_default(models, "m", None)
    assert settings(models) == {"owner": "risk"}
    assert not list((models / "m").glob(".*"))


def test_a_default_that_names_what_is_gone_can_be_mended(models: Path) -> None:
    (models / "m" / "manifest.json").write_text('{"default_version": "7"}')

    assert set_default(models, "m", "1") == "1"
    assert ModelRepository(models).get("m").version == "1"


def test_a_server_follows_the_default(models: Path) -> None:
    repository = ModelRepository(models)
    assert repository.get("m").version == "10"

    set_default(models, "m", "1")
    repository.refresh()

    assert repository.get("m").version == "1"


def test_a_version_that_cannot_be_loaded_is_no_default(models: Path) -> None:
    (models / "m" / "10" / "model.onnx").write_bytes(b"cut short")
    set_default(models, "m", "1")

    for version in ("10", None):
        with pytest.raises(DespliegueError, match="model 'm' version 10 is not ready: ONNX Runtime cannot load"):
            set_default(models, "m", version)
    assert settings(models) == {"default_version": "1"}


def test_a_manifest_of_the_model_that_is_damaged_is_left_as_it_is(models: Path) -> None:
    (models / "m" / "manifest.json").write_text("{")

    for change in (remove, set_default):
        with pytest.raises(DespliegueError, match=r"is not valid JSON.*; mend or delete .*/m/manifest\.json"):
            change(models, "m", "1")
    assert (models / "m" / "manifest.json").read_text() == "{"


def test_a_default_that_cannot_be_written_is_one_line(models: Path) -> None:
    (models / "m" / ".manifest.json").mkdir()

    with pytest.raises(DespliegueError, match=r"/m/\.manifest\.json: Is a directory"):
        set_default(models, "m", "1")
    assert not (models / "m" / "manifest.json").exists()


def test_a_removed_version_is_no_longer_deprecated(models: Path) -> None:
    (models / "m" / "manifest.json").write_text('{"deprecated": {"1": {"since": "2026-11-01"}}, "owner": "us"}')

    remove(models, "m", "1")

    assert (models / "m" / "manifest.json").read_bytes().split() == [b"{", b'"owner":', b'"us"', b"}"]
