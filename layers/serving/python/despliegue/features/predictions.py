"""A model's outputs as predictions, row by row: numbers, classes with their probabilities, or whatever it gives."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from despliegue.errors import NotSupported
from despliegue.models.model import Array


class Regression(msgspec.Struct, frozen=True):
    """Numbers: floats [N]."""

    values: Array


class Classification(msgspec.Struct, frozen=True):
    """Classes.

    Attributes:
        labels: the predicted class of each row as the model gives it, [N], strings or integers.
        classes: the names of all classes, K of them.
        probabilities: floats [N, K].
    """

    labels: Array
    classes: tuple[str, ...]
    probabilities: Array


class Outputs(msgspec.Struct, frozen=True):
    """Neither: the outputs by name, [N, …] each."""

    arrays: dict[str, Array]


type Predictions = Regression | Classification | Outputs


def read_predictions(
    outputs: Mapping[str, Array], rows: int, labels: Sequence[str] = (), keys: Mapping[str, Sequence[Any]] | None = None
) -> Predictions:
    """What the outputs are.

    One output of floats, [N] or [N, 1], is a regression. Two, of which one holds a string or integer a row, [N] or
    [N, 1], and the other floats [N, K] for which K names are known, are a classification.

    Args:
        outputs: all outputs of a model, in its order.
        rows: N.
        labels: the classes that the manifest names.
        keys: for an output that is a sequence of maps, its keys. Strings name the classes better than the manifest,
            whose order might be another.

    Raises:
        NotSupported: an output does not have a value for each row.
    """
    for name, array in outputs.items():
        if array.shape[:1] != (rows,):
            raise NotSupported(
                f"output '{name}' has shape {list(array.shape)}, not a value for each of {rows:,} rows; the Open"
                " Inference Protocol serves it",
                subject=name,
            )
    arrays = list(outputs.values())
    if len(arrays) == 1 and arrays[0].dtype.kind == "f" and _is_flat(arrays[0]):
        return Regression(arrays[0].reshape(rows))
    if len(arrays) == 2:
        for (_, label), (name, probabilities) in (tuple(outputs.items()), tuple(outputs.items())[::-1]):
            classes = _classes(labels, (keys or {}).get(name, ()), probabilities)
            if classes and _is_flat(label) and label.dtype.kind in "Oiu":
                return Classification(label.reshape(rows), classes, probabilities)
    return Outputs(dict(outputs))


def _is_flat(array: Array) -> bool:
    return array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)


def _classes(labels: Sequence[str], keys: Sequence[Any], probabilities: Array) -> tuple[str, ...]:
    """The names of the columns of `probabilities`; none where they are not known, or it holds no probabilities."""
    if probabilities.ndim != 2 or probabilities.dtype.kind != "f":
        return ()
    texts = all(isinstance(key, str) for key in keys)
    for names in (keys, labels) if texts else (labels, keys):
        if len(names) == probabilities.shape[1] == len(set(names)):
            return tuple(map(str, names))
    return ()
