"""A package run on rows: on all at once, without those that it refuses, and in batches of a size."""

from typing import Final

import numpy as np

from despliegue.errors import DespliegueError
from despliegue.models import Model
from despliegue.models.model import Array
from despliegue_cli.proof.compared import Outputs
from despliegue_cli.proof.rows import Rows, arrays

_MOST_CALLS: Final = 500


def run_all(model: Model, rows: Rows) -> tuple[Outputs, dict[int, str]]:
    """The outputs for the rows that the package takes, all at once, and why it refuses the others, by their numbers.

    Raises:
        DespliegueError: it refuses all, or fails on all at once though on none alone.
    """
    refused: dict[int, str] = {}
    left = _MOST_CALLS

    def attempt(start: int, end: int) -> None:
        # In halves, to find the rows at fault; of very many, some that are not may be taken for such.
        nonlocal left
        left -= 1
        try:
            run(model, rows.pick(np.arange(start, end)))
        except DespliegueError as error:
            if end - start == 1 or left < 0:
                refused.update(dict.fromkeys(range(start, end), str(error)))
                return
            middle = (start + end) // 2
            attempt(start, middle)
            attempt(middle, end)

    try:
        return run(model, rows), refused
    except DespliegueError:
        attempt(0, len(rows))
    if len(refused) == len(rows):
        raise DespliegueError(f"the package refuses every row that its original takes: {refused[0]}")
    taken = rows.pick(np.array([at for at in range(len(rows)) if at not in refused]))
    try:
        return run(model, taken), refused
    except DespliegueError as error:
        raise DespliegueError(
            f"the package fails on a batch of {len(taken):,} rows that it takes in smaller ones, so that it cannot be"
            f" served; its batch size may be fixed somewhere in the graph: {error}"
        ) from error


def run_in_batches(model: Model, rows: Rows, size: int) -> Outputs:
    """The outputs for rows that it takes all at once, so many at a time; the last ones are filled up from the first.

    Raises:
        DespliegueError: it fails, or gives no value for each row, in batches of this size.
    """
    numbers = np.resize(np.arange(len(rows)), -(-len(rows) // size) * size).reshape(-1, size)
    found: list[Outputs] = []
    for batch in numbers:
        try:
            outputs = run(model, rows.pick(batch))
        except DespliegueError as error:
            raise DespliegueError(
                f"the package fails on a batch of {size:,} rows that it takes in a larger one; its batch size may be"
                f" fixed somewhere in the graph: {error}"
            ) from error
        for name, array in outputs.items():
            if array.shape[:1] != (size,):
                raise DespliegueError(
                    f"the package gives output '{name}' as {list(array.shape)} for a batch of {size:,}; expected a"
                    " value for each row: a Squeeze or Reshape in the graph may take the batch for another dimension"
                )
        found.append(outputs)
    try:
        return {name: np.concatenate([outputs[name] for outputs in found])[: len(rows)] for name in found[0]}
    except ValueError as error:
        raise DespliegueError(
            f"the package gives outputs of differing shapes in batches of {size:,}: {error}"
        ) from error


def run(model: Model, rows: Rows) -> Outputs:
    """All outputs for all rows at once; bfloat16 as floats.

    Raises:
        DespliegueError: a row does not fit, or the model fails.
    """
    names = list(model.signature.outputs)
    found = model.run(arrays(model, rows.columns), names)
    return {name: decoded(model, name, array) for name, array in zip(names, found, strict=True)}


def decoded(model: Model, name: str, array: Array) -> Array:
    """An output's values; those of bfloat16, which are its bits, as floats."""
    if name not in model.signature.outputs or model.signature.outputs[name].datatype.in_json:
        return array
    return (array.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
