"""Processes that score the parts of one file. This one cuts the file up and writes what they give, in order.

They are told which bytes of the file are theirs, and read them by themselves. Parquet is read here, a batch of columns
going to each: its reader knows no parts of a file.
"""

import io
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

from despliegue.errors import DespliegueError, InferenceError, InvalidRequest
from despliegue.models import Model, ModelRepository
from despliegue.models.model import Array
from despliegue.scoring import Counts, Options, Scoring
from despliegue.scoring.parquet_table import Batch, ParquetTable
from despliegue.scoring.records import Oversized
from despliegue.scoring.rows import Outputs, run
from despliegue.scoring.scoring import Done
from despliegue.scoring.text_table import Block

_AHEAD: Final = 3
"""So many parts a process are under way at a time: enough that none waits, and few enough to hold."""


class Workers:
    """Processes with a model, until the end of a `with` block.

    Args:
        models: root of the model repository.
        model: the model.
        source: the path of the input; None where it cannot be read by several at once.
        options: how the file is read and written.
        scoring: the file's.
        number: how many.
    """

    def __init__(
        self, models: Path, model: Model, source: str | None, options: Options, scoring: Scoring, number: int
    ) -> None:
        self._scoring = scoring
        in_place = source if not scoring.packing else None
        self._in_place = in_place is not None
        self._limit = number * _AHEAD
        # Spawned, not forked: a copy of a process that has threads may wait for ever for a lock that one of them held.
        self._pool = ProcessPoolExecutor(
            number,
            multiprocessing.get_context("spawn"),
            _start,
            (
                models,
                model.name,
                model.version,
                source if self._in_place else None,
                options,
                scoring.head,
                scoring.suffix,
            ),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def mapped(self, here: Callable[[Any], Done], parts: Iterator[Any]) -> Iterator[Done]:
        """Score parts over there, in order; what `Scoring.run` takes.

        Args:
            here: scores a part in this process.
            parts: of the file.
        """
        submit = self._submit_batch if isinstance(self._scoring.table, ParquetTable) else self._submit_block
        waiting: deque[Callable[[], Done]] = deque()
        try:
            for part in parts:
                waiting.append(submit(here, part))
                if len(waiting) >= self._limit:
                    yield waiting.popleft()()
            while waiting:
                yield waiting.popleft()()
        except BrokenProcessPool as error:
            raise DespliegueError("a worker process ended before its work was done: out of memory?") from error

    def _submit_block(self, here: Callable[[Block], Done], block: Block) -> Callable[[], Done]:
        if isinstance(block.data, Oversized):
            return lambda: here(block)
        return self._pool.submit(_score_block, len(block.data) if self._in_place else block.data, block.start).result

    def _submit_batch(self, here: Callable[[Batch], Done], batch: Batch) -> Callable[[], Done]:
        try:
            arrays = cast("ParquetTable", self._scoring.table).arrays(batch)
        except InvalidRequest:
            return lambda: here(batch)  # some row is at fault, and found there
        outputs = self._pool.submit(_run, arrays)

        def done() -> Done:
            try:
                piece = self._scoring.predicted(batch, outputs.result())
            except (InvalidRequest, InferenceError):
                return here(batch)
            return Done(piece[1].names, [piece], [], Counts(len(batch), len(batch), 0))

        return done


class _Worker:
    """What a worker process has."""

    model: Model
    scoring: Scoring
    file: int


def _start(
    models: Path, name: str, version: str, source: str | None, options: Options, head: bytes, suffix: str
) -> None:
    _Worker.model = ModelRepository(models).get(name, version)
    if head:
        _Worker.scoring = Scoring.open(_Worker.model, f"rows{suffix}", io.BytesIO(head), options)
    if source is not None:
        _Worker.file = os.open(source, os.O_RDONLY)


def _score_block(data: bytes | int, start: int) -> Done:
    """Score a part that is given, or whose size is."""
    if isinstance(data, int):
        data = os.pread(_Worker.file, data, start)
    return _Worker.scoring.score(Block(data, start))


def _run(arrays: dict[str, Array]) -> Outputs:
    return run(_Worker.model, arrays)
