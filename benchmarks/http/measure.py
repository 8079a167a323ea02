"""The rounds: every server is visited once a round, in random order, and the others are held still meanwhile."""

import os
import random
import socket
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import simdjson

from benchmarks.environments import NotInstalled, versions
from benchmarks.http.client import ask, drive
from benchmarks.http.contenders import BASELINE, CONTENDERS, FLOOR, OURS, Contender
from benchmarks.http.forms import V2_JSON, Form, nested
from benchmarks.http.process import NotStarted, Server
from despliegue.models import SessionSettings

ROWS = (1, 32, 1024)
CONCURRENT = 8
SERVER_CORE, CLIENT_CORE = 0, 1
_SLICE_S = 0.15
"""Time for one measurement in a round: short, so that there are many rounds for a noisy machine."""
_WARM_S = 0.03
_LEAST = 20
"""Replies that a measurement waits for."""


class Key(NamedTuple):
    """What a figure is of: a server (or what is measured alone), a model, a form of request, a number of rows."""

    server: str
    model: str
    form: str
    rows: int


class Sample(NamedTuple):
    """A visit: seconds of each request one at a time; requests a second and processor seconds a request at several."""

    latencies: list[float]
    rate: float
    processor: float


class Measured(NamedTuple):
    """What a run gives.

    Attributes:
        samples: by what they are of, one a round.
        alone: seconds of session.run (form `run`) and of parsing a body (form `parse`) in this process, one a round.
        starts: seconds from spawn to first reply, by server.
        memory: MB of all processes after everything, by server, for the logistic regression.
        versions: what is installed, by server.
        missing: why a server is not there.
    """

    samples: dict[Key, list[Sample]]
    alone: dict[Key, list[float]]
    starts: dict[str, list[float]]
    memory: dict[str, float]
    versions: dict[str, dict[str, str]]
    missing: dict[str, str]


class Running(NamedTuple):
    """A server that runs one model."""

    contender: Contender
    model: str
    server: Server
    port: int


def measure(models: dict[str, Path], rounds: int, starts: int, scratch: Path) -> Measured:
    """Start every server for every model, check what it answers, and visit all in rounds.

    Args:
        models: the folder of each, as a version in a repository.
        rounds: how many.
        starts: further starts of each server for its start-up time.
        scratch: an empty folder.

    Raises:
        ValueError: a server's predictions are wrong.
        NotStarted: ours does not run, or what all are compared with; another is only missing.
    """
    found = Measured(defaultdict(list), defaultdict(list), defaultdict(list), {}, {}, {})
    running: list[Running] = []
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CLIENT_CORE})
    try:
        _start_all(models, scratch, found, running)
        alone = {key: call for model, folder in models.items() for key, call in _alone(model, folder).items()}
        for number in range(rounds):
            _tell(f"round {number + 1} of {rounds}")
            for each in random.sample(running, len(running)):
                visit(each, found.samples)
            os.sched_setaffinity(0, {SERVER_CORE})
            for key, call in alone.items():
                found.alone[key].append(_seconds(call))
            os.sched_setaffinity(0, {CLIENT_CORE})
        first = next(iter(models))
        found.memory.update({each.contender.name: each.server.memory() for each in running if each.model == first})
        again = [(each.contender, each.contender.environment()) for each in running if each.model == first]
        for number in range(starts):
            _tell(f"start {number + 1} of {starts}")
            for contender, environment in random.sample(again, len(again)):
                started = start(contender, environment, first, models[first], scratch)
                try:
                    found.starts[contender.name].append(_first_reply(started))
                finally:
                    started.server.end()
    finally:
        for each in running:
            each.server.end()
        os.sched_setaffinity(0, cores)
    return found


