"""A sample in an npz: an array for each input, or for each feature."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from despliegue.errors import DespliegueError, shorten
from despliegue.features import Column, Schema
from despliegue.features.schema import listed
from despliegue.models import Model, TensorSpec
from despliegue.models.model import Array
from despliegue_cli.convert.sample_columns import load_npz
from despliegue_cli.proof.rows import MOST_VALUES, Rows, fitting

_CASTS: Final = {"b": "b", "i": "iu", "u": "iu", "f": "fiu", "O": "OU"}
"""By kind of an input's datatype: the kinds of arrays that it takes."""


def read_npz(model: Model, path: Path, limit: int) -> Rows:
    """The first rows of an npz; see `sample.read_sample`.

    Raises:
        DespliegueError: it cannot be read, or its arrays are not the model's inputs or features, a row for each row.
    """
    found = load_npz(path)
    schema = Schema.read(model.signature, model.manifest)
    matrix = schema.matrix
    if schema.columns and matrix is not None and set(found) == {matrix.name} and found[matrix.name].ndim == 2:
        table = found[matrix.name]
        if table.shape[1] != len(schema.columns):
            raise DespliegueError(
                f"the sample {path}: '{matrix.name}' has {table.shape[1]:,} columns; expected {len(schema.columns):,}"
            )
        found = dict(zip(schema.columns, table.T, strict=True))
    optional = {name for name, each in (schema.columns or schema.inputs).items() if each.optional}
    expected = list(schema.columns or schema.inputs)
    if missing := [name for name in expected if name not in found and name not in optional]:
        raise DespliegueError(
            f"the sample {path} has no array {listed(missing)}; its arrays are {listed(found) or 'none'}"
        )
    if unknown := [name for name in found if name not in expected]:
        raise DespliegueError(
            f"the sample {path} has an array {listed(unknown)}; expected {listed(expected)} and no others"
        )
    scalars = [name for name, array in found.items() if not array.ndim]
    lengths = {name: array.shape[0] if array.ndim else 0 for name, array in found.items()}
    if scalars or len(set(lengths.values())) > 1:
        rows = ", ".join(f"'{name}' has {length:,}" for name, length in lengths.items())
        raise DespliegueError(f"the sample {path}: its arrays must have a row for each row: {rows}")
    total = next(iter(lengths.values()), 0)
    if not total:
        raise DespliegueError(f"the sample {path} has no rows")
    width = sum(array.size // total for array in found.values())
    total = min(total, limit, max(1, MOST_VALUES // max(1, width)))
    found = {name: array[:total] for name, array in found.items()}
    if schema.columns:
        raw = {name: _column(array, schema.columns[name], path) for name, array in found.items()}
        return fitting(raw, schema.columns, range(1, total + 1), total, "", path)
    inputs = {name: _input(array, schema.inputs[name], path) for name, array in found.items()}
    return Rows(inputs, tuple(f"row {number:,}" for number in range(1, total + 1)), np.zeros(total, bool))


def _column(array: Array, column: Column, path: Path) -> list[Any]:
    """A feature's values as JSON would have them."""
    if array.ndim > 2 or array.shape[1:] not in ((), (1,)):
        raise DespliegueError(
            f"the sample {path}: '{column.name}' is of shape {list(array.shape)}; expected a value a row"
        )
    if array.dtype.kind not in "biufU":
        raise _wrong_type(array, column.name, column.expected, path)
    return array.reshape(-1).tolist()


def _input(array: Array, spec: TensorSpec, path: Path) -> Array:
    """An input's values, in its own datatype."""
    if spec.shape and not spec.fits((spec.shape[0], *array.shape[1:])):
        expected = ", ".join(["N", *("?" if size < 0 else f"{size}" for size in spec.shape[1:])])
        raise DespliegueError(
            f"the sample {path}: '{spec.name}' is of shape {list(array.shape)}; expected [{expected}]"
        )
    dtype = spec.datatype.dtype
    if array.dtype.kind not in _CASTS[dtype.kind]:
        raise _wrong_type(array, spec.name, spec.datatype.name, path)
    with np.errstate(over="ignore"):
        narrow = array.astype(dtype)
    if dtype.kind in "iu" and (narrow != array).any():
        odd = array[narrow != array][0].item()
    elif dtype.kind == "f" and (np.isinf(narrow) & np.isfinite(array)).any():
        odd = array[np.isinf(narrow) & np.isfinite(array)][0].item()
    else:
        return narrow
    raise DespliegueError(
        f"the sample {path}: '{spec.name}' holds {shorten(odd)}, which is out of the range of {spec.datatype.name}"
    )


def _wrong_type(array: Array, name: str, expected: str, path: Path) -> DespliegueError:
    return DespliegueError(f"the sample {path}: '{name}' is of type {array.dtype}; expected {expected}")
