"""Processes that score parts of one file beside this one, which cuts the file up and writes what is scored, in order.

They are told which bytes of the file are theirs, and read them by themselves. Parquet is read here, a batch of columns
going to each: its reader knows no parts of a file. A process takes a while to start, so a short file has no others, and
this one does not wait for any: it scores what no other has taken.
"""

import multiprocessing
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import batched
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

from despliegue.errors import DespliegueError, InferenceError, InvalidRequest
from despliegue.models import Model
from despliegue.scoring import Counts, Options, Scoring
from despliegue.scoring.parquet_table import Batch, ParquetTable
from despliegue.scoring.rows import Outputs
from despliegue.scoring.scoring import Done
from despliegue.scoring.text_table import Block
from despliegue_cli.worker import PARTS, SLOT, buffer_of, serve

_AHEAD: Final = 2
"""So many tasks a process has at a time: the one that it works at, and the next."""
_WAITING: Final = 4
"""So many times these, results may wait for an earlier one: enough that nobody does, and few enough to hold."""
_WORTH_IT: Final = 0.1
"""Seconds of scoring here, after which the others are started: to start one takes this process a fortieth of a second,
and what it can score by then is nearly done."""

type _Place = tuple[int, int]
"""Where a block is in the file: its start and its size."""


class _Task:
    """Parts of the file, and once that is known, what came of them; until then, who works at it."""

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self.parts = parts
        self.done: list[Done] | None = None
        self.process: _Process | None = None


