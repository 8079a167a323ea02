"""Processes of the real handlers, which may be killed and measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.score.conftest import Aws


class Worker:
    """`worker.py`: real handlers in processes."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, str(Path(__file__).with_name("worker.py")), str(root / "functions/score/app.py")]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def begin(self, event: dict[str, Any], handler: str = "handler") -> int:
        """Start one; the process's id."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"handler": handler, "event": event, "seconds": 900}) + "\n")
        self.process.stdin.flush()
        return int(self._answer()["pid"])

    def end(self) -> dict[str, Any]:
        """Wait until it ended; see `worker.py`."""
        return self._answer()

    def run(self, event: dict[str, Any], handler: str = "handler") -> dict[str, Any]:
        """One that nobody kills."""
        self.begin(event, handler)
        answer = self.end()
        assert answer["status"] == 0, answer
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture
def new_worker(aws: Aws, root: Path) -> Iterator[Callable[[], Worker]]:
    """Starts a `Worker`; ended after the test."""
    started: list[Worker] = []

    def make() -> Worker:
        started.append(Worker(root))
        return started[-1]

    yield make
    for worker in started:
        worker.close()
