"""A model's outputs as columns beside the input's: which there are, what they are called, and their values as text."""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec
import numpy as np
import orjson

from despliegue.errors import UnscorableFile
from despliegue.features import Classification, Regression, read_predictions
from despliegue.models import Model
from despliegue.models.model import Array

MAX_COLUMNS: Final = 1000
"""Most columns that predictions may take; an embedding or an image is better asked of the API."""
_PREFIX: Final = "predicted_"


class PredictionColumns(msgspec.Struct, frozen=True):
    """The columns that a model adds.

    Attributes:
        names: unlike any of the input's.
        arrays: [N] each: numbers, strings or booleans.
    """

    names: tuple[str, ...]
    arrays: tuple[Array, ...]


def prediction_columns(
    model: Model, outputs: Mapping[str, Array], rows: int, taken: Collection[str]
) -> PredictionColumns:
    """The outputs as columns.

    A regressor adds `prediction`; a classifier `label` and `probability_<class>` for each; another model each output
    under its own name, a matrix as `<name>_0`, `<name>_1` and so on. Where the input has a column of such a name, all
    of them begin with `predicted_`.

    Args:
        model: the model.
        outputs: all of its outputs, for `rows` rows.
        rows: N.
        taken: the names of the input's columns.

    Raises:
        UnscorableFile: there are too many columns to be a table.
        NotSupported: an output does not have a value for each row.
    """
    predictions = read_predictions(outputs, rows, model.manifest.labels, model.labels)
    match predictions:
        case Regression():
            named = {"prediction": predictions.values}
        case Classification():
            named = {"label": predictions.labels}
            for name, values in zip(predictions.classes, predictions.probabilities.T, strict=True):
                named[f"probability_{name}"] = values
        case _:
            named = {}
            for name, array in predictions.arrays.items():
                columns = array.reshape(rows, int(np.prod(array.shape[1:])))
                if columns.shape[1] > MAX_COLUMNS:
                    raise UnscorableFile(
                        f"output '{name}' has {columns.shape[1]:,} values a row; files take at most {MAX_COLUMNS:,}"
                        " columns of predictions"
                    )
                named |= {
                    name if array.ndim == 1 or columns.shape[1] == 1 else f"{name}_{at}": values
                    for at, values in enumerate(columns.T)
                }
    if len(named) > MAX_COLUMNS:
        raise UnscorableFile(f"the predictions have {len(named):,} columns; files take at most {MAX_COLUMNS:,}")
    prefix = ""
    while any(prefix + name in taken for name in named):
        prefix += _PREFIX
    return PredictionColumns(tuple(prefix + name for name in named), tuple(named.values()))


def texts(array: Array, *, null: bytes, infinity: bytes) -> list[bytes]:
    """The values of a column [N] as JSON has them, numbers as short as their datatype allows.

    Args:
        array: N numbers, strings or booleans.
        null: what stands for NaN.
        infinity: what stands for infinity, without a sign.
    """
    if array.dtype.kind == "O":
        values = array.tolist()
        written = {value: orjson.dumps(value) for value in set(values)}  # classes, mostly: few, and many times
        return [written[value] for value in values]
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    found = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        for at in np.flatnonzero(~np.isfinite(array)).tolist():
            value = array[at]
            found[at] = null if value != value else infinity if value > 0 else b"-" + infinity
    return found