def _start_all(models: dict[str, Path], scratch: Path, found: Measured, running: list[Running]) -> None:
    """Start every server for every model; `found` gets what is known then, `running` those that run."""
    for contender in CONTENDERS:
        _tell(f"starting {contender.name}")
        try:
            environment = contender.environment()
            for model, folder in models.items():
                started = start(contender, environment, model, folder, scratch)
                running.append(started)
                found.starts[contender.name].append(_first_reply(started))
                check(started, folder)
                started.server.hold()
            if contender.home:
                found.versions[contender.name] = versions(environment)
        except (NotInstalled, NotStarted) as reason:
            found.missing[contender.name] = str(reason)
            for each in [each for each in running if each.contender is contender]:
                each.server.end()
                running.remove(each)
    for needed in (FLOOR, OURS, BASELINE):
        if needed in found.missing:
            raise NotStarted(f"{needed}, which the others are compared with, does not run: {found.missing[needed]}")


def start(contender: Contender, environment: Path, model: str, folder: Path, scratch: Path) -> Running:
    """Spawn a server."""
    own = scratch / f"{contender.home or contender.name}-{model}"
    own.mkdir(exist_ok=True)
    port = _free_ports()
    command = contender.command(environment, folder, own, port)
    return Running(contender, model, Server(command, SERVER_CORE, own / "log"), port)


def check(running: Running, folder: Path) -> None:
    """Compare the server's predictions with the model's own.

    Raises:
        ValueError: they differ.
    """
    for form in running.contender.forms:
        for rows in ROWS if running.contender.name != FLOOR else ():
            labels, probabilities = form.read(*ask(running.port, form.request(rows)))
            wanted = _session(folder).run(["label", "probabilities"], {"input": np.array(nested(rows), np.float32)})
            if labels != [str(label) for label in wanted[0]] or not np.allclose(probabilities, wanted[1], atol=1e-6):
                raise ValueError(f"{running.contender.name}, {form.name}, {rows} rows: the predictions are wrong")


def visit(running: Running, samples: dict[Key, list[Sample]]) -> None:
    """Measure a server once in each case."""
    cases = [(form, rows) for form in running.contender.forms for rows in ROWS if form.name != "no body" or rows == 1]
    with running.server.awake():
        for form, rows in random.sample(cases, len(cases)):
            key = Key(running.contender.name, running.model, form.name, rows)
            samples[key].append(_sample(running, form, rows))


def _sample(running: Running, form: Form, rows: int) -> Sample:
    request = form.request(rows)
    drive(running.port, request, 1, _WARM_S, 3)
    latencies, _ = drive(running.port, request, 1, _SLICE_S, _LEAST)
    before = running.server.processor_seconds()
    taken, seconds = drive(running.port, request, CONCURRENT, _SLICE_S, _LEAST)
    processor = running.server.processor_seconds() - before
    return Sample(latencies, len(taken) / seconds, processor / len(taken))


def _first_reply(running: Running) -> float:
    return running.server.first_reply(running.port, running.contender.forms[0].request(1))


def _session(folder: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(folder / "model.onnx", SessionSettings().options())


def _alone(model: str, folder: Path) -> dict[Key, Callable[[], Any]]:
    """What is measured without a server: running the model, and parsing the body with the fastest parser there is."""
    session = _session(folder)
    outputs = [output.name for output in session.get_outputs()]

    calls: dict[Key, Callable[[], Any]] = {}
    for rows in ROWS:
        array = np.array(nested(rows), np.float32)
        calls[Key("session.run", model, "run", rows)] = partial(session.run, outputs, {"input": array})
        calls[Key("parse", model, "parse", rows)] = partial(_parse, V2_JSON.body(rows)[0])
    return calls


def _parse(body: bytes) -> Any:
    document: Any = simdjson.Parser().parse(body)
    return document["inputs"][0]["data"].as_buffer(of_type="d")


def _seconds(call: Callable[[], Any]) -> float:
    """The median time of a call, over a tenth of a second's calls."""
    taken = []
    end = time.perf_counter() + _SLICE_S / 2
    while (now := time.perf_counter()) < end:
        call()
        taken.append(time.perf_counter() - now)
    return statistics.median(taken)


def _free_ports() -> int:
    """A port that is free, and the two after it, which MLServer takes as well."""
    for port in random.sample(range(20_000, 30_000, 3), 1000):
        try:
            for each in range(port, port + 3):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", each))
        except OSError:
            continue
        return port
    raise OSError("no three ports in a row are free")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
