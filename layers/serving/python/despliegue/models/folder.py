"""Which files in a version's folder are the model: one rule for digest, size, reload and layer."""

import stat
from collections.abc import Iterator
from pathlib import Path

PRIVATE = "private"
"""What came from a person's data lies in a folder of this name; it is never served and never deployed."""

type Fingerprint = tuple[tuple[str, int, int, int], ...]


def model_files(folder: Path) -> Iterator[Path]:
    """The files of the model in `folder` and below, sorted; as the models layer, nothing hidden, cached or private."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") or part in (PRIVATE, "__pycache__") for part in parts) and path.is_file():
            yield path


def fingerprint(folder: Path) -> Fingerprint:
    """Changes when a file of the model does: its name, size, time or inode. A file that vanishes meanwhile is none."""
    found = []
    for path in model_files(folder):
        try:
            status = path.stat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            found.append((path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns, status.st_ino))
    return tuple(found)
