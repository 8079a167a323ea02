"""Whether a package's outputs can be served: the same ones every time, and numbers for every row of the sample."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from despliegue.errors import DespliegueError
from despliegue.models import Model, SessionSettings
from despliegue.models.model import FILE_NAME, Array
from despliegue.scoring.rows import run
from despliegue_cli.proof.rows import Rows

_RANDOM: Final = (
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
)
_TRAINING_MODE: Final = 2
"""Which input of Dropout says whether it drops at all."""
_LISTED: Final = 3


def check_outputs(folder: Path, rows: Rows | None, arrays: Mapping[str, Array]) -> None:
    """Run a package twice on all rows, and look at what it gives.

    One session tells: ONNX Runtime folds no operator that draws, and two sessions of a process start with one seed.

    Args:
        folder: of the package.
        rows: what the rows are, N of them; None where nobody's data is among them.
        arrays: the model's inputs for these rows.

    Raises:
        DespliegueError: an output differs from one run to the next, or is NaN for a row of the sample.
        InvalidRequest: the model refuses a row.
        InferenceError: the model fails.
    """
    model = Model.load(folder, "model", "1", SessionSettings())
    outputs, again = run(model, dict(arrays)), run(model, dict(arrays))
    for name, array in outputs.items():
        if not _same(array, again[name]):
            found = ", ".join(dict.fromkeys(_random_operators(folder)))
            raise DespliegueError(
                f"the outputs differ from one run to the next: '{name}'"
                f"{f'; the graph draws random numbers ({found})' if found else ''}. A prediction that nobody can"
                " repeat is not served: export it for inference (in PyTorch after model.eval()), without such"
            )
    if rows is not None:
        _check_numbers(rows, outputs)


def _check_numbers(rows: Rows, outputs: Mapping[str, Array]) -> None:
    for name, array in outputs.items():
        if array.dtype.kind != "f" or array.shape[:1] != (len(rows),):
            continue
        gaps = np.isnan(array).reshape(len(rows), -1).any(axis=1) & ~rows.made_up
        if found := [place for place, gap in zip(rows.places, gaps, strict=True) if gap]:
            more = f" and {len(found) - _LISTED:,} more" if len(found) > _LISTED else ""
            raise DespliegueError(
                f"output '{name}' is NaN for {len(found):,} of the sample's {int((~rows.made_up).sum()):,} rows:"
                f" {', '.join(found[:_LISTED])}{more}. Callers would get null: impute what is missing in the model"
                " (SimpleImputer, say), or, if such rows never come, leave them out of the sample"
            )


def _same(one: Array, other: Array) -> bool:
    """Whether two outputs are the same to the last bit."""
    if one.dtype.kind == "O":
        return one.shape == other.shape and bool((one == other).all())
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def _random_operators(folder: Path) -> Iterator[str]:
    """The operators of a graph that draw random numbers."""
    import onnx

    from despliegue_cli.convert.finishing import graphs

    model = onnx.load(folder / FILE_NAME, load_external_data=False)
    nodes = [node for graph in graphs(model.graph) for node in graph.node]
    for node in (*nodes, *(node for function in model.functions for node in function.node)):
        if node.op_type in _RANDOM:
            yield node.op_type
        elif node.op_type == "Dropout" and any(node.input[_TRAINING_MODE:]):
            yield "Dropout in training mode"
