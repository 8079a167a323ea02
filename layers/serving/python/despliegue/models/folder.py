"""Which files in a version's folder are the model: one rule for digest, size, reload and layer."""

import stat
from collections.abc import Iterator
from pathlib import Path

PRIVATE = "private"
"""What came from a person's data lies in a folder of this name; it is never served and never deployed."""

type Fingerprint = tuple[tuple[str, int, int, int], ...]


def model_files(folder: Path) -> Iterator[Path]:
    """The files of the model in `folder` and below, sorted; as the models layer, nothing hidden, cached or private.

    Links are followed, as the layer's `cp` does; one to a folder that it lies in leads nowhere.
    """
    yield from sorted(_files(folder))


def _files(folder: Path) -> Iterator[Path]:
    for here, folders, files in folder.walk(follow_symlinks=True):
        folders[:] = [name for name in folders if _is_shipped(name) and not _is_loop(here / name, folder)]
        yield from (here / name for name in files if _is_shipped(name) and (here / name).is_file())


def _is_shipped(name: str) -> bool:
    return not name.startswith(".") and name not in (PRIVATE, "__pycache__")


def _is_loop(path: Path, root: Path) -> bool:
    """Whether `path` is a link to a folder that it lies in: really, or by the links on the way from `root`."""
    if not path.is_symlink():
        return False
    target = path.resolve()
    return any(above.resolve().is_relative_to(target) for above in path.parents if above.is_relative_to(root))


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
