"""The process whose instructions are counted. Run under callgrind by `benchmarks.count`, never imported.

Each stretch lies between two calls of `getpgid`, which nothing else here makes: callgrind starts a new part of its
output at each. So imports, loading and warming up fall outside, and one process is enough for all.
"""

import gc
import json
import os
from collections.abc import Callable
from typing import Any

import app  # type: ignore[import-not-found]  # functions/predict is on the path of this process only

from benchmarks.count import REPEATS
from benchmarks.deployment import Context, Event, lambda_stdout
from benchmarks.requests import inference

WARM_UP = 20
"""Calls before counting: the interpreter has specialised its bytecode by then."""


def answer(event: Event) -> Callable[[], None]:
    """A call of the handler with this event."""

    def call() -> None:
        if app.handler(event, Context)["statusCode"] != 200:
            raise RuntimeError("the reply is not a prediction")

    return call


def calibrate(document: Any) -> Callable[[], None]:
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


def main() -> None:
    """Count what `benchmarks.count.REPEATS` lists, in its order."""
    small, large = inference("breast-cancer", 1, "nested"), inference("breast-cancer", 1024, "nested")
    calls = {"1 row": answer(small), "1,024 rows": answer(large), "calibration": calibrate(small)}
    for name, repeats in REPEATS.items():
        call = calls[name]
        for _ in range(min(WARM_UP, 2 * repeats)):
            call()
        gc.collect()  # every stretch starts with nothing for the collector to do
        os.getpgid(0)
        for _ in range(repeats):
            call()
        os.getpgid(0)


if __name__ == "__main__":
    with lambda_stdout():
        main()
    os._exit(0)
