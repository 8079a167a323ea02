"""A version on its way: a folder that the repository takes for no model, which gets its name at once or not at all.

Whatever ends the work, an error, an interrupt or a signal, leaves nothing; a second signal does not end the clearing.
What a killed process left is cleared by the next one to add a version of the same model.
"""

import contextlib
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

from despliegue.errors import DespliegueError
from despliegue.models.folder import PRIVATE
from despliegue.models.repository import NAME_PATTERN

_NAME: Final = re.compile(r"\.adding-(?P<version>.+)\.(?P<process>\d+)")
_ABANDONED_S: Final = 3600.0
"""Process numbers say little where containers share a folder, so a draft is also left alone until it is this old."""
_ENDING: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_TRIES: Final = 100
"""To make a folder in the model's, which others that add to it and fail remove whenever it is empty."""


@dataclass(frozen=True)
class Draft:
    """A version that is being made.

    Attributes:
        folder: where to write it.
        version: the name that it gets, which nobody else can take meanwhile.
        final: where it will lie.
    """

    folder: Path
    version: str
    final: Path

    def commit(self) -> Path:
        """Give the version its name; gives its folder.

        Raises:
            DespliegueError: another one lies there by now.
        """
        try:
            if sys.platform == "win32":
                self.final.rmdir()  # elsewhere an empty folder is replaced at once
            self.folder.rename(self.final)
        except OSError as error:
            raise DespliegueError(
                f"{self.final} was filled by something else meanwhile; nothing was overwritten: {error.strerror}"
            ) from error
        return self.final


@contextlib.contextmanager
def draft(models: Path, name: str, version: str | None = None) -> Iterator[Draft]:
    """A folder for a new version; removed at the end, unless it was committed.

    Args:
        models: root of the repository.
        name: of the model.
        version: of the model; else the one after the highest that is there or being made.

    Raises:
        DespliegueError: a name is unsafe, the version is there already, or the file system refuses something.
    """
    for kind, text in (("name", name), ("version", version)):
        if text is not None and not NAME_PATTERN.fullmatch(text):
            raise DespliegueError(f"the {kind} is '{text}'; expected letters, digits, '.', '_' and '-'")
        if text == PRIVATE:
            raise DespliegueError(f"the {kind} is '{text}', and a folder of that name is never served; choose another")
    home = models / name
    made: Draft | None = None
    with _ended_by_signals() as ignore_signals:
        try:
            final = _reserve(home, version)
            made = Draft(home / f".adding-{final.name}.{os.getpid()}", final.name, final)
            made.folder.mkdir()
            yield made
        except OSError as error:
            raise DespliegueError(f"{_words(error, home)}; nothing was added") from error
        finally:
            ignore_signals()
            if made is not None:
                shutil.rmtree(made.folder, ignore_errors=True)
                _remove_empty(made.final)
            _remove_empty(home)


def _reserve(home: Path, version: str | None, tries: int = _TRIES) -> Path:
    """The folder of a version, which nobody else can take from now on."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(home)
        return _take(home, version)
    except (FileNotFoundError, FileExistsError):
        if not tries:
            raise
        return _reserve(home, version, tries - 1)


def _take(home: Path, version: str | None) -> Path:
    """An empty folder of the version's name: no model to the repository, and in the way of whoever wants it too."""
    if version is not None:
        try:
            (home / version).mkdir(parents=True)
        except FileExistsError:
            raise DespliegueError(f"{home / version} is there already; nothing is overwritten") from None
        return home / version
    number = max((int(path.name) for path in home.iterdir() if path.name.isdecimal()), default=0)
    while True:
        number += 1
        with contextlib.suppress(FileExistsError):
            (home / str(number)).mkdir(parents=True)
            return home / str(number)


def _clear_abandoned(home: Path) -> None:
    for path in home.iterdir():
        found = _NAME.fullmatch(path.name)
        if found is None or _is_running(int(found["process"])) or time.time() - path.stat().st_mtime < _ABANDONED_S:
            continue
        shutil.rmtree(path, ignore_errors=True)
        _remove_empty(home / found["version"])


def _is_running(process: int) -> bool:
    if sys.platform == "win32":  # there os.kill ends it
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()  # refuses one that holds something


def _words(error: OSError, home: Path) -> str:
    if isinstance(error, shutil.Error) and error.args and error.args[0]:
        _, target, why = error.args[0][0]
        return f"{target}: {why}"
    return f"{error.filename or home}: {error.strerror or error}"


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[Callable[[], None]]:
    """Let the first signal that ends a process end it by an exception, so that it can clear up.

    Gives what makes them be ignored for the rest of the block.
    """
    before: dict[int, Any] = {}

    def ignore() -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)

    def end(number: int, frame: FrameType | None) -> None:
        ignore()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
        # One that is ignored, as nohup does, stays so.
        usual = (signal.SIG_DFL, signal.default_int_handler)
        before |= {number: signal.signal(number, end) for number in numbers if signal.getsignal(number) in usual}
    try:
        yield ignore
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
