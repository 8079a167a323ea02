"""Whether two graphs answer with the same numbers, signs of zeros too; and how far apart they are where they do not."""

from collections.abc import Iterator, Mapping

import numpy as np

from despliegue.errors import DespliegueError
from despliegue.models import Model
from despliegue.models.model import Array
from despliegue_cli.packages.improve.results import Accuracy, OutputChange

_AT_ONCE = 1_000

type Outputs = dict[str, list[Array]]
"""By name, an array for each call: of the first row alone, then of up to 1,000 rows each."""


def rows(arrays: Mapping[str, Array]) -> int:
    """How many rows `arrays` hold; 0 where they are not as many each."""
    counts = {array.shape[0] if array.ndim else 0 for array in arrays.values()}
    return counts.pop() if len(counts) == 1 else 0


def predict(model: Model, arrays: Mapping[str, Array]) -> Outputs:
    """All outputs of a model as it is served.

    Args:
        model: loaded as it is served.
        arrays: its inputs [N, ...]; where they are not as many rows each, they are given as they are, in one call.

    Raises:
        DespliegueError: it refuses them, or fails.
    """
    names = list(model.signature.outputs)
    found: Outputs = {name: [] for name in names}
    for part in _calls(arrays):
        for name, array in zip(names, model.run(part, names), strict=True):
            found[name].append(array)
    return found


def _calls(arrays: Mapping[str, Array]) -> Iterator[Mapping[str, Array]]:
    if not (count := rows(arrays)):
        yield arrays
        return
    # One row is multiplied by other kernels than many.
    yield {name: array[:1] for name, array in arrays.items()}
    for start in range(0, count, _AT_ONCE):
        yield {name: array[start : start + _AT_ONCE] for name, array in arrays.items()}


def identical(outputs: Outputs, others: Outputs) -> bool:
    """Whether both have the same names, and the same arrays as `same` says."""
    return list(outputs) == list(others) and all(
        same(one, other) for name in outputs for one, other in zip(outputs[name], others[name], strict=True)
    )


def same(one: Array, other: Array) -> bool:
    """Whether both are the same in type, shape and every bit, but that any NaN is equal to any other."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.kind != "f":
        return bool((one == other).all())
    equal = (one == other) & (np.signbit(one) == np.signbit(other))
    return bool((equal | (np.isnan(one) & np.isnan(other))).all())


def difference(outputs: Outputs, others: Outputs, count: int) -> Accuracy:
    """How far `others` are from `outputs`, over `count` rows.

    Raises:
        DespliegueError: `others` have NaN or infinity where `outputs` have other numbers, or are of other shapes.
    """
    return Accuracy(count, tuple(_change(name, outputs[name], others[name]) for name in outputs))


def _change(name: str, before: list[Array], after: list[Array]) -> OutputChange:
    # The first call's row is in the second call too.
    first = 1 if len(before) > 1 else 0
    if [each.shape for each in before] != [each.shape for each in after]:
        raise DespliegueError(f"quantised, output '{name}' has another shape; leave the model as it is")
    one = np.concatenate([each.ravel() for each in before[first:]])
    other = np.concatenate([each.ravel() for each in after[first:]])
    if one.dtype.kind != "f":
        return OutputChange(name, changed=float((one != other).mean() if len(one) else 0))
    usual = np.isfinite(one) & np.isfinite(other)
    with np.errstate(invalid="ignore"):
        alike = usual | (one == other) | (np.isnan(one) & np.isnan(other))
    if not alike.all():
        raise DespliegueError(
            f"quantised, output '{name}' is NaN or infinite in {int((~alike).sum()):,} places where it was a number, or"
            " the other way round: its values leave the range; leave the model as it is"
        )
    apart = np.abs(one[usual].astype(np.float64) - other[usual])
    return OutputChange(name, float(apart.max()), float(apart.mean())) if len(apart) else OutputChange(name)
