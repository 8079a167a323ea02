"""Processes that score the parts of one file. This one cuts the file up and writes what they give, in order.

They are told which bytes of the file are theirs, and read them by themselves. Parquet is read here, a batch of columns
going to each: its reader knows no parts of a file.
"""

import io
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import batched
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

from despliegue.errors import DespliegueError, InferenceError, InvalidRequest
from despliegue.models import Model, ModelRepository
from despliegue.models.model import Array
from despliegue.scoring import Counts, Options, Scoring
from despliegue.scoring.parquet_table import Batch, ParquetTable
from despliegue.scoring.records import BLOCK
from despliegue.scoring.rows import Outputs, run
from despliegue.scoring.scoring import Done
from despliegue.scoring.text_table import Block

_AHEAD: Final = 3
"""So many tasks a process are under way at a time: enough that none waits, and few enough to hold."""
_PARTS: Final = 4
"""Parts of a text in one task: handing over a task costs as much as scoring a hundred rows."""
_SLOT: Final = 2 * _PARTS * BLOCK
"""Bytes of shared memory for the text that a task gives; what does not fit comes through a pipe, at thrice the cost."""


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
        self._source = source if not scoring.packing else None
        self._limit = number * _AHEAD
        self._memory = SharedMemory(create=True, size=self._limit * _SLOT)
        # Spawned, not forked: a copy of a process that has threads may wait for ever for a lock that one of them held.
        self._pool = ProcessPoolExecutor(
            number,
            multiprocessing.get_context("spawn"),
            _start,
            (models, model.name, model.version, self._source, options, scoring.head, scoring.suffix, self._memory.name),
        )
        # Ctrl-C reaches every process of a terminal, and only this one is to answer it. A process begins with the
        # signals blocked that are blocked here, before any line of its own is run.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        for _ in range(number):
            self._pool.submit(os.getpid)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._memory.close()
        self._memory.unlink()

    def mapped(self, here: Callable[[Any], Done], parts: Iterator[Any]) -> Iterator[Done]:
        """Score parts over there, in order; what `Scoring.run` takes.

        Args:
            here: scores a part in this process.
            parts: of the file.
        """
        is_parquet = isinstance(self._scoring.table, ParquetTable)
        try:
            yield from self._map_batches(here, parts) if is_parquet else self._map_blocks(parts)
        except BrokenProcessPool as error:
            raise DespliegueError("a worker process ended before its work was done: out of memory?") from error

    def _map_blocks(self, parts: Iterator[Block]) -> Iterator[Done]:
        free = deque(range(self._limit))
        waiting: deque[tuple[int, Future[list[Done]]]] = deque()
        for blocks in batched(parts, _PARTS, strict=False):
            task = [self._sent(block) for block in blocks]
            slot = free.popleft()
            waiting.append((slot, self._pool.submit(_score_blocks, task, slot)))
            if not free:
                yield from self._received(*waiting[0])
                free.append(waiting.popleft()[0])
        for slot, future in waiting:
            yield from self._received(slot, future)

    def _sent(self, block: Block) -> Block | tuple[int, int]:
        """What a worker needs to know of a block: where it can read it, or all of it."""
        in_place = self._source is not None and isinstance(block.data, bytes)
        return (block.start, len(cast("bytes", block.data))) if in_place else block

    def _received(self, slot: int, future: Future[list[Done]]) -> Iterator[Done]:
        """What a task gave, its texts taken out of the shared memory."""
        at = slot * _SLOT
        for done in future.result():
            for number, piece in enumerate(done.pieces):
                if isinstance(piece, int):
                    done.pieces[number] = bytes(_buffer(self._memory)[at : at + piece])
                    at += piece
            yield done

    def _map_batches(self, here: Callable[[Batch], Done], batches: Iterator[Batch]) -> Iterator[Done]:
        waiting: deque[Callable[[], Done]] = deque()
        for batch in batches:
            waiting.append(self._submit_batch(here, batch))
            if len(waiting) >= self._limit:
                yield waiting.popleft()()
        while waiting:
            yield waiting.popleft()()

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
    memory: SharedMemory


def _start(
    models: Path, name: str, version: str, source: str | None, options: Options, head: bytes, suffix: str, memory: str
) -> None:
    _Worker.model = ModelRepository(models).get(name, version)
    _Worker.memory = SharedMemory(memory, track=False)  # whoever made it removes it
    if head:
        _Worker.scoring = Scoring.open(_Worker.model, f"rows{suffix}", io.BytesIO(head), options)
    if source is not None:
        _Worker.file = os.open(source, os.O_RDONLY)


def _score_blocks(task: list[Block | tuple[int, int]], slot: int) -> list[Done]:
    """Score blocks, or what lies at (start, size) in the file; texts go into the slot, and their sizes are returned."""
    results, at, end = [], slot * _SLOT, (slot + 1) * _SLOT
    for each in task:
        block = each if isinstance(each, Block) else Block(os.pread(_Worker.file, each[1], each[0]), each[0])
        done = _Worker.scoring.score(block)
        for number, piece in enumerate(done.pieces):
            if at + len(piece) <= end:
                _buffer(_Worker.memory)[at : at + len(piece)] = piece
                at += len(piece)
                done.pieces[number] = len(piece)
        results.append(done)
    return results


def _run(arrays: dict[str, Array]) -> Outputs:
    return run(_Worker.model, arrays)


def _buffer(memory: SharedMemory) -> memoryview:
    return cast("memoryview", memory.buf)  # None only once it is closed
