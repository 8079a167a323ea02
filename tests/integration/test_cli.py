"""The commands as a person types them."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

type Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(root: Path) -> Run:
    """Runs `despliegue …` in the repository's folder."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "despliegue"), *arguments]
        environ = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1", **environment}
        return subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, timeout=60, check=False)

    return call


def test_list_shows_every_version(run: Run, models: Path) -> None:
    (models / "breast-cancer" / "2").mkdir()
    (models / "breast-cancer" / "2" / "model.onnx").write_bytes(b"not looked at")

    table = run("list", "--models", str(models)).stdout
    rows = json.loads(run("list", "--models", str(models), "--json").stdout)

    assert "Whether a breast tumour is malignant" in table.replace("│", "")
    assert [(row["name"], row["version"], row["default"]) for row in rows] == [
        ("breast-cancer", "1", False),
        ("breast-cancer", "2", True),
        ("penguins", "1", True),
    ]
    assert rows[0]["size"] > 50_000


def test_a_file_in_the_wrong_place_is_said(run: Run, models: Path) -> None:
    (models / "loose.onnx").write_bytes(b"")
    (models / "no-version").mkdir()
    (models / "no-version" / "model.onnx").write_bytes(b"")

    done = run("list", "--models", str(models), "--json")

    assert len(json.loads(done.stdout)) == 2
    assert done.stderr.count("is not served: expected <name>/<version>/model.onnx") == 2


def test_a_broken_manifest_leaves_the_others_listed(run: Run, models: Path) -> None:
    (models / "breast-cancer" / "manifest.json").write_text("{")
    (models / "penguins" / "1" / "manifest.json").write_text('{"description": "[red]odd[/]"}')

    rows = run("list", "--models", str(models)).stdout

    assert "is not ready" in rows
    assert "[red]odd[/]" in rows


def test_inspect_shows_signature_labels_size_and_digest(run: Run, root: Path) -> None:
    shown = run("inspect", "breast-cancer").stdout
    facts = json.loads(run("inspect", "breast-cancer@1", "--json").stdout)

    assert "FP32 [?, 30]" in shown
    assert "benign, malignant" in shown
    assert facts["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 30]}]
    assert facts["labels"] == ["benign", "malignant"]
    manifest = json.loads((root / "layers/models/breast-cancer/1/manifest.json").read_bytes())
    assert facts["digest"] == manifest["digest"], "the files are what the manifest says, to the last byte"


def test_the_models_folder_may_come_from_the_environment(run: Run, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()

    assert json.loads(run("list", "--json", DESPLIEGUE_MODELS=str(tmp_path / "none")).stdout) == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("inspect", "lung-cancer"), 1, "error: there is no model 'lung-cancer'"),
        (("inspect", "breast-cancer@9"), 1, "error: model 'breast-cancer' has no version '9'; it has 1"),
        (("list", "--models", "no/such/folder"), 1, "error: there is no folder no/such/folder"),
        (("serve", "--models", "no/such/folder"), 1, "error: there is no folder no/such/folder"),
        (("serve", "--host", "no.such.host.invalid"), 1, "error: cannot listen on no.such.host.invalid:8080"),
        (("inspect",), 2, "Missing argument"),
        (("serve", "--port", "0"), 2, "Invalid value for '--port'"),
    ],
)
def test_an_error_is_one_clear_line(run: Run, arguments: tuple[str, ...], code: int, says: str) -> None:
    done = run(*arguments)

    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert code == 2 or done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_said(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = run("serve", "--port", str(port))

    assert done.returncode == 1
    assert (
        done.stderr == f"error: cannot listen on 127.0.0.1:{port}: Address already in use; --port takes another one\n"
    )