class _Process:
    """One of the others, as it is seen from here. Its tasks come back in the order in which they were given."""

    def __init__(self, memory: SharedMemory, first_slot: int, arguments: tuple[Any, ...]) -> None:
        self._memory, self._first_slot = memory, first_slot
        self._tasks: deque[_Task] = deque()
        self._given = 0
        self._is_up = False
        self._pipe, theirs = multiprocessing.Pipe()
        # Spawned, not forked: a copy of a process that has threads may wait for ever for a lock that one of them held.
        spawn = multiprocessing.get_context("spawn")
        self._process = spawn.Process(target=serve, args=(theirs, memory.name, *arguments))
        self._process.start()
        theirs.close()

    def has_time(self) -> bool:
        """Whether it is up, and takes another task."""
        if not self._is_up and self._pipe.poll():
            self._receive()
            self._is_up = True
        return self._is_up and len(self._tasks) < _AHEAD

    def give(self, task: _Task, content: Any) -> bool:
        """Give it a task that `content` tells; whether it was not too large."""
        data, at = pickle.dumps(content, pickle.HIGHEST_PROTOCOL), self._slot(self._given) * SLOT
        if len(data) > SLOT:
            return False
        buffer_of(self._memory)[at : at + len(data)] = data
        with _alive():
            # So little that it never waits for the other to read, who may be waiting for this one to.
            self._pipe.send((at, len(data)))
        self._given += 1
        self._tasks.append(task)
        task.process = self
        return True

    def results(self, *, wait: bool) -> Iterator[tuple[_Task, Any, int]]:
        """Its finished tasks, at least one where told to wait: what came of each, and where its texts begin."""
        while self._tasks and (wait or self._pipe.poll()):
            wait = False
            result, slot = self._receive(), self._slot(self._given - len(self._tasks))
            yield self._tasks.popleft(), result, slot * SLOT

    def end(self) -> None:
        """End it, whatever it does: it holds nothing."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _slot(self, number: int) -> int:
        return self._first_slot + number % _AHEAD

    def _receive(self) -> Any:
        with _alive():
            return self._pipe.recv()


class Workers:
    """This process and others with the same model, until the end of a `with` block.

    Args:
        models: root of the model repository.
        model: the model.
        source: the path of the input; None where it cannot be read by several at once.
        options: how the file is read and written.
        scoring: the file's.
        number: how many, with this one.
    """

    def __init__(
        self, models: Path, model: Model, source: str | None, options: Options, scoring: Scoring, number: int
    ) -> None:
        self._scoring = scoring
        self._source = source if not scoring.packing else None
        self._number = number - 1
        self._memory: SharedMemory
        self._processes: list[_Process] = []
        self._arguments = (models, model.name, model.version, self._source, options, scoring.head, scoring.suffix)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._processes:
            process.end()
        if self._processes:
            self._memory.close()
            self._memory.unlink()

    def mapped(self, here: Callable[[Any], Done], parts: Iterator[Any]) -> Iterator[Done]:
        """Score parts, here and over there, in order; what `Scoring.run` takes.

        Args:
            here: scores a part in this process.
            parts: of the file.
        """
        waiting: deque[_Task] = deque()
        started = time.perf_counter()
        limit = _WAITING * _AHEAD * self._number
        size = 1 if isinstance(self._scoring.table, ParquetTable) else PARTS
        for group in batched(parts, size, strict=False):
            if not self._processes and time.perf_counter() - started > _WORTH_IT:
                self._start()
            task = _Task(group)
            waiting.append(task)
            for process in self._processes:
                self._receive(here, process, wait=False)
            free = next((process for process in self._processes if process.has_time()), None)
            if free is None or not self._is_given(free, task):
                task.done = list(map(here, group))
            while waiting and (waiting[0].done is not None or len(waiting) >= limit):
                yield from self._finished(here, waiting.popleft())
        for task in waiting:
            yield from self._finished(here, task)

    def _start(self) -> None:
        """Start the other processes."""
        self._memory = SharedMemory(create=True, size=self._number * _AHEAD * SLOT)
        # Ctrl-C reaches every process of a terminal, and only this one is to answer it. A process begins with the
        # signals blocked that are blocked here, before any line of its own is run.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self._processes = [_Process(self._memory, at * _AHEAD, self._arguments) for at in range(self._number)]
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _is_given(self, process: _Process, task: _Task) -> bool:
        """Give a task to a process; not one with a fault that is found here, or that is too large."""
        if isinstance(task.parts[0], Block):
            return process.give(task, [self._sent(block) for block in task.parts])
        try:
            return process.give(task, cast("ParquetTable", self._scoring.table).arrays(task.parts[0]))
        except InvalidRequest:
            return False

    def _sent(self, block: Block) -> Block | _Place:
        """What a worker needs to know of a block: where it can read it, or all of it."""
        in_place = self._source is not None and isinstance(block.data, bytes)
        return (block.start, len(cast("bytes", block.data))) if in_place else block

    def _finished(self, here: Callable[[Any], Done], task: _Task) -> list[Done]:
        while task.done is None:
            self._receive(here, cast("_Process", task.process), wait=True)
        return task.done

    def _receive(self, here: Callable[[Any], Done], process: _Process, *, wait: bool) -> None:
        for task, result, at in process.results(wait=wait):
            if isinstance(task.parts[0], Batch):
                task.done = [self._predicted(here, task.parts[0], result)]
            elif isinstance(result, Exception):
                raise result
            else:
                self._take_texts(result, at)
                task.done = result

    def _take_texts(self, results: list[Done], at: int) -> None:
        """Put the texts that are in the shared memory, one after the other, in the place of their sizes."""
        for done in results:
            for number, piece in enumerate(done.pieces):
                if isinstance(piece, int):
                    done.pieces[number] = bytes(buffer_of(self._memory)[at : at + piece])
                    at += piece

    def _predicted(self, here: Callable[[Any], Done], batch: Batch, result: Outputs | Exception) -> Done:
        if isinstance(result, (InvalidRequest, InferenceError)):
            return here(batch)  # some row is at fault, and found there
        if isinstance(result, Exception):
            raise result
        piece = self._scoring.predicted(batch, result)
        return Done(piece[1].names, [piece], [], Counts(len(batch), len(batch), 0))


@contextmanager
def _alive() -> Iterator[None]:
    """Say what it means that the other end of a pipe is closed."""
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise DespliegueError("a worker process ended before its work was done: out of memory?") from error
