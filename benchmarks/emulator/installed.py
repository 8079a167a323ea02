"""What the handlers import, installed from PyPI as for a function (`--target`), and its pages in the page cache.

All take their versions from requirements/dev.txt, so that handlers differ in their own code only. Remove
build/benchmarks/emulator to install anew.
"""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from benchmarks.deployment import ROOT, import_path
from benchmarks.environments import made_once, uv

HANDLERS = Path(__file__).parent / "handlers"
_FOLDERS = ROOT / "build/benchmarks/emulator"
_PINS = ROOT / "requirements/dev.txt"


def ours() -> list[Path]:
    """Where our handler imports from: as on Lambda, with an own copy of its packages, or the layers that were built.

    The copy is there because what other processes have mapped cannot be dropped from the page cache.
    """
    packages = ROOT / "layers/runtime/requirements.in"
    shared = sysconfig.get_path("purelib")
    return [_install("ours", packages) if path == shared else Path(path) for path in import_path()]


def theirs(home: str) -> list[Path]:
    """Where a hand-written handler imports from."""
    return [HANDLERS / home, _install("handlers", HANDLERS / "requirements.in")]


def runtime() -> Path:
    """Lambda's part: its runtime interface client and boto3."""
    return _install("runtime", HANDLERS / "runtime.in")


def versions(paths: Iterable[Path]) -> dict[str, str]:
    """What is installed in these folders, by name; a built layer does not say."""
    found = [folder.name.removesuffix(".dist-info") for path in paths for folder in path.glob("*.dist-info")]
    return dict(sorted((name, version) for name, _, version in (each.rpartition("-") for each in found)))


def _install(name: str, requirements: Path) -> Path:
    folder = _FOLDERS / name
    said = sys.version.encode() + requirements.read_bytes() + _PINS.read_bytes()
    # Copied: a link would share its pages with whatever else uv has installed.
    options = ["--compile-bytecode", "--link-mode", "copy", "--python", sys.executable, "--constraints", str(_PINS)]
    install = ["pip", "install", "--quiet", *options, "--target", str(folder), "--requirements", str(requirements)]
    return made_once(folder, said, partial(uv, *install))


def files(paths: Iterable[Path]) -> list[Path]:
    """All files below these folders."""
    return [folder / name for path in paths for folder, _, names in path.walk() for name in names]


def drop(given: Iterable[Path]) -> None:
    """Take files out of the page cache; those that a process has mapped stay."""
    for path in given:
        descriptor = os.open(path, os.O_RDONLY)
        os.fdatasync(descriptor)  # what is not written yet cannot be dropped
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def cached(given: Iterable[Path]) -> int:
    """Bytes of files that are in the page cache (fincore, of util-linux; asking loads nothing)."""
    command = ["fincore", "--bytes", "--noheadings", "--raw", "--output", "RES", *map(str, given)]
    return sum(map(int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()))
