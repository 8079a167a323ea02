"""The client as others get it: a wheel, installed where there is nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

import despliegue_client

if TYPE_CHECKING:
    from pathlib import Path


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `pip wheel clients/python` does, from a copy: setuptools writes beside the source."""
    folder = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(
        root / "clients/python", folder / "source", ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
    )
    out = folder / "out"
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        str(out),
        str(source),
    )
    [made] = out.iterdir()
    return made


def test_it_needs_nothing_and_carries_its_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [metadata] = [archive.read(name).decode() for name in names if name.endswith("METADATA")]

    assert wheel.name == f"despliegue_client-{despliegue_client.__version__}-py3-none-any.whl"
    assert "despliegue_client/py.typed" in names
    assert "Requires-Dist" not in metadata
    assert "Requires-Python: >=3.10" in metadata


def test_it_is_imported_and_used_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    python = str(tmp_path / "venv/bin/python")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", str(wheel))
    program = """
import json, sys
import despliegue_client as dc
try:
    dc.Client("http://127.0.0.1:9", "k", retries=0).predict("m", [{"x": float("nan")}])
except dc.ConnectionFailed as error:
    said = str(error)
print(json.dumps([dc.__file__, said, sorted({"numpy", "pandas", "despliegue"} & set(sys.modules))]))
"""

    path, said, heavy = json.loads(run(python, "-I", "-c", program))

    assert path.startswith(str(tmp_path))
    assert "got no answer" in said
    assert heavy == []


def test_its_code_is_python_3_10s(root: Path) -> None:
    import ast

    for file in (root / "clients/python/src").rglob("*.py"):
        ast.parse(file.read_text(), feature_version=(3, 10))
