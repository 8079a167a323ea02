"""Predictions → JSON Lines and CSV, a line a row, for `/invocations`; JSON is V1's.

CSV has no header, as SageMaker's algorithms write it: a regressor gives its number; a classifier the label and then the
probability of each class, in the model's order; another model all values of its outputs, in order. These are the
columns that a scored file gets.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Final

import numpy as np

from despliegue.features import Classification, Regression
from despliegue.models import Model
from despliegue.models.model import Array
from despliegue.protocols.predict_v1 import encode_response, encode_rows, predictions_of, texts_of

__all__ = ["encode_csv", "encode_json_lines", "encode_response"]

_NOT_FINITE: Final = {b"null": b"", b"1e999": b"inf", b"-1e999": b"-inf"}
_NOTHING: Final = b'""'
"""In a single column: a line with nothing in it would be read as none."""


def encode_json_lines(model: Model, outputs: Mapping[str, Array], rows: int) -> bytes:
    """Each row's prediction as V1 has it, on a line.

    Raises:
        NotSupported: an output does not have a value for each row, or no form in JSON.
    """
    return b"".join(text + b"\n" for text in encode_rows(model, outputs, rows))


def encode_csv(model: Model, outputs: Mapping[str, Array], rows: int) -> bytes:
    r"""Each row's prediction as fields between commas, ended by `\n`; NaN is an empty field.

    Raises:
        NotSupported: an output does not have a value for each row, or no form in text.
    """
    predictions = predictions_of(model, outputs, rows)
    match predictions:
        case Regression():
            columns = [predictions.values]
        case Classification():
            columns = [predictions.labels, *predictions.probabilities.T]
        case _:
            grids = [array.reshape(rows, int(np.prod(array.shape[1:]))).T for array in predictions.arrays.values()]
            columns = list(chain.from_iterable(grids))
    fields = [_fields(column) for column in columns]
    if len(fields) == 1:
        fields = [[text or _NOTHING for text in fields[0]]]
    return b"".join(b",".join(row) + b"\n" for row in zip(*fields, strict=True))


def _fields(column: Array) -> list[bytes]:
    """The values [N] as fields, quoted where they must be."""
    if column.dtype.kind == "O":
        return [_quoted(value) for value in column.tolist()]
    texts = texts_of(column)
    return [_NOT_FINITE.get(text, text) for text in texts] if column.dtype.kind == "f" else texts


def _quoted(value: str) -> bytes:
    if any(character in value for character in ',"\r\n'):
        value = '"' + value.replace('"', '""') + '"'
    return value.encode()
