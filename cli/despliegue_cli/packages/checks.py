"""Whether a package's outputs can be served: the same ones every time, and numbers for every row of the sample."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from despliegue.errors import DespliegueError
from despliegue.models import Model
from despliegue.models.model import FILE_NAME, Array
from despliegue.scoring.rows import run
from despliegue_cli.packages.improve.comparing import same
from despliegue_cli.proof.rows import Rows

if TYPE_CHECKING:
    import onnx

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
_UNREPEATABLE: Final = (
    "A prediction that nobody can repeat is not served: export it for inference (in PyTorch after model.eval()),"
    " without such"
)


def check_outputs(model: Model, folder: Path, rows: Rows, arrays: Mapping[str, Array]) -> None:
    """Look for operators that draw random numbers, run a package twice on all rows, and look at what it gives.

    Two runs do not tell of every draw: one that seldom matters, of noise before a threshold, say.

    Args:
        model: the package.
        folder: of it.
        rows: what the rows are, N of them.
        arrays: the model's inputs for these rows.

    Raises:
        DespliegueError: a random number is drawn for an output; or one differs from one run to the next, or is NaN
            for a row of the sample.
        InvalidRequest: the model refuses a row.
        InferenceError: the model fails.
    """
    if found := ", ".join(dict.fromkeys(_random_operators(folder))):
        raise DespliegueError(f"the graph draws random numbers ({found}). {_UNREPEATABLE}")
    outputs, again = run(model, dict(arrays)), run(model, dict(arrays))
    for name, array in outputs.items():
        if not same(array, again[name]):
            raise DespliegueError(f"the outputs differ from one run to the next: '{name}'. {_UNREPEATABLE}")
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


def _random_operators(folder: Path) -> Iterator[str]:
    """The operators that draw random numbers, of the nodes that outputs need."""
    import onnx.inliner

    from despliegue_cli.convert.onnx_parts import all_graphs, nodes
    from despliegue_cli.packages.improve.edits import remove_identities, remove_unused

    model = onnx.inliner.inline_local_functions(onnx.load(folder / FILE_NAME, load_external_data=False))
    remove_unused(model)
    remove_identities(model)
    # Exporters say in a constant that Dropout is not trained.
    constants = {constant.name: constant for graph in all_graphs(model) for constant in graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t for node in nodes(model) if node.op_type == "Constant"}
    given = {value.name for value in model.graph.input}
    off = {name for name, each in constants.items() if name not in given and _is_false(each)}
    for node in nodes(model):
        if node.op_type in _RANDOM:
            yield node.op_type
        elif node.op_type == "Dropout" and any(name and name not in off for name in node.input[_TRAINING_MODE:]):
            yield "Dropout in training mode"


def _is_false(constant: "onnx.TensorProto") -> bool:
    return constant.data_type == constant.BOOL and not any(constant.raw_data or constant.int32_data)
