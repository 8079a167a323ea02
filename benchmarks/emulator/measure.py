"""The rounds: every function is visited once a round in random order while the others wait; then the cold starts."""

import os
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime

from benchmarks.emulator import installed
from benchmarks.emulator.contenders import BODIES, CONTENDERS, OURS, ROWS, Contender, event_of, predictions
from benchmarks.emulator.function import Function, request
from benchmarks.http.client import BadReply, ask, drive
from benchmarks.requests import COLUMNS, values
from benchmarks.warm import microseconds
from despliegue.models import SessionSettings

FUNCTION_CORE, CLIENT_CORE = 0, 1
_REQUESTS = [(rows, body) for rows in ROWS for body in BODIES]
_SLICE_S, _WARM_S, _LEAST = 0.1, 0.02, 10
"""Time for one measurement in a round, time before it, and the replies that it waits for."""


class Key(NamedTuple):
    """What a figure is of. Of the empty handler the model is "": it has none."""

    contender: str
    model: str
    form: str
    rows: int
    body: str


class Sample(NamedTuple):
    """A visit: µs of an invoke, the median; and processor µs of the Python process for each."""

    p50: float
    processor: float


class Start(NamedTuple):
    """First replies in seconds, with all files in the page cache and with none; and bytes that were in it meanwhile."""

    warm: float
    cold: float
    cached_before: int
    cached_dropped: int
    cached_after: int


class Measured(NamedTuple):
    """What a run gives.

    Attributes:
        samples: by what they are of, one a round.
        alone: µs of session.run in this process by model and rows, one a round.
        starts: by contender, with the first model.
        memory: the most MB that the Python process had, by contender and model, after all requests.
        versions: what is installed, by contender.
        restarts: functions that crashed and were started anew.
    """

    samples: dict[Key, list[Sample]]
    alone: dict[tuple[str, int], list[float]]
    starts: dict[str, list[Start]]
    memory: dict[tuple[str, str], float]
    versions: dict[str, dict[str, str]]
    restarts: list[str]


class Place:
    """A contender with a model: what its functions are started with, and the one that runs."""

    def __init__(self, contender: Contender, model: str, folder: Path, scratch: Path) -> None:
        self.contender, self.model = contender, model
        own = scratch / f"{contender.home or OURS}-{model}"
        own.mkdir()
        self.paths, self.log = contender.paths(), own / "log"
        self.variables = contender.variables(folder, own)
        self.function: Function | None = None

    def start(self) -> float:
        """Start a function in place of the last; seconds to its first reply."""
        self.end()
        self.function = Function([*self.paths, installed.runtime()], self.variables, FUNCTION_CORE, self.log)
        return self.function.first_reply(event_of(self.contender.forms[0], 1, BODIES[0]))

    def running(self) -> Function:
        """The function, started if there is none."""
        if not self.function:
            self.start()
        assert self.function
        return self.function

    def end(self) -> None:
        """End the function, if there is one."""
        if self.function:
            self.function.end()
        self.function = None


def measure(models: dict[str, Path], rounds: int, starts: int, scratch: Path) -> Measured:
    """Start every function with every model, check what it answers, measure all in rounds, then start them anew.

    Args:
        models: the folder of each, as a version in a repository.
        rounds: how many.
        starts: rounds of cold starts.
        scratch: an empty folder, on a disk (tmpfs has no page cache to drop).

    Raises:
        ValueError: predictions are wrong.
        NotStarted: a function does not run.
    """
    found = Measured(defaultdict(list), defaultdict(list), defaultdict(list), {}, {}, [])
    first = next(iter(models))
    # The empty handler and the imports have no use for a model: one function of each will do.
    places = [
        Place(contender, model if contender.predicts else "", folder, scratch)
        for contender in CONTENDERS
        for model, folder in models.items()
        if contender.predicts or model == first
    ]
    sessions = {model: _session(folder) for model, folder in models.items()}
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CLIENT_CORE})
    try:
        _measure_warm([place for place in places if not place.contender.starts_only], sessions, rounds, found)
        again = [place for place in places if place.model in ("", first)]
        for number in range(starts):
            _tell(f"start {number + 1} of {starts}")
            for place in random.sample(again, len(again)):
                found.starts[place.contender.name].append(start(place))
    finally:
        for place in places:
            place.end()
        os.sched_setaffinity(0, cores)
    for place in again:
        found.versions[place.contender.name] = installed.versions([*place.paths, installed.runtime()])
    return found


