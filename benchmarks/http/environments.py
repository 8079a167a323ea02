"""The environments of the peers, made from PyPI when they are missing. Remove build/benchmarks/http for newer ones."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.deployment import ROOT

PEERS = Path(__file__).parent / "peers"
ENVIRONMENTS = ROOT / "build/benchmarks/http"


class NotInstalled(Exception):
    """A peer cannot be installed here; the message says why."""


def environment(name: str, python: str) -> Path:
    """The folder of the peer's virtual environment, made if it is missing or for other requirements.

    Args:
        name: of the peer, as in peers/.
        python: the version of Python, such as 3.13.

    Raises:
        NotInstalled: there is no such Python, or a package cannot be had.
    """
    requirements = PEERS / name / "requirements.in"
    folder, digest = ENVIRONMENTS / name, hashlib.sha256(python.encode() + requirements.read_bytes()).hexdigest()
    made = folder / "made"
    if made.is_file() and made.read_text() == digest:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    _uv("venv", "--quiet", "--python", _interpreter(python), str(folder))
    # Compiled here, so that no start pays for it.
    install = ("pip", "install", "--quiet", "--compile-bytecode", "--python", str(folder / "bin/python"))
    _uv(*install, "--requirement", str(requirements))
    made.write_text(digest)
    return folder


def versions(folder: Path) -> dict[str, str]:
    """What is installed, by name."""
    frozen = _uv("pip", "freeze", "--quiet", "--python", str(folder / "bin/python"))
    return dict(line.split("==") for line in frozen.splitlines() if "==" in line)


def _interpreter(python: str) -> str:
    """A Python of this version: on PATH, or one of pyenv's, whose shims may refuse to name it."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(pyenv.glob(f"{python}.*/bin/python"))
    if not (path := str(found[-1]) if found else shutil.which(f"python{python}")):
        raise NotInstalled(f"there is no Python {python}, on PATH or of pyenv")
    return path


def _uv(*arguments: str) -> str:
    done = subprocess.run(
        ["uv", *arguments], capture_output=True, text=True, env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    )
    if done.returncode:
        raise NotInstalled(" ".join(done.stderr.split())[-300:])
    return done.stdout
