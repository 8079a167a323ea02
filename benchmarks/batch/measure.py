"""Rounds of all ways, one after the other, each in a process of its own."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.batch import outputs
from benchmarks.deployment import ROOT
from benchmarks.environments import environment

PEERS = Path(__file__).with_name("peers.py")
OURS = ("despliegue", "alone")


class Group(NamedTuple):
    """Ways that do the same work: in a round they run one after the other, and their ratios are taken within it.

    Attributes:
        model: of the repository.
        file: `csv`, `jsonl` or `parquet`.
        output: `join` for the input's columns and the predictions, `bare` for the predictions alone.
        rows: of the file.
        cores: that a way may use.
    """

    model: str
    file: str
    output: str
    rows: int
    cores: int


class Sample(NamedTuple):
    """One run: rows a second, seconds from the start of the process to its end, and MB of its largest process."""

    rate: float
    whole: float
    memory: float


class Inputs(NamedTuple):
    """Where things are: the model repository, a folder of files for each number of rows, and one to write to."""

    models: Path
    files: dict[int, Path]
    scratch: Path


def peers() -> Path:
    """The peers' environment, which is of this Python's version."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return environment(ROOT / "build/benchmarks/batch", Path(__file__).with_name("requirements.in"), python)


class Runner:
    """Runs ways, and keeps what they took.

    Attributes:
        samples: by group and way, round by round.
    """

    def __init__(self, inputs: Inputs, groups: dict[Group, tuple[str, ...]]) -> None:
        self._inputs, self._groups, self._peers = inputs, groups, peers() / "bin/python"
        self.samples = {(group, way): list[Sample]() for group, ways in groups.items() for way in ways}

    def check(self) -> None:
        """Make sure that all ways give the same results, on the shortest file.

        Raises:
            RuntimeError: they do not.
        """
        rows = min(self._inputs.files)
        groups = {group._replace(rows=rows): ways for group, ways in self._groups.items()}
        for group, ways in groups.items():
            self._run(group, "despliegue")
            expected = outputs.read(self._output(group))
            for way in ways:
                if way not in OURS:
                    self._run(group, way)
                    outputs.check(expected, outputs.read(self._output(group)), f"{way}, {group}")

    def round(self) -> None:
        """Run each way once."""
        for group, ways in self._groups.items():
            for way in ways:
                self.samples[group, way].append(self._run(group, way))

    def ratios(self, group: Group, way: str) -> list[float]:
        """Our rate as a multiple of a way's, round by round."""
        pairs = zip(self.samples[group, "despliegue"], self.samples[group, way], strict=True)
        return [ours.rate / its.rate for ours, its in pairs]

    def ratio(self, group: Group, way: str) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios(group, way))

    def _output(self, group: Group) -> Path:
        return self._inputs.scratch / f"scored.{group.file}"

    def _run(self, group: Group, way: str) -> Sample:
        file = "npy" if way == "alone" else group.file
        model = self._inputs.models / group.model / "1"
        source = self._inputs.files[group.rows] / f"rows.{file}"
        program = [sys.executable, "-m", "benchmarks.batch.ours"] if way in OURS else [self._peers, PEERS]
        command = [*program, way, model, source, self._output(group), str(group.cores), group.output]
        # What the last one wrote is neither removed nor written to the disk in the time of this one.
        for left in self._inputs.scratch.glob("scored.*"):
            left.unlink()
        os.sync()
        with on_cores(group.cores):
            started = time.perf_counter()
            done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
            whole = time.perf_counter() - started
        result = json.loads(done.stdout)
        if result["rows"] != group.rows:
            raise RuntimeError(f"{way} scored {result['rows']:,} rows of {group.rows:,}: {group}")
        return Sample(result["rows"] / result["seconds"], whole, result["rss_mb"])


@contextmanager
def on_cores(number: int) -> Iterator[None]:
    """Let what is started within use so many cores, where the system can tell; the last ones, which are less in use."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(mine)[-number:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)
