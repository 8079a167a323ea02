"""What a package costs to load and to run, measured by `measuring` in fresh processes, before and after by turns."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Final

import msgspec

from despliegue.models import child_process
from despliegue.models.model import Array
from despliegue_cli.convert.messages import Vector
from despliegue_cli.packages.improve.comparing import rows
from despliegue_cli.packages.improve.measuring import Figures
from despliegue_cli.packages.improve.results import Measurement
from despliegue_cli.packages.improve.storage import complexity

TIME_LIMIT_S = 120.0
_ROUNDS: Final = 5
_ENOUGH_S: Final = 3.0
_MOST_ROWS: Final = 1_000
_MOST_VALUES: Final = 1_000_000


def measured(
    folders: Sequence[Path], arrays: Mapping[str, Array], scratch: Path, time_limit_s: float = TIME_LIMIT_S
) -> list[Measurement]:
    """Measure models, each in up to five processes.

    Args:
        folders: of the models, all with the same inputs.
        arrays: their inputs; up to 1,000 rows of them, and a million values, are a batch.
        scratch: a folder to write to.
        time_limit_s: for one process.

    Returns:
        For each folder its size, and what it costs, unless a process crashes or takes longer than allowed: it was
        proven already that it can be served.
    """
    count = rows(arrays)
    values = sum(array.size for array in arrays.values()) // max(count, 1)
    size = min(count, _MOST_ROWS, max(1, _MOST_VALUES // max(values, 1)))
    batch = {name: array[:size] if count else array for name, array in arrays.items()}
    inputs = scratch / "inputs.msgpack"
    inputs.write_bytes(msgspec.msgpack.encode({name: Vector.pack(array) for name, array in batch.items()}))
    found: dict[Path, list[Figures]] = {folder: [] for folder in folders}
    end = monotonic() + _ENOUGH_S
    for turn in range(_ROUNDS):
        if turn and monotonic() > end:
            break
        # Each is first as often as the other: the second finds a warmer processor.
        for folder in list(found)[:: -1 if turn % 2 else 1]:
            figures = _figures(folder, inputs, time_limit_s)
            if figures is None:
                return [Measurement(complexity(each).size) for each in folders]
            found[folder].append(figures)
    return [_measurement(folder, found[folder], size if count else 0) for folder in folders]


def _measurement(folder: Path, figures: list[Figures], batch_rows: int) -> Measurement:
    memory = [each.memory_mb for each in figures if each.memory_mb is not None]
    return Measurement(
        complexity(folder).size,
        round(median(each.load_ms for each in figures), 2),
        round(median(each.row_us for each in figures), 1),
        round(median(each.batch_us for each in figures), 1),
        batch_rows,
        round(median(memory), 1) if memory else None,
    )


def _figures(folder: Path, inputs: Path, time_limit_s: float) -> Figures | None:
    command = [*child_process.command("despliegue_cli.packages.improve.measuring"), str(folder), str(inputs)]
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(  # noqa: S603
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=time_limit_s, check=False
        )
        return msgspec.json.decode(done.stdout, type=Figures)
    except (subprocess.TimeoutExpired, msgspec.MsgspecError):
        return None
