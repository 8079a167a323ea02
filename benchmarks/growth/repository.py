"""Models in the repository: process start to the first reply of one of them, in a child for each start.

The children are those of benchmarks.cold. All but the model that is asked for are links to one file: a start that read
them would show it, and a thousand files are made at once.
"""

import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import cold, report
from benchmarks.deployment import ROOT, environment, import_path
from benchmarks.growth.fit import Curve, median
from benchmarks.warm import save_logistic

MODELS = (1, 3, 10, 30, 100, 300, 1000)


def make(root: Path, models: int) -> None:
    """A repository of so many models: breast-cancer, which is asked for, and the others."""
    root.mkdir()
    (root / "breast-cancer").symlink_to(ROOT / "layers/models/breast-cancer")
    if models > 1:
        save_logistic(root / "logistic-0001/1/model.onnx")
    for number in range(2, models):
        folder = root / f"logistic-{number:04}/1"
        folder.mkdir(parents=True)
        os.link(root / "logistic-0001/1/model.onnx", folder / "model.onnx")


def measure(rounds: int, sizes: Sequence[int] = MODELS) -> tuple[list[Curve], list[report.Row]]:
    """Wall and processor time of a start by the number of models, and a table."""
    taken: dict[int, list[cold.Sample]] = {size: [] for size in sizes}
    with tempfile.TemporaryDirectory(prefix="despliegue-growth-") as scratch:
        for size in sizes:
            make(Path(scratch) / str(size), size)
        for turn in range(rounds + 1):  # the first, which writes .pyc and fills caches, is not counted
            for size in sizes:
                variables = environment(Path(scratch) / str(size)) | {
                    "PYTHONPATH": os.pathsep.join(import_path()),
                    "EVENT": str(ROOT / "events/predict/rest-infer.json"),
                }
                sample = cold.run(cold.CHILDREN["first reply"], variables)
                if turn:
                    taken[size].append(sample)
    curves = [
        median("models, start", "ms", [(size, [each.wall * 1000 for each in taken[size]]) for size in sizes]),
        median("models, start, CPU", "ms", [(size, [each.cpu * 1000 for each in taken[size]]) for size in sizes]),
    ]
    return curves, [_row(size, taken[size], taken[sizes[0]]) for size in sizes]


def _row(size: int, samples: list[cold.Sample], base: list[cold.Sample]) -> report.Row:
    ratios = [mine.wall / other.wall for mine, other in zip(samples, base, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return {
        "models": size,
        "ms": statistics.median(each.wall for each in samples) * 1000,
        "× one model": middle,
        "quartiles": f"{low:.2f}–{high:.2f}",
        "CPU × one model": statistics.median(mine.cpu / other.cpu for mine, other in zip(samples, base, strict=True)),
    }
