"""One way of scoring one file, in a process of its own: `python -m benchmarks.batch_way WAY MODELS MODEL INPUT OUTPUT`.

Prints what it took as JSON: rows, seconds from opening the file to closing the results, and the largest resident
memory of a process in MB. The ways: `alone-1` and `alone-2` (session.run on arrays that are there already, by one or
two threads), `despliegue-1` and `despliegue-2` (workers), `pandas` and `json` (what one writes by hand), each with all
input columns in the output or, with `-bare` after it, the predictions alone.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from despliegue.models import Model, ModelRepository, SessionSettings

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 2048
"""Rows at a time where nothing is parsed, as in the scorer."""
PANDAS_CHUNK = 50_000


def alone(models: Path, name: str, source: Path, threads: int) -> tuple[int, float]:
    """`session.run` and nothing else."""
    model = ModelRepository(models, SessionSettings(threads=threads)).get(name)
    matrix = np.load(source)
    outputs = list(model.signature.outputs)
    started = time.perf_counter()
    for start in range(0, len(matrix), CHUNK):
        model.run({"input": matrix[start : start + CHUNK]}, outputs)
    return len(matrix), time.perf_counter() - started


def despliegue(models: Path, name: str, source: Path, output: Path, workers: int, *, join: bool) -> tuple[int, float]:
    """`despliegue score`."""
    from despliegue_cli.score import Job, score

    started = time.perf_counter()
    job = Job(models, name, str(source), str(output), {"join": str(join).lower()}, workers)
    report = score(job, lambda scored: None)
    if report["status"] != "scored" or report["rows"]["rejected"]:
        raise RuntimeError(f"not every row was scored: {report}")
    return report["rows"]["scored"], time.perf_counter() - started


def pandas(models: Path, name: str, source: Path, output: Path, *, join: bool) -> tuple[int, float]:
    """A notebook's way: read a chunk, score it with all processors, append it."""
    import pandas as pd

    model = _all_processors(models, name)
    features = [feature.name for feature in model.manifest.features]
    rows, started = 0, time.perf_counter()
    with output.open("w", newline="") as file:
        for chunk in pd.read_csv(source, chunksize=PANDAS_CHUNK):
            label, probabilities = model.run({"input": chunk[features].to_numpy(np.float32)}, _outputs(model))
            scored = chunk if join else pd.DataFrame(index=chunk.index)
            scored["label"] = label
            for at, of in enumerate(model.manifest.labels):
                scored[f"probability_{of}"] = probabilities[:, at]
            scored.to_csv(file, header=rows == 0, index=False)
            rows += len(chunk)
    return rows, time.perf_counter() - started


def json_module(models: Path, name: str, source: Path, output: Path, *, join: bool) -> tuple[int, float]:
    """Line by line with the json module, scored 1,024 rows at a time."""
    model = _all_processors(models, name)
    features = [feature.name for feature in model.manifest.features]
    rows, started = 0, time.perf_counter()
    with source.open() as lines, output.open("w") as file:
        while records := [json.loads(line) for line, _ in zip(lines, range(1024), strict=False)]:
            matrix = np.array([[record[feature] for feature in features] for record in records], np.float32)
            label, probabilities = model.run({"input": matrix}, _outputs(model))
            for record, of, each in zip(records, label.tolist(), probabilities.tolist(), strict=True):
                scored = record if join else {}
                scored["label"] = of
                for name_of, probability in zip(model.manifest.labels, each, strict=True):
                    scored[f"probability_{name_of}"] = probability
                file.write(json.dumps(scored) + "\n")
            rows += len(records)
    return rows, time.perf_counter() - started


def _all_processors(models: Path, name: str) -> Model:
    return ModelRepository(models, SessionSettings(threads=2)).get(name)


def _outputs(model: Model) -> list[str]:
    return list(model.signature.outputs)


def peak_memory() -> float:
    """The largest resident memory of this process and those that it waited for, in MB.

    Its own is not what getrusage says, which begins with that of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024 / 1e6


def main() -> None:
    """The command."""
    way, name = sys.argv[1], sys.argv[3]
    models, source, output = (Path(sys.argv[at]) for at in (2, 4, 5))
    join = not way.endswith("-bare")
    kind, _, number = way.removesuffix("-bare").partition("-")
    ways: dict[str, Callable[[], tuple[int, float]]] = {
        "alone": lambda: alone(models, name, source, int(number)),
        "despliegue": lambda: despliegue(models, name, source, output, int(number), join=join),
        "pandas": lambda: pandas(models, name, source, output, join=join),
        "json": lambda: json_module(models, name, source, output, join=join),
    }
    rows, seconds = ways[kind]()
    result: dict[str, Any] = {"rows": rows, "seconds": seconds, "rss_mb": peak_memory()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
