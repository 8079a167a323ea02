"""The environments of the peers, made from PyPI when they are missing. Remove build/benchmarks for newer ones."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path


class NotInstalled(Exception):
    """A peer cannot be installed here; the message says why."""


def environment(folder: Path, requirements: Path, python: str) -> Path:
    """A virtual environment in `folder`, made if it is missing or for other requirements.

    Args:
        folder: its own.
        requirements: a file of them.
        python: the version of Python, such as 3.13.

    Raises:
        NotInstalled: there is no such Python, or a package cannot be had.
    """

    def make() -> None:
        uv("venv", "--quiet", "--python", _interpreter(python), str(folder))
        # Compiled here, so that no start pays for it.
        install = ("pip", "install", "--quiet", "--compile-bytecode", "--python", str(folder / "bin/python"))
        uv(*install, "--requirement", str(requirements))

    return made_once(folder, python.encode() + requirements.read_bytes(), make)


def made_once(folder: Path, said: bytes, make: Callable[[], object]) -> Path:
    """`folder`, made anew by `make` unless it was made whole of what is `said`."""
    made, digest = folder / ".made", hashlib.sha256(said).hexdigest()
    if not (made.is_file() and made.read_text() == digest):
        shutil.rmtree(folder, ignore_errors=True)
        make()
        made.write_text(digest)
    return folder


def versions(folder: Path) -> dict[str, str]:
    """What is installed, by name."""
    frozen = uv("pip", "freeze", "--quiet", "--python", str(folder / "bin/python"))
    return dict(line.split("==") for line in frozen.splitlines() if "==" in line)


def _interpreter(python: str) -> str:
    """A Python of this version: on PATH, or one of pyenv's, whose shims may refuse to name it."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(pyenv.glob(f"{python}.*/bin/python"))
    if not (path := str(found[-1]) if found else shutil.which(f"python{python}")):
        raise NotInstalled(f"there is no Python {python}, on PATH or of pyenv")
    return path


def uv(*arguments: str) -> str:
    """Run uv; what it printed.

    Raises:
        NotInstalled: it failed.
    """
    done = subprocess.run(
        ["uv", *arguments], capture_output=True, text=True, env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    )
    if done.returncode:
        raise NotInstalled(" ".join(done.stderr.split())[-300:])
    return done.stdout
