"""How a module of ours is run in a process of its own: what strangers' bytes may end, and what must not read secrets.

It holds up crashes, and is no sandbox: such a process may read and write what this one may.
"""

import os
import sys
from typing import Final

_KEPT: Final = ("PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "LANG")
_KEPT_PREFIXES: Final = ("LC_", "ORT_", "OMP_", "OPENBLAS_", "MKL_")


def command(module: str) -> list[str]:
    """Runs `module` by the Python of this process."""
    return [sys.executable, "-P", "-m", module]


def environment() -> dict[str, str]:
    """This process's import path, and of its variables those that libraries read: no credentials."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
