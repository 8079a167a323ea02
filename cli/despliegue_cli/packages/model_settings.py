"""`<name>/manifest.json`: what is said of all versions of a model, such as which one is the default."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from despliegue.errors import DespliegueError, ModelNotReady
from despliegue.models.manifest import FILE_NAME, read_object


def read_settings(models: Path, name: str) -> dict[str, Any]:
    """What the file says; nothing where there is none.

    Raises:
        DespliegueError: it cannot be read.
    """
    path = models / name / FILE_NAME
    try:
        return read_object(path) or {}
    except ModelNotReady as error:
        raise DespliegueError(f"{error}; mend or delete {path}") from error


def write_settings(models: Path, name: str, settings: dict[str, Any]) -> None:
    """Write the file at once or not at all; without settings there is none.

    Raises:
        DespliegueError: the system refuses it.
    """
    path = models / name / FILE_NAME
    partial = path.with_name(f".{FILE_NAME}")
    with in_one_line():
        if settings:
            partial.write_bytes(orjson.dumps(settings, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
            partial.replace(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def in_one_line() -> Iterator[None]:
    """Turn what the file system refuses into one line."""
    try:
        yield
    except OSError as error:
        raise DespliegueError(f"{error.filename}: {error.strerror}") from error
