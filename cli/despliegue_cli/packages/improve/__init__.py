"""A package made smaller and quicker, its answers the same to the last bit; or smaller still, for a stated difference.

Steps are kept by rule, never by the clock, so that the same input gives the same bytes: the outputs are identical, and
there is less to load. `measure` times what came of it.
"""

# What needs onnx is imported where it is used: the process that measures imports this package too.
from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from despliegue_cli.packages.improve.results import Accuracy, Improvements, Measurement, OutputChange, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from despliegue.models.model import Array

__all__ = ["Accuracy", "Improvements", "Measurement", "OutputChange", "Step", "improve"]


def improve(
    folder: Path,
    arrays: Mapping[str, Array],
    *,
    sample: Mapping[str, Array] | None = None,
    quantize: Literal["", "int8", "fp16"] = "",
    measure: bool = True,
) -> Improvements:
    """Rewrite `folder/model.onnx` and its external data in place, or leave them.

    The manifest in `folder` stays as it is; where it names sizes of files, write it anew afterwards.

    Args:
        folder: of the model; files are only ever replaced in it as a whole.
        arrays: its inputs [N, ...] by name, on which outputs are compared; strings as objects.
        sample: those of somebody's data, on which it is found what quantising changes; else `arrays`.
        quantize: make its weights `int8` or `fp16` too.
        measure: time it before and after, in processes of their own, for about 4 s; else, and where it fails in
            them, only sizes are told.

    Raises:
        DespliegueError: the model refuses `arrays`, cannot be quantised, or gains nothing by it. The folder is as it
            was.
    """
    from despliegue_cli.packages.improve.edits import EDITS
    from despliegue_cli.packages.improve.measure import measured
    from despliegue_cli.packages.improve.storage import complexity, replace
    from despliegue_cli.packages.improve.trials import Trials

    with tempfile.TemporaryDirectory(prefix=".improve-", dir=folder) as scratch:
        trials = Trials(folder, arrays, Path(scratch))
        trials.store()
        for name, edit in EDITS.items():
            trials.edit(name, edit)
        trials.optimize()
        accuracy = trials.quantize(quantize, arrays if sample is None else sample) if quantize else None
        folders = (folder, trials.best)
        before, after = (
            measured(folders, arrays, Path(scratch))
            if measure
            else [Measurement(complexity(each).size) for each in folders]
        )
        if trials.best != folder:
            replace(folder, trials.best)
    return Improvements(tuple(trials.steps), before, after, quantize, accuracy)
