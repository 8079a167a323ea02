"""What docs/adding-a-model.md says is so."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def guide(root: Path) -> str:
    return (root / "docs" / "adding-a-model.md").read_text()


def test_the_guide_lists_every_option_and_no_other(guide: str) -> None:
    shown = subprocess.run(
        [BIN / "despliegue", "add", "--help"],
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    listed = re.findall(r"^\| `(--[a-z-]+)` \|", guide, re.MULTILINE)
    assert set(listed) == set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", shown)) - {"--help"}


def test_the_guides_extras_are_those_of_the_project(guide: str, root: Path) -> None:
    listed = set(re.findall(r"`despliegue\[(\w+)\]`", guide))

    assert listed == {"onnx", "sklearn", "xgboost", "lightgbm"}
    assert all(re.search(rf"^{name} = \[", (root / "pyproject.toml").read_text(), re.MULTILINE) for name in listed)


def test_the_guides_python_works(guide: str, root: Path, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    for command in ([root / "examples" / "species.py"], ["-c", code]):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr

    assert done.stdout == "1 0\n"
    assert (tmp_path / "models" / "species" / "1" / "MODEL_CARD.md").is_file()
