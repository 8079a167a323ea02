"""Whether a repaired ONNX graph predicts as the file did, on made-up rows, alone and in batches of two and three."""

from collections.abc import Callable
from typing import Final

import numpy as np

from despliegue.errors import DespliegueError
from despliegue.models import Model, Signature, TensorSpec
from despliegue.models.model import Array
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.onnx_batch import HOW_TO_OPEN

_COUNTS: Final = (1, 2, 3)
_OPEN: Final = 2
"""What a dimension that the graph leaves open is given, other than that of the rows."""
_TOLERANCE: Final = {"FP16": 1e-2}
_USUAL_TOLERANCE: Final = 1e-5
"""How far numbers may be apart, relative to the largest: other batches are summed in another order."""

type Run = Callable[[dict[str, Array]], dict[str, Array]]


def check_repairs(original: Run, signature: Signature, served: Model, repairs: str, batch: int) -> None:
    """Compare a repaired graph with the file that it was made from.

    Args:
        original: runs the file as it is, on any number of rows.
        signature: of the file.
        served: the repaired graph.
        repairs: what was done, in words.
        batch: the only number of rows that the file takes; 0 where it takes any.

    Raises:
        ConversionError: they differ; or the file takes one number of rows only, and nothing made up could be compared.
    """
    problem = "it refuses the rows that were made up to try it"
    for draw in (np.random.default_rng(0), None):  # zeros where it refuses what is drawn: it may look things up
        arrays = {name: _array(signature.inputs[name], draw, batch) for name in signature.required}
        try:
            expected = original(arrays)
        except ConversionError:
            raise
        except DespliegueError:
            continue
        problem = _difference(arrays, expected, signature, served, batch)
        break
    else:
        if not batch:
            return  # a sample decides
    if problem and batch:
        name = next(name for name in signature.required if signature.inputs[name].shape)
        raise ConversionError(
            f"input '{name}' takes exactly {batch:,} rows a request, and the graph could not be opened to any number:"
            f" {problem}; {HOW_TO_OPEN}"
        )
    if problem:
        raise ConversionError(f"repaired ({repairs}) it predicts otherwise than before: {problem}; export it without")


def _difference(
    arrays: dict[str, Array], expected: dict[str, Array], signature: Signature, served: Model, batch: int
) -> str:
    """What differs, in words; empty where nothing does."""
    names = list(expected)
    for count in _COUNTS:
        part = {
            name: array[:count] if signature.inputs[name].shape[:1] in ((-1,), (batch,)) else array
            for name, array in arrays.items()
        }
        try:
            outputs = served.run(part, names)
        except DespliegueError as error:
            return f"of {count} rows, {error}"
        for name, came in zip(names, outputs, strict=True):
            wanted = expected[name][:count] if expected[name].shape[:1] == (_COUNTS[-1],) else expected[name]
            if came.shape != wanted.shape or not _equal(came, wanted, signature.outputs[name]):
                return f"output '{name}' of {count} rows is another"
    return ""


def _equal(came: Array, expected: Array, spec: TensorSpec) -> bool:
    if expected.dtype.kind != "f":
        return bool((came == expected).all())
    largest = float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
    tolerance = _TOLERANCE.get(spec.datatype.name, _USUAL_TOLERANCE) * largest
    return np.allclose(came.astype(np.float64), expected.astype(np.float64), 0.0, tolerance, equal_nan=True)


def _array(spec: TensorSpec, draw: np.random.Generator | None, batch: int) -> Array:
    """As many rows as are compared at most, the same every time; what is no row as the graph has it."""
    sizes = [size if size >= 0 else _OPEN for size in spec.shape]
    if spec.shape and spec.shape[0] in (-1, batch):
        sizes[0] = _COUNTS[-1]
    if draw is None or spec.datatype.kind == "O":
        return np.full(sizes, "" if spec.datatype.kind == "O" else 0, spec.datatype.dtype)
    drawn = draw.normal(size=sizes) if spec.datatype.kind == "f" else draw.integers(0, 2, sizes)
    return np.asarray(drawn, spec.datatype.dtype)
