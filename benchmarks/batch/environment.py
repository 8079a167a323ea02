"""The peers' environment, made from PyPI when it is missing. Remove build/benchmarks/batch for newer packages."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.deployment import ROOT

REQUIREMENTS = Path(__file__).parent / "requirements.in"
ENVIRONMENT = ROOT / "build/benchmarks/batch"


def environment() -> Path:
    """The Python of the peers' environment, which is of this Python's version."""
    python, made = ENVIRONMENT / "bin/python", ENVIRONMENT / "made"
    digest = hashlib.sha256(sys.version.encode() + REQUIREMENTS.read_bytes()).hexdigest()
    if not (made.is_file() and made.read_text() == digest):
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        _uv("venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT))
        # Compiled here, so that no start pays for it.
        install = ("pip", "install", "--quiet", "--compile-bytecode", "--python", str(python))
        _uv(*install, "--requirement", str(REQUIREMENTS))
        made.write_text(digest)
    return python


def versions(python: Path) -> dict[str, str]:
    """What is installed, by name."""
    frozen = _uv("pip", "freeze", "--quiet", "--python", str(python))
    return dict(line.split("==") for line in frozen.splitlines() if "==" in line)


def _uv(*arguments: str) -> str:
    environ = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    return subprocess.run(["uv", *arguments], check=True, stdout=subprocess.PIPE, text=True, env=environ).stdout
