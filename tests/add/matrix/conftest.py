"""All models of the matrix: trained, saved and added at once, then served by one `despliegue serve`."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from tests.add.conftest import converting_here
from tests.add.matrix.booster_cases import CASES as BOOSTERS
from tests.add.matrix.cases import Case
from tests.add.matrix.sklearn_cases import CASES as SKLEARN

from despliegue_cli.packages.add import Added, Options, add

CASES = SKLEARN | BOOSTERS
SAMPLE_ROWS = 300
START_SECONDS = 60


@dataclass(frozen=True)
class Matrix:
    """The models, added and served.

    Attributes:
        models: the repository.
        originals: the fitted models, by name.
        added: what came of adding each; it raises where that failed.
        url: of the server.
    """

    models: Path
    originals: dict[str, Any]
    added: dict[str, "Future[Added]"]
    url: str


@pytest.fixture(scope="session")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """Each model; those that were refused are not served.

    In CI all are converted in this process, one after the other, and test_convert_sources.py and test_add.py convert
    each kind of file in processes of its own, as users do. With SOAK=1 each of these is so too, two at a time.
    """
    folder = tmp_path_factory.mktemp("matrix")
    models = folder / "models"
    models.mkdir()
    originals = {name: case.train() for name, case in CASES.items()}
    soak = os.environ.get("SOAK") == "1"
    with nullcontext() if soak else converting_here(), ThreadPoolExecutor(2 if soak else 1) as pool:
        added = {}
        for name, case in CASES.items():
            path = case.save(originals[name], folder / model_name(name))
            sample = write_sample(case, folder / f"{model_name(name)} sample")
            added[name] = pool.submit(add, path, models, Options(sample=sample, trust=case.trusted, measure=False))
    with serving(models) as url:
        yield Matrix(models, originals, added, url)


def model_name(name: str) -> str:
    """A name that a file and a model may have."""
    return re.sub(r"\W+", "-", name)


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them, null where a value is missing."""
    columns = [
        [None if value is None or value != value else value for value in values.tolist()] for _, values in rows.items()
    ]
    return [dict(zip(rows.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def write_sample(case: Case, path: Path) -> Path:
    """Some of the rows that a model is asked, as a file."""
    rows = case.rows[:: len(case.rows) // SAMPLE_ROWS]
    path = path.with_suffix(f".{case.sample}")
    if case.sample == "csv":
        rows.to_csv(path, index=False)
    elif case.sample == "jsonl":
        path.write_text("\n".join(json.dumps(record) for record in records(rows)) + "\n")
    else:
        from arro3.core import Table
        from arro3.io import write_parquet

        write_parquet(Table.from_pydict({name: np.array(rows[name]) for name in rows}), path)
    return path


@contextmanager
def serving(models: Path) -> Iterator[str]:
    """`despliegue serve` on a folder of models; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    executable = Path(sys.executable).parent / "despliegue"
    command: list[str | Path] = [executable, "serve", "--models", models, "--port", str(port)]
    with (models.parent / "served.txt").open("wb+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(START_SECONDS * 10):
                try:
                    if httpx.get(f"{url}/v2/health/ready").is_success:
                        break
                except httpx.TransportError:
                    assert process.poll() is None, (models.parent / "served.txt").read_text()
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(START_SECONDS)
