"""Several processes give what one gives, wherever each part of a file is scored."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arro3.core import Array, Table
from arro3.io import write_parquet

from despliegue.errors import DespliegueError
from despliegue.models import ModelRepository
from despliegue_cli import workers
from despliegue_cli.score import Job, score

SECONDS = 60
HEADER = "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex"
BIRDS = "Torgersen,39.1,18.7,181,3750,male\nBiscoe,50,15.2,222,,female\n" * 40_000

type Others = list[Any]


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Others:
    """Other processes are started at once and waited for, so that they get their share of a file of any length."""
    started: Others = []

    class Up(workers._Process):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            assert self._pipe.poll(SECONDS)
            started.append(self)

    monkeypatch.setattr(workers, "_WORTH_IT", 0)
    monkeypatch.setattr(workers, "_Process", Up)
    return started


@pytest.fixture
def scored(root: Path, tmp_path: Path) -> Callable[..., bytes]:
    """The scored file and the rejects."""

    def call(source: Path, number: int, model: str = "penguins") -> bytes:
        output = tmp_path / f"out{number}{source.suffix}"
        report = score(Job(root / "layers/models", model, str(source), str(output), {}, number), lambda scored: None)
        assert report["status"] == "scored", report
        return output.read_bytes() + Path(f"{output}.rejects.jsonl").read_bytes()

    return call


def test_text_is_scored_here_and_there(others: Others, scored: Callable[..., bytes], tmp_path: Path) -> None:
    source = tmp_path / "birds.csv"
    source.write_text(f"{HEADER}\n{BIRDS}Dream,x,1,1,1,male\n{BIRDS}")

    assert scored(source, 2) == scored(source, 3) == scored(source, 1)

    assert [other._given > 0 for other in others] == [True] * 3


def test_what_is_packed_is_sent(others: Others, scored: Callable[..., bytes], tmp_path: Path) -> None:
    source = tmp_path / "birds.csv.gz"
    source.write_bytes(gzip.compress(f"{HEADER}\n{BIRDS}".encode()))

    assert scored(source, 2) == scored(source, 1)

    assert others[0]._given > 0


def test_columns_of_parquet_are_sent(others: Others, scored: Callable[..., bytes], root: Path, tmp_path: Path) -> None:
    source, columns = tmp_path / "tumours.parquet", np.random.default_rng(0).lognormal(0, 1, (30, 20_000))
    features = ModelRepository(root / "layers/models").get("breast-cancer").manifest.features
    table = Table.from_arrays(list(map(Array.from_numpy, columns)), names=[feature.name for feature in features])
    write_parquet(table, source)

    assert scored(source, 2, "breast-cancer") == scored(source, 1, "breast-cancer")

    assert others[0]._given > 0


def test_a_process_that_ends_is_missed(others: Others, scored: Callable[..., bytes], tmp_path: Path) -> None:
    source = tmp_path / "birds.csv"
    source.write_text(f"{HEADER}\n{BIRDS}")

    def kill(group: Iterator[Any]) -> Any:
        for each in group:
            for other in others:
                other._process.kill()
            yield each

    workers_mapped = workers.Workers.mapped
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers.Workers, "mapped", lambda self, here, parts: workers_mapped(self, here, kill(parts)))
        with pytest.raises(DespliegueError, match="a worker process ended before its work was done"):
            scored(source, 2)

    assert not list(tmp_path.glob("*.partial"))
