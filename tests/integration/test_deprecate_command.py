"""`despliegue deprecate`: a version on its way out, and taken back; the manifest's other settings stay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from despliegue_cli import main
from despliegue_cli.app import app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def manifest(add_model: Callable[..., Path]) -> Path:
    """The manifest of `m`, which has two versions; the default is the first."""
    for version in "12":
        folder = add_model(version=version)
    path = folder.parent / "manifest.json"
    path.write_text(json.dumps({"default_version": "1"}))
    return path


def run(manifest: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["deprecate", *arguments, "--models", str(manifest.parents[1])])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_version_is_deprecated_and_restored(manifest: Path) -> None:
    told = run(manifest, "m@1", "--since", "2026-11-01", "--sunset", "2027-01-01")

    assert told.splitlines() == [
        "deprecated  m 1, since 2026-11-01, may be gone from 2027-01-01",
        "successor   2",
    ]
    entry = {"since": "2026-11-01", "sunset": "2027-01-01"}
    assert json.loads(manifest.read_text()) == {"default_version": "1", "deprecated": {"1": entry}}

    assert "none: every version is deprecated" in run(manifest, "m@2", "--since", "2026-12-01")
    run(manifest, "m@1", "--undo")
    run(manifest, "m@2", "--undo")
    assert json.loads(manifest.read_text()) == {"default_version": "1"}


def test_a_manifest_with_nothing_left_to_say_is_gone(manifest: Path) -> None:
    manifest.unlink()
    run(manifest, "m@1")
    assert manifest.exists()

    run(manifest, "m@1", "--undo")

    assert not manifest.exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["m@3"], "model 'm' has no version '3'; it has 1, 2"),
        (["n@3"], "there is no model 'n'"),
        (["m@1", "--since", "2027-01-02", "--sunset", "2027-01-01"], "has a sunset of version 1 before its since"),
    ],
)
def test_what_cannot_be_is_one_line(
    manifest: Path,
    arguments: list[str],
    error: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = manifest.read_bytes()
    monkeypatch.setattr("sys.argv", ["despliegue", "deprecate", *arguments, "--models", str(manifest.parents[1])])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 1
    line = capsys.readouterr().err
    assert error in line
    assert line.count("\n") == 1
    assert manifest.read_bytes() == before


def test_a_manifest_that_is_broken_is_left_alone(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest.write_text(json.dumps({"deprecated": ["1"]}))
    monkeypatch.setattr("sys.argv", ["despliegue", "deprecate", "m@1", "--models", str(manifest.parents[1])])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 1
    assert json.loads(manifest.read_text()) == {"deprecated": ["1"]}


@pytest.mark.parametrize("arguments", [["m"], ["m@1", "--undo", "--sunset", "2027-01-01"], ["m@1", "--since", "soon"]])
def test_wrong_use_is_told_as_that(manifest: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["deprecate", *arguments, "--models", str(manifest.parents[1])])

    assert result.exit_code == 2
