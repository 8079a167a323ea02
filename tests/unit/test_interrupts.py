"""Ctrl-C while a model runs: it is raised once the run is over, and ONNX Runtime does not crash."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from despliegue.models.interrupts import held_back, uninterrupted

SECONDS = 60
INTERRUPTED = """
import random, signal, sys
from pathlib import Path
import numpy as np
from despliegue.models import ModelRepository

model = ModelRepository(Path(sys.argv[1])).get("penguins")
inputs = {name: np.repeat(array, 2000, axis=0) for name, array in model.zeros().items()}
signal.signal(signal.SIGALRM, lambda *given: signal.raise_signal(signal.SIGINT))
for _ in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0005, 0.004))
        while True:
            model.run(inputs, list(model.signature.outputs))
    except KeyboardInterrupt:
        pass
"""


def test_a_model_of_strings_is_interrupted_between_its_runs(root: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(root / "layers/models")]

    done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)

    assert (done.returncode, done.stderr) == (0, b"")


def test_an_interrupt_is_raised_after_the_call() -> None:
    steps: list[str] = []

    def call() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        steps.append("to the end")

    with pytest.raises(KeyboardInterrupt):
        uninterrupted(call)()

    assert steps == ["to the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_whoever_ends_the_process_is_heard_too() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        with held_back() as handle:
            signal.raise_signal(signal.SIGTERM)
            assert came == []
            handle()
            assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)

    assert came == [signal.SIGTERM]


def test_a_second_interrupt_need_not_wait() -> None:
    steps = []

    def block() -> None:
        with held_back(once=True):
            for step in ("held back", "too far"):
                signal.raise_signal(signal.SIGINT)
                steps.append(step)

    with pytest.raises(KeyboardInterrupt):
        block()

    assert steps == ["held back"]


def test_other_threads_have_no_signals() -> None:
    given: list[int] = []
    thread = threading.Thread(target=uninterrupted(given.append), args=(1,))

    thread.start()
    thread.join(SECONDS)

    assert given == [1]
