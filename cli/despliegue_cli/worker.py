"""What a worker process does: the tasks of `despliegue_cli.workers`, one after the other, until there are no more."""

import io
import os
import pickle
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any, Final, cast

from despliegue.models import ModelRepository
from despliegue.scoring import Options, Scoring
from despliegue.scoring.records import BLOCK
from despliegue.scoring.rows import Outputs, run
from despliegue.scoring.scoring import Done
from despliegue.scoring.text_table import Block

PARTS: Final = 4
"""Parts of a text in one task: handing over a task costs as much as scoring a hundred rows."""
SLOT: Final = 2 * PARTS * BLOCK
"""Bytes of shared memory for a task and then for the text that it gives; what does not fit of a text comes through a
pipe, at thrice the cost."""


class Worker:
    """A model, and the file that it scores."""

    def __init__(
        self,
        memory: str,
        models: Path,
        name: str,
        version: str,
        source: str | None,
        options: Options,
        head: bytes,
        suffix: str,
    ) -> None:
        self.memory = SharedMemory(memory, track=False)  # whoever made it removes it
        self._model = ModelRepository(models).get(name, version)
        if head:
            self._scoring = Scoring.open(self._model, f"rows{suffix}", io.BytesIO(head), options)
        if source is not None:
            self._file = os.open(source, os.O_RDONLY)

    def score(self, at: int, size: int) -> list[Done] | Outputs:
        """Do the task in the shared memory; its texts take its place there, and their sizes are returned."""
        task = pickle.loads(buffer_of(self.memory)[at : at + size])  # noqa: S301 – what our own parent wrote
        if isinstance(task, dict):
            return run(self._model, task)
        results, end = [], at + SLOT
        for each in task:
            done = self._scoring.score(each if isinstance(each, Block) else self._read(*each))
            for number, piece in enumerate(done.pieces):
                if at + len(piece) <= end:
                    buffer_of(self.memory)[at : at + len(piece)] = piece
                    at += len(piece)
                    done.pieces[number] = len(piece)
            results.append(done)
        return results

    def _read(self, start: int, size: int) -> Block:
        return Block(os.pread(self._file, size, start), start)


def serve(pipe: Connection, *arguments: Any) -> None:
    """Do tasks until there are no more."""
    worker = Worker(*arguments)
    pipe.send(None)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            result: Any = worker.score(*task)
        except Exception as error:  # raised over there
            result = error
        pipe.send(result)


def buffer_of(memory: SharedMemory) -> memoryview:
    """The bytes of shared memory."""
    return cast("memoryview", memory.buf)  # None only once it is closed