def _measure_warm(
    places: list[Place], sessions: dict[str, onnxruntime.InferenceSession], rounds: int, found: Measured
) -> None:
    for place in places:
        _tell(f"starting {place.contender.name} {place.model}")
        if place.contender.predicts:
            check(place, sessions[place.model])
    alone = {(model, rows): _run(session, rows) for model, session in sessions.items() for rows in ROWS}
    for number in range(rounds):
        _tell(f"round {number + 1} of {rounds}")
        # What is compared is measured within a second or two, for both models.
        for rows, body in random.sample(_REQUESTS, len(_REQUESTS)):
            visits = [(place, form) for place in places for form in place.contender.forms]
            for place, form in random.sample(visits, len(visits)):
                sample = visit(place, request(event_of(form, rows, body)), found)
                found.samples[Key(place.contender.name, place.model, form, rows, body)].append(sample)
        os.sched_setaffinity(0, {FUNCTION_CORE})
        for what, call in alone.items():
            found.alone[what].append(microseconds(call))
        os.sched_setaffinity(0, {CLIENT_CORE})
    for place in places:
        found.memory[place.contender.name, place.model] = place.running().memory()
        place.end()


def check(place: Place, session: onnxruntime.InferenceSession) -> None:
    """Compare the function's predictions with the model's own.

    Raises:
        ValueError: they differ.
    """
    form = place.contender.forms[0]
    for rows, body in _REQUESTS:
        reply, _ = ask(place.running().port, request(event_of(form, rows, body)))
        labels, probabilities = predictions(form, reply)
        wanted = session.run(["label", "probabilities"], {"input": _array(rows)})
        if labels != [str(label) for label in wanted[0]] or not np.allclose(probabilities, wanted[1], atol=1e-6):
            raise ValueError(f"{place.contender.name}, {place.model}, {rows} rows, {body}: the predictions are wrong")


def visit(place: Place, sent: bytes, found: Measured) -> Sample:
    """Measure a function with a request. The emulator may crash: then once more with another.

    Raises:
        BadReply: it failed twice, or a reply is not a 200.
    """
    try:
        return _sample(place.running(), sent)
    except (BadReply, OSError) as error:
        found.restarts.append(f"{place.contender.name}: {error}")
        place.end()
        return _sample(place.running(), sent)


def _sample(function: Function, sent: bytes) -> Sample:
    reply, _ = ask(function.port, sent)
    if not reply.startswith(b'{"statusCode": 200'):
        raise BadReply(f"expected a handler's 200; came {reply[:300]!r}")
    drive(function.port, sent, 1, _WARM_S, 3)
    before = function.processor_seconds()
    taken, _ = drive(function.port, sent, 1, _SLICE_S, _LEAST)
    return Sample(statistics.median(taken) * 1e6, (function.processor_seconds() - before) / len(taken) * 1e6)


def start(place: Place) -> Start:
    """Three starts: an uncounted one that brings everything into the page cache, a warm one, a cold one."""
    given = installed.files([*place.paths, Path(place.variables["MODEL"]).parent])
    place.start()
    warm = place.start()
    place.end()  # what is mapped cannot be dropped
    before = installed.cached(given)
    installed.drop(given)
    dropped = installed.cached(given)
    cold = place.start()
    after = installed.cached(given)
    place.end()
    return Start(warm, cold, before, dropped, after)


def _session(folder: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(folder / "model.onnx", SessionSettings().options())


def _array(rows: int) -> Any:
    return np.array(values(rows), np.float32).reshape(rows, COLUMNS)


def _run(session: onnxruntime.InferenceSession, rows: int) -> Callable[[], Sequence[Any]]:
    return partial(session.run, [output.name for output in session.get_outputs()], {"input": _array(rows)})


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
