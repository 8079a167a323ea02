"""`private/examples.json`: some rows and what was proven to be predicted of them, to replay anywhere."""

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from despliegue.errors import DespliegueError
from despliegue.models import DATATYPES, Model
from despliegue.models.folder import PRIVATE
from despliegue.models.model import Array
from despliegue.protocols import tensors
from despliegue_cli.convert import Reference
from despliegue_cli.proof.compared import Outputs, classes_of, compare, scales_of
from despliegue_cli.proof.package_runs import decoded, run_all
from despliegue_cli.proof.proof import tolerance
from despliegue_cli.proof.rows import Rows, spread

FILE_NAME: Final = "examples.json"
FORMAT: Final = 1
_OF_SAMPLE, _MADE_UP = 100, 50
_MOST_VALUES: Final = 1_000_000
"""Of all rows together, and of outputs too."""
_NAMES: Final = {datatype.dtype: datatype.name for datatype in DATATYPES.values() if datatype.in_json}


class Tensor(msgspec.Struct, frozen=True):
    """An array, as the Open Inference Protocol writes it; null is NaN, and a missing text too, ±1e999 is infinity.

    Attributes:
        datatype: its type, such as `FP64`.
        shape: of the array.
        data: its values, flat in row-major order.
    """

    datatype: str
    shape: tuple[int, ...]
    data: list[Any]


class _Document(msgspec.Struct, frozen=True):
    format: int
    places: tuple[str, ...]
    made_up: int
    columns: dict[str, Tensor]
    outputs: dict[str, Tensor]


class Examples(msgspec.Struct, frozen=True):
    """Rows and what is to come of them.

    Attributes:
        rows: those of the sample first, then made-up ones.
        outputs: what the original predicts of them; where the package differs by more than allowed, which a person has
            accepted then, what that predicts.
    """

    rows: Rows
    outputs: Outputs


def write_examples(folder: Path, model: Model, rows: Rows, reference: Reference) -> None:
    """Write some of the rows that were proven, spread over all; the same rows give the same bytes.

    Args:
        folder: the version's; they go to its private folder, which is never deployed.
        model: the package.
        rows: of a sample, made-up ones, or both.
        reference: what the original predicts of them.
    """
    accepted = rows.pick(reference.accepted)
    expected = {name: decoded(model, name, array) for name, array in reference.outputs.items()}
    values = sum(array[:1].size for array in (*accepted.columns.values(), *expected.values()))
    share = min(1.0, _MOST_VALUES / (values * (_OF_SAMPLE + _MADE_UP)))
    chosen = np.concatenate(
        [
            numbers[spread(len(numbers), max(1, int(most * share)))]
            for numbers, most in (
                (np.flatnonzero(~accepted.made_up), _OF_SAMPLE),
                (np.flatnonzero(accepted.made_up), _MADE_UP),
            )
        ]
    )
    some = accepted.pick(chosen)
    outputs, refused = run_all(model, some)
    kept = np.array([at for at in range(len(some)) if at not in refused])
    some = some.pick(kept)
    expected = {name: array[chosen[kept]] for name, array in expected.items()}
    classes = classes_of(expected, model.manifest.labels)
    found = compare(expected, outputs, scales_of(expected, some.made_up), classes)
    differs = found.labels | (found.differences > tolerance(model))
    for name, array in expected.items():
        array[differs] = outputs[name][differs]
    document = {
        "format": FORMAT,
        "places": some.places,
        "made_up": int(some.made_up.sum()),
        "columns": {name: _written(array) for name, array in some.columns.items()},
        "outputs": {name: _written(array) for name, array in expected.items()},
    }
    (folder / PRIVATE).mkdir(exist_ok=True)
    (folder / PRIVATE / FILE_NAME).write_bytes(tensors.dumps(document) + b"\n")


def read_examples(folder: Path) -> Examples | None:
    """The examples of the version in `folder`; None where there are none.

    Raises:
        DespliegueError: they cannot be read.
    """
    path = folder / PRIVATE / FILE_NAME
    try:
        # Python's own parser reads 1e999 as infinity.
        found = json.loads(path.read_bytes())
        document = msgspec.convert(found, _Document)
        if document.format > FORMAT:
            raise DespliegueError(f"{path} is of format {document.format}; this Despliegue knows those up to {FORMAT}")
        columns = {name: _read(tensor, name) for name, tensor in document.columns.items()}
        outputs = {name: _read(tensor, name) for name, tensor in document.outputs.items()}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DespliegueError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, RecursionError) as error:
        raise DespliegueError(f"{path} is not of the expected form: {error}") from error
    count = len(document.places)
    if not count or any(array.shape[:1] != (count,) for array in (*columns.values(), *outputs.values())):
        raise DespliegueError(f"{path} is not of the expected form: its arrays do not have {count:,} rows each")
    made_up = np.arange(count) >= count - document.made_up
    return Examples(Rows(columns, document.places, made_up), outputs)


def _written(array: Array) -> dict[str, Any]:
    return {"datatype": _NAMES[array.dtype], "shape": list(array.shape), "data": tensors.encode(array)}


def _read(tensor: Tensor, name: str) -> Array:
    datatype = DATATYPES[tensor.datatype]
    if datatype.kind != "O":
        return tensors.decode_carefully(tensor.data, datatype, tensor.shape, name)
    if not all(isinstance(text, str) or text is None for text in tensor.data):
        raise ValueError(f"'{name}' holds more than texts")
    texts = np.empty(len(tensor.data), object)
    texts[:] = tensor.data
    return texts.reshape(tensor.shape)
