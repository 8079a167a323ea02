"""Which columns a fitted scikit-learn estimator takes: numbers or texts, their categories, what is a missing value."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from despliegue.models.model import Array
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.missing import MISSING_TEXT, is_missing
from despliegue_cli.convert.tree_models import are_trees, is_text, read_trees

_WORDS_SHOWN = 200


class Trait(NamedTuple):
    """What an estimator tells of one column.

    Attributes:
        text: whether it is of texts.
        categories: its known values, none of them missing; of texts that are cut into words, some of these.
        missing: what the original takes for a missing value: NaN, None, '' or a number.
        words: whether it is a text that is cut into words.
        center: a usual value of a number.
        spread: how far from it usual values are.
        dtype: whether the original wants it as pandas' category, of these categories.
        unused: whether the original drops it.
    """

    text: bool = False
    categories: tuple[Any, ...] = ()
    missing: Any = float("nan")
    words: bool = False
    center: float = 0.0
    spread: float = 3.0
    dtype: bool = False
    unused: bool = False

    def merged(self, other: "Trait") -> "Trait":
        """What two steps tell that get the same column."""
        return Trait(
            self.text or other.text,
            self.categories or other.categories,
            _marker(self.missing, other.missing),
            self.words or other.words,
            self.center or other.center,
            max(self.spread, other.spread),
            self.dtype or other.dtype,
            self.unused and other.unused,
        )


def _marker(one: Any, other: Any) -> Any:
    """What is taken for missing where two steps tell: a category of the second's, else what the first replaces."""
    is_vague = is_missing(one) and one is not None
    return other if is_vague or other == MISSING_TEXT else one


def traits(estimator: Any) -> list[Trait]:
    """What `estimator`, fitted, tells of each of its columns.

    Raises:
        ConversionError: it has columns that hold neither texts nor numbers.
    """
    if hasattr(estimator, "steps"):
        return _of_pipeline([step for _, step in estimator.steps])
    if hasattr(estimator, "transformer_list"):
        return _merged([traits(part) for _, part in estimator.transformer_list if not isinstance(part, str)])
    if hasattr(estimator, "transformers_"):
        return _of_columns(estimator)
    if hasattr(estimator, "vocabulary_"):
        return [Trait(text=True, words=True, categories=tuple(list(estimator.vocabulary_)[:_WORDS_SHOWN]))]
    if hasattr(estimator, "statistics_"):
        return _of_imputer(estimator)
    if hasattr(estimator, "categories_"):
        return [_of_categories(known) for known in estimator.categories_]
    if getattr(estimator, "_preprocessor", None) is not None:
        return _of_hist(estimator)
    if are_trees(estimator) and (known := read_trees(estimator).categories):
        columns = [known.get(place, ()) for place in range(estimator.n_features_in_)]
        return [_of_categories(np.array(each, object))._replace(dtype=bool(each)) for each in columns]
    if hasattr(estimator, "mean_") and hasattr(estimator, "scale_") and estimator.scale_ is not None:
        centers = np.zeros_like(estimator.scale_) if estimator.mean_ is None else estimator.mean_
        return [
            Trait(center=float(center), spread=float(spread))
            for center, spread in zip(centers, estimator.scale_, strict=True)
        ]
    return [Trait()] * getattr(estimator, "n_features_in_", 1)


def picks_columns(estimator: Any) -> bool:
    """Whether the first step gives its columns to several others."""
    first = estimator.steps[0][1] if hasattr(estimator, "steps") else estimator
    parts = [part for _, part in getattr(first, "transformer_list", [])]
    return hasattr(first, "transformers_") or any(map(picks_columns, parts))


def _of_pipeline(steps: Sequence[Any]) -> list[Trait]:
    steps = [step for step in steps if step is not None and not isinstance(step, str)]
    found = traits(steps[0])
    # What follows an imputer tells of the same columns, if there are as many.
    if len(steps) > 1 and (hasattr(steps[0], "statistics_") or not any(each.text for each in found)):
        following = traits(steps[1]) if hasattr(steps[0], "statistics_") else found
        if len(following) == len(found):
            found = _merged([found, following])
    return found


def _of_columns(transformer: Any) -> list[Trait]:
    """Of a ColumnTransformer, whose parts get some of the columns each."""
    found = [Trait(unused=True)] * transformer.n_features_in_
    for name, part, _ in transformer.transformers_:
        places = transformer._transformer_to_input_indices.get(name, [])
        if part == "drop" or not len(places):
            continue
        told = [Trait()] * len(places) if isinstance(part, str) else traits(part)
        for place, trait in zip(places, told, strict=False):
            found[place] = found[place].merged(trait)
    return found


def _of_imputer(imputer: Any) -> list[Trait]:
    found = []
    for value in imputer.statistics_:
        text = isinstance(value, str)
        found.append(
            Trait(
                text=text,
                categories=(value,) if text else (),
                missing=imputer.missing_values,
                center=0.0 if text or is_missing(value) else float(value),
            )
        )
    return found


def _of_hist(estimator: Any) -> list[Trait]:
    known = iter(estimator._preprocessor.named_transformers_["encoder"].categories_)
    return [
        _of_categories(next(known))._replace(dtype=True) if is_category else Trait()
        for is_category in estimator.is_categorical_
    ]


def _of_categories(known: Array) -> Trait:
    names = tuple(name for name in known.tolist() if not is_missing(name))
    text = is_text(names)
    if text and not all(isinstance(name, str) for name in names):
        odd = next(name for name in names if not isinstance(name, str))
        raise ConversionError(
            f"a column has texts and other values ({odd!r}) as categories; make them all texts and train again"
        )
    missing: Any = float("nan")
    if MISSING_TEXT in names:
        missing = MISSING_TEXT
    elif any(name is None for name in known.tolist()):
        missing = None
    return Trait(text=text, categories=names, missing=missing)


def _merged(parts: Iterable[list[Trait]]) -> list[Trait]:
    found: list[Trait] = []
    for part in parts:
        found = [one.merged(other) for one, other in zip(found, part, strict=False)] if found else part
    return found
