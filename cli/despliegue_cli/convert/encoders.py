"""scikit-learn's encoders of categories as ONNX: one-hot, ordinal, target; unknown, missing, infrequent ones as there.

The stock converters know no missing category and no infrequent one, and encode an unknown one where scikit-learn
refuses it: here the graph refuses it too, by an index out of bounds, which is a request's fault to the server.
"""

from typing import Any, Final

import numpy as np
from onnx import TensorProto

from despliegue.models.model import Array
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.missing import MISSING_TEXT, is_missing
from despliegue_cli.convert.onnx_steps import Steps

_NO_COLUMN: Final = -1


def one_hot_width(operator: Any) -> int:
    """How many columns OneHotEncoder gives."""
    return int(sum(operator.raw_operator._n_features_outs))


def convert_one_hot(scope: Any, operator: Any, container: Any) -> None:
    """Write a OneHotEncoder."""
    encoder, steps = operator.raw_operator, Steps(scope, operator, container)
    parts = []
    for place, (x, is_text) in enumerate(steps.columns()):
        size = encoder._n_features_outs[place]
        columns, unknown = _one_hot_columns(encoder, place)
        index = _lookup(steps, x, is_text, encoder.categories_[place], columns, unknown)
        if size:
            hot = steps.add("Equal", index, steps.constant([np.arange(size)], np.int64))
            parts.append(steps.cast(hot, steps.element))
    steps.finish(parts)


def _one_hot_columns(encoder: Any, place: int) -> tuple[Array, int | None]:
    """For each category of a feature the column that is 1, and for an unknown one; -1 for none, None to refuse it."""
    groups = _groups(encoder, place)
    infrequent = groups is not None and encoder.infrequent_categories_[place] is not None
    columns = np.arange(len(encoder.categories_[place])) if groups is None else np.asarray(groups, np.int64)
    last = int(columns.max(initial=-1))
    dropped = None if encoder._drop_idx_after_grouping is None else encoder._drop_idx_after_grouping[place]
    if dropped is not None:
        columns = np.where(columns == dropped, _NO_COLUMN, columns - (columns > dropped))
        last -= last > dropped
    if encoder.handle_unknown == "error":
        return columns, None
    # Infrequent categories share the last column.
    return columns, last if infrequent and encoder.handle_unknown != "ignore" else _NO_COLUMN


def convert_ordinal(scope: Any, operator: Any, container: Any) -> None:
    """Write an OrdinalEncoder."""
    encoder, steps = operator.raw_operator, Steps(scope, operator, container)
    parts = []
    for place, (x, is_text) in enumerate(steps.columns()):
        categories = encoder.categories_[place]
        groups = _groups(encoder, place)
        codes = np.arange(len(categories), dtype=np.float64)
        if groups is not None:
            codes[: len(groups)] = groups  # a missing one, the last, is in no group
        if place in encoder._missing_indices:  # None is none of them, but a category like any other
            codes[encoder._missing_indices[place]] = encoder.encoded_missing_value
        unknown = None if encoder.handle_unknown == "error" else float(encoder.unknown_value)
        parts.append(steps.cast(_lookup(steps, x, is_text, categories, codes, unknown), steps.element))
    steps.finish(parts)


def target_width(operator: Any) -> int:
    """How many columns TargetEncoder gives."""
    return len(operator.raw_operator.encodings_)


def convert_target(scope: Any, operator: Any, container: Any) -> None:
    """Write a TargetEncoder."""
    encoder, steps = operator.raw_operator, Steps(scope, operator, container)
    scores = len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
    means = np.broadcast_to(encoder.target_mean_, scores)
    parts = [
        steps.cast(
            _lookup(
                steps,
                x,
                is_text,
                encoder.categories_[place],
                np.asarray(encoder.encodings_[place * scores + score], np.float64),
                float(means[score]),
            ),
            steps.element,
        )
        for place, (x, is_text) in enumerate(steps.columns())
        for score in range(scores)
    ]
    steps.finish(parts)


def _groups(encoder: Any, place: int) -> Any:
    """The code of each category of a feature where infrequent ones share one; None where none are."""
    if not encoder._infrequent_enabled:
        return None
    return encoder._default_to_infrequent_mappings[place]


def _lookup(steps: Steps, x: str, is_text: bool, categories: Any, values: Array, unknown: float | None) -> str:
    """The value of each category in `x` [N, 1], int64 or double; that of `unknown` for any other, or None to fail."""
    keys, values = _keys(categories, values, is_text)
    values = values.astype(np.int64 if values.dtype.kind == "i" else np.float64)
    # Where unknown ones are refused, positions first: theirs is beyond the end of what is gathered.
    given: Array = np.arange(len(keys)) if unknown is None else values
    default = np.array([len(keys) if unknown is None else unknown], given.dtype)
    found = steps.look_up(x if is_text else steps.cast(x, TensorProto.DOUBLE), keys, given, default)
    return found if unknown is not None else steps.add("Gather", steps.constant(values), found)


def _keys(categories: Any, values: Array, is_text: bool) -> tuple[Array, Array]:
    """Categories as a graph has them: texts, or doubles; of several that are missing, the first."""
    if not is_text:
        if any(isinstance(category, str) for category in categories):
            raise ConversionError("an encoder has texts among its categories, but its column is of numbers")
        return np.array([np.nan if is_missing(each) else float(each) for each in categories]), values
    missing = [is_missing(each) for each in categories]
    if any(missing) and MISSING_TEXT in categories:
        raise ConversionError(
            "an encoder has both '' and a missing value as categories, which a graph cannot tell apart"
        )
    keep = np.array([not gap or place == missing.index(True) for place, gap in enumerate(missing)])
    keys = np.array([MISSING_TEXT if gap else str(each) for each, gap in zip(categories, missing, strict=True)], object)
    return keys[keep], np.asarray(values)[keep]
