"""The layers' makefiles say what is missing in one line, rather than build what cannot run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.template.built.conftest import Project

MACHINE_LAYERS = [("runtime", "build-RuntimeLayer"), ("tables", "build-TablesLayer"), ("images", "build-ImagesLayer")]


@pytest.fixture
def project(new_project: Callable[[Path], Project], tmp_path: Path) -> Project:
    return new_project(tmp_path / "project")


def make(project: Project, layer: str, target: str, *settings: str) -> tuple[int, str]:
    artifacts = f"ARTIFACTS_DIR={project.folder / 'out'}"
    done = project.run("make", "-C", str(project.layers / layer), target, artifacts, *settings)
    return done.returncode, done.stderr


def test_an_empty_repository_is_refused(project: Project) -> None:
    """Lambda would refuse the empty layer, at the end of the deployment and in other words."""
    shutil.rmtree(project.layers / "models/toy")
    code, said = make(project, "models", "build-ModelsLayer")
    assert code != 0
    assert "despliegue add" in said


def test_what_only_its_owner_may_read_is_open_in_the_layer(project: Project) -> None:
    """Lambda runs as another user, and takes the modes that files have in the layer's zip."""
    for path in (project.model, *project.model.parents[:2]):
        path.chmod(0o700 if path.is_dir() else 0o600)
    code, said = make(project, "models", "build-ModelsLayer")
    assert code == 0, said
    built = project.folder / "out/models/toy/1/model.onnx"
    assert {path.stat().st_mode & 0o777 for path in built.parents[:3]} == {0o755}
    assert built.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("layer", "target"),
    [("serving", "build-ServingLayer"), *MACHINE_LAYERS],
)
def test_another_python_is_refused(project: Project, layer: str, target: str) -> None:
    code, said = make(project, layer, target, "PYTHON=python3.13-not-here", "PLATFORM=x86_64")
    assert code != 0
    assert "python3.13 " in said
    assert not (project.folder / "out/python").exists()


@pytest.mark.parametrize(("layer", "target"), MACHINE_LAYERS)
def test_machine_code_is_not_built_for_no_architecture(project: Project, layer: str, target: str) -> None:
    code, said = make(project, layer, target)
    assert code != 0
    assert "PLATFORM" in said


@pytest.mark.parametrize(
    ("layer", "target", "name"),
    [
        ("runtime", "build-RuntimeLayer", "jmespath"),
        ("tables", "build-TablesLayer", "backports-zstd"),
        ("images", "build-ImagesLayer", "onnxruntime-extensions"),
    ],
)
def test_a_download_that_is_not_what_was_pinned_is_refused(
    project: Project, layer: str, target: str, name: str
) -> None:
    pins = project.layers / layer / "requirements.txt"
    [pin] = [line for line in pins.read_text().splitlines(keepends=True) if line.startswith(f"{name}==")]
    pins.write_text(pin + "    --hash=sha256:" + "0" * 64 + "\n")
    code, said = make(project, layer, target, "PLATFORM=x86_64")
    assert code != 0
    assert "DO NOT MATCH THE HASHES" in said
