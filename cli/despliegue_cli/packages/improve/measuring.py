"""The process that measures: `python -m despliegue_cli.packages.improve.measuring FOLDER INPUTS`; prints `Figures`."""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import msgspec

_SPENT_S: Final = 0.05
_READ: Final = ("VmHWM", "VmRSS", "RssFile")


class Figures(msgspec.Struct, frozen=True):
    """What one process finds; see `Measurement`."""

    load_ms: float
    row_us: float
    batch_us: float
    memory_mb: float | None


def main() -> None:
    """Measure the model in the folder, on the inputs in the file."""
    figures = measure(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.buffer.write(msgspec.json.encode(figures))


def measure(folder: Path, inputs: Path) -> Figures:
    """Load the model in `folder`, as it is served, and predict: the first of the rows in `inputs`, and all at once.

    Raises:
        DespliegueError: it cannot be loaded, or refuses them.
    """
    from despliegue.models import Model, SessionSettings
    from despliegue_cli.convert.messages import Vector

    vectors = msgspec.msgpack.decode(inputs.read_bytes(), type=dict[str, Vector])
    batch = {name: vector.unpack() for name, vector in vectors.items()}
    alike = len({len(array) if array.ndim else 0 for array in batch.values()}) == 1
    row = {name: array[:1] for name, array in batch.items()} if alike else batch
    before = _memory()
    start = perf_counter()
    model = Model.load(folder, "model", "1", SessionSettings())
    load_ms = (perf_counter() - start) * 1e3
    names = list(model.signature.outputs)
    model.run(row, names)
    after = _memory()
    return Figures(
        load_ms,
        _microseconds(lambda: model.run(row, names)),
        _microseconds(lambda: model.run(batch, names)),
        _grown_mb(before, after) if before and after and not model.media_types else None,  # it runs in another
    )


def _memory() -> dict[str, int]:
    """What Linux tells of this process's memory, kB; empty elsewhere. The highest mark starts anew."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        found = {
            name: int(text.split()[0]) for name, _, text in (line.partition(":") for line in lines) if name in _READ
        }
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return {}
    return found if len(found) == len(_READ) else {}


def _grown_mb(before: dict[str, int], after: dict[str, int]) -> float:
    """The most that it had since `before`, MB, without what is mapped from files."""
    return (after["VmHWM"] - after["RssFile"] - (before["VmRSS"] - before["RssFile"])) * 1024e-6


def _microseconds(call: Callable[[], Any]) -> float:
    """The median of a call's time, after one that is not counted, unless that one took long."""
    start = perf_counter()
    call()
    times = [perf_counter() - start]
    end = start + _SPENT_S
    if times[0] < _SPENT_S:
        times.clear()
    while not times or perf_counter() < end:
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return median(times) * 1e6


if __name__ == "__main__":
    main()
