"""Made-up rows of inputs that are no columns, such as images and token numbers."""

import numpy as np

from despliegue.features import Schema
from despliegue.models import TensorSpec
from despliegue.models.model import Array
from despliegue_cli.proof.rows import Rows

_PLACES = ("every value 0", "every value 1")
_PLACES_OF_SAMPLE = ("made from the sample, 1", "made from the sample, 2")


def made_up_arrays(schema: Schema, sample: Rows | None) -> Rows:
    """Rows of zeros and of ones (texts: empty, and unseen); with a sample, two more that are made from it."""
    inputs = {
        name: spec
        for name, spec in schema.inputs.items()
        if not spec.optional or (sample is not None and name in sample.columns)
    }
    columns = {name: _rows(spec, None if sample is None else sample.columns[name]) for name, spec in inputs.items()}
    places = _PLACES if sample is None else (*_PLACES, *_PLACES_OF_SAMPLE)
    return Rows(columns, places, np.ones(len(places), bool))


def _rows(spec: TensorSpec, sample: Array | None) -> Array:
    # An open dimension is as long as the sample's, else 1.
    shape = tuple(max(size, 1) for size in spec.shape[1:]) if sample is None else sample.shape[1:]
    dtype, kind = spec.datatype.dtype, spec.datatype.kind
    ends: tuple[object, object] = ("", "unseen") if kind == "O" else (0, 1)
    if not spec.datatype.in_json:
        ends = (0, 0x3F80)  # 1.0 in bfloat16
    rows = [np.full(shape, end, dtype) for end in ends]
    if sample is not None and kind == "f":
        rows += [(sample[0] / 2).astype(dtype), -sample[0]]
    elif sample is not None:
        # Halved, numbers of tokens or classes would be others; the least and the largest are ones that are there.
        rows += (
            [sample[0], sample[-1]]
            if kind in "Ob" or not spec.datatype.in_json
            else [np.full(shape, sample.min(), dtype), np.full(shape, sample.max(), dtype)]
        )
    return np.stack(rows)
