"""What `despliegue score` reads and writes: files or pipes, and nothing half-written that stays behind."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import orjson

from despliegue.errors import DespliegueError
from despliegue.scoring.compression import Rewound
from despliegue.scoring.parquet_table import MAGIC
from despliegue_cli.parameters import PIPE


@contextmanager
def opened(path: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The input, and its size in bytes; None where it is a pipe. Parquet is read back and forth: a pipe is copied."""
    with open(sys.stdin.fileno() if path == PIPE else path, "rb", closefd=path != PIPE) as file:
        if path != PIPE and file.seekable():
            yield file, os.fstat(file.fileno()).st_size
            return
        head = file.read(len(MAGIC))
        if head != MAGIC:
            yield cast("BinaryIO", Rewound(head, file)), None
            return
        with tempfile.TemporaryFile() as copy:
            copy.write(head)
            shutil.copyfileobj(file, copy)
            copy.seek(0)
            yield cast("BinaryIO", copy), None


class Outputs:
    """The scored file, with rejects and report beside it, each under its own name only when it is whole.

    Into a pipe goes the scored file alone; its rejects go to standard error.

    Attributes:
        scored: to be written.
        rejects: to be written.
    """

    def __init__(self, output: str) -> None:
        self._paths = _paths(output)
        self.scored: BinaryIO = sys.stdout.buffer
        self.rejects: BinaryIO = sys.stderr.buffer
        self._files: dict[str, BinaryIO] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for kind in ("scored", "rejects") if self._paths else ():
                self._files[kind] = stack.enter_context(_partial(self._paths[kind]).open("wb"))
            stack.pop_all()
        self.scored = self._files.get("scored", self.scored)
        self.rejects = self._files.get("rejects", self.rejects)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for name, path in self._paths.items():
            if file := self._files.get(name):
                with suppress(OSError):  # the disk may be full; what is written here is void
                    file.close()
            _partial(path).unlink(missing_ok=True)

    def keep(self, *kinds: str) -> dict[str, dict[str, Any]]:
        """Give what is whole its name; where each is, and its size in bytes."""
        kept = {}
        files = {kind: self._files.pop(kind) for kind in kinds if kind in self._files}
        for file in files.values():
            file.close()  # only now a full disk may be found, and no file has its name yet
        for kind in files:
            path = self._paths[kind]
            _partial(path).replace(path)
            kept[kind] = {"path": str(path), "size": path.stat().st_size}
        if not self._paths:
            self.scored.flush()
        return kept

    def write_report(self, report: dict[str, Any]) -> None:
        """Put the report beside the output, if that is a file; what is left of an earlier report's goes."""
        if path := self._paths.get("report"):
            if path.exists():
                for kind in {"scored", "rejects"}.difference(report["outputs"]):
                    self._paths[kind].unlink(missing_ok=True)
            _partial(path).write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
            _partial(path).replace(path)


def check_paths(source: str, output: str) -> None:
    """Make sure that reading the input and writing the output do not meet.

    Raises:
        DespliegueError: they do, or there is no input.
    """
    if source != PIPE and not Path(source).is_file() and not Path(source).is_fifo():
        raise DespliegueError(f"there is no file {source}")
    if output == PIPE:
        return
    folder = Path(output).parent
    if not folder.is_dir():
        raise DespliegueError(f"there is no folder {folder} for the output")
    for path in _paths(output).values():
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "a device or a pipe"
            raise DespliegueError(f"the output {path} is {kind}; expected a file's name, or - for standard output")
        if source != PIPE and path.exists() and Path(source).samefile(path):
            raise DespliegueError(f"INPUT and OUTPUT are the same file, {path}")


def _paths(output: str) -> dict[str, Path]:
    """What is written where; nothing where all goes into a pipe."""
    if output == PIPE:
        return {}
    beside = {"rejects": Path(f"{output}.rejects.jsonl"), "report": Path(f"{output}.report.json")}
    return {"scored": Path(output), **beside}


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")
