"""The process whose instructions are counted: `counted_requests CASES`. Run under callgrind by `benchmarks.count`.

CASES is the file that the cases are pickled in. callgrind starts without instrumentation, several times as fast: so it
imports, loads models and warms up. Then it is switched on, once. Each stretch lies between two calls of `getpgid`,
which nothing else here makes: callgrind starts a new part of its output at each.
"""

import gc
import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import app  # type: ignore[import-not-found]  # functions/predict is on the path of this process only

from benchmarks.counted_cases import SMALL, Calibration, Case, File, Request
from benchmarks.deployment import Context, lambda_stdout
from despliegue.scoring import Options, Scoring

WARM_UP = 20
"""Calls before counting, of what is small: the interpreter has specialised its bytecode by then."""
WARM_UP_LARGE = 2
"""The same for what goes through its loops a thousand times a call."""


def answer(request: Request) -> Callable[[], None]:
    """A call of the handler with this event."""

    def call() -> None:
        if (reply := app.handler(request.event, Context))["statusCode"] != request.status:
            raise RuntimeError(f"the status is not {request.status}: {reply}")

    return call


def score(file: File) -> Callable[[], None]:
    """What `despliegue score` and the scoring function do with a file, from memory to nowhere."""
    model = app.function.service.repository.get(file.model)

    def call() -> None:
        with Path(os.devnull).open("wb") as scored, Path(os.devnull).open("wb") as rejects:
            counts = Scoring.open(model, file.name, io.BytesIO(file.content), Options()).run(scored, rejects)
        if counts.scored != file.rows:
            raise RuntimeError(f"{file.name}: not all rows were scored: {counts}")

    return call


def calibrate(document: dict[str, Any]) -> Callable[[], None]:
    """Work of the interpreter alone, of the kinds that a request has: calls, dicts, strings, exceptions, json."""

    def call() -> None:
        names = {name: f"{name}={type(value).__name__}" for name, value in document.items()}
        for name in [*names, "absent"]:
            try:
                names[name] = names[name].upper().lower().strip()
            except KeyError:
                names[name] = ""
        assert json.loads(json.dumps(document)) == document
        assert sorted(names, key=lambda name: len(names[name]))

    return call


def call_of(case: Case) -> Callable[[], None]:
    """What a case does."""
    match case:
        case Request():
            return answer(case)
        case File():
            return score(case)
        case Calibration():
            return calibrate(case.document)


def instrument() -> None:
    """Switch callgrind on, as `callgrind_control -i on` does, for which it wants Perl.

    Waits busily: valgrind looks for commands every few thousand steps of a process that runs. One that sleeps it would
    have to be woken from by ptrace, which containers may forbid.

    Raises:
        RuntimeError: callgrind did not hear it.
    """
    command = ["vgdb", "--max-invoke-ms=0", f"--pid={os.getpid()}", "instrumentation on"]
    asked = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while asked.poll() is None:
        pass
    if asked.returncode:
        raise RuntimeError(f"callgrind was not switched on: {asked.communicate()[1]}")


def main() -> None:
    """Count the cases, in their order."""
    cases: dict[str, Case] = pickle.loads(Path(sys.argv[1]).read_bytes())
    calls = {name: call_of(case) for name, case in cases.items()}
    for name, call in calls.items():
        for _ in range(WARM_UP if cases[name].repeats >= SMALL else WARM_UP_LARGE):
            call()
    instrument()
    for name, call in calls.items():
        gc.collect()  # every stretch starts with nothing for the collector to do
        os.getpgid(0)
        for _ in range(cases[name].repeats):
            call()
        os.getpgid(0)


if __name__ == "__main__":
    with lambda_stdout():
        main()
    os._exit(0)
