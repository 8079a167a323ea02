"""A tree ensemble as flat arrays: what every library's trees are read into, and graphs are made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Literal, NamedTuple

import numpy as np

from despliegue.errors import DespliegueError

type Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
type Integers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
type Booleans = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
type Labels = tuple[int, ...] | tuple[str, ...]


class NotConvertible(DespliegueError):
    """The model has a part whose predictions a graph would not give exactly; the message names it."""


class Mode(IntEnum):
    """What a node asks of its feature `x`; the numbers are those of TreeEnsemble's `nodes_modes`, but for `LEAF`."""

    AT_MOST = 0
    BELOW = 1
    EQUALS = 4
    MEMBER = 6
    LEAF = 255


class Derived(NamedTuple):
    """A column made from an input column before the trees look at it.

    Attributes:
        source: the input column.
        how: `truncate` to an integer towards zero; `floor` to the integer below; `zero_is_missing`, where what is
            within `NEARLY_ZERO` of zero becomes NaN; `codes`, where a value becomes its position among `values`, and
            any other NaN.
        values: for `codes`.
    """

    source: int
    how: Literal["truncate", "floor", "zero_is_missing", "codes"]
    values: tuple[float, ...] = ()


NEARLY_ZERO = float(np.float32(1e-35))
"""LightGBM's kZeroThreshold, a float32 there: what is no further from zero counts as zero."""


class Columns:
    """Numbers the columns that trees see: the inputs, then the derived ones in order of first use."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._derived: dict[Derived, int] = {}

    def derive(self, column: Derived) -> int:
        """The number of `column`."""
        return self._derived.setdefault(column, self.width + len(self._derived))

    @property
    def derived(self) -> tuple[Derived, ...]:
        """All derived columns, in order."""
        return tuple(self._derived)


@dataclass(frozen=True, eq=False, slots=True)
class Tree:
    """One tree; node 0 is the root. All arrays have an entry a node, leaves and splits alike.

    Attributes:
        feature: the number of the column that is asked; any number at leaves.
        mode: a `Mode`.
        threshold: what `x` is compared with, exactly as the library stores it.
        missing_true: whether NaN goes the way of a true answer.
        if_true: the next node where the answer is true.
        if_false: the next node where it is false.
        value: what a leaf adds to the tree's score [nodes], or to every score [nodes, scores].
        members: the set that a `MEMBER` node asks for, by node: integers, and so must the column be.
        score: which score the tree adds to, where its values are [nodes].
    """

    feature: Integers
    mode: Integers
    threshold: Floats
    missing_true: Booleans
    if_true: Integers
    if_false: Integers
    value: Floats
    members: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    score: int = 0

    @classmethod
    def constant(cls, value: float, score: int = 0) -> "Tree":
        """The tree of one leaf."""
        zero = np.zeros(1, np.int64)
        return cls(zero, zero + Mode.LEAF, np.zeros(1), zero > 0, zero, zero, np.array([value]), score=score)


type Link = Literal["identity", "logistic", "softmax", "exp", "signed_square", "log1p_exp", "isolation"]


@dataclass(frozen=True, eq=False, slots=True)
class Ensemble:
    """Trees, and what becomes of their sums.

    Attributes:
        width: how many input columns there are.
        trees: in the order in which the library adds them up.
        scores: how many sums there are.
        base: what each sum starts from; empty for 0.
        divisor: what the sums are divided by.
        scale: what they are multiplied by, after that.
        link: from the sums to probabilities or to the prediction. `isolation` is -2^(-x).
        offset: what is taken from the prediction, after the link.
        classes: of a classifier, in the order of the probabilities; None for any other model.
        last_of_equals: whether the label of equally probable classes is the last of them, not the first.
        outliers: whether the prediction is an anomaly score, and those below zero are to be labelled -1, others 1.
        derived: see `Derived`.
        missing: a number that is taken for a missing value too, beside NaN.
        float32_inputs: whether inputs are rounded to float32 before anything is compared.
        float32_sums: whether thresholds, leaves and sums are float32 too.
        categories: the names of the codes 0, 1, … of an input column, where the model was trained on names. Whoever
            feeds it gives the codes, and NaN for names that are missing or not there. Of scikit-learn, None is a name.
    """

    width: int
    trees: tuple[Tree, ...]
    scores: int = 1
    base: tuple[float, ...] = ()
    divisor: float = 1.0
    scale: float = 1.0
    link: Link = "identity"
    offset: float = 0.0
    classes: Labels | None = None
    last_of_equals: bool = False
    outliers: bool = False
    derived: tuple[Derived, ...] = ()
    missing: float | None = None
    float32_inputs: bool = False
    float32_sums: bool = False
    categories: Mapping[int, tuple[Any, ...]] = field(default_factory=dict)


def leaves_of(ensemble: Ensemble) -> Ensemble:
    """An ensemble that predicts the number of the leaf node that a row reaches in each tree, [N, trees].

    With it a conversion is proven leaf by leaf, where sums are compared only within a tolerance.
    """
    trees = tuple(
        replace(tree, value=np.arange(len(tree.mode), dtype=np.float64), score=number)
        for number, tree in enumerate(ensemble.trees)
    )
    return Ensemble(
        width=ensemble.width,
        trees=trees,
        scores=len(trees),
        derived=ensemble.derived,
        missing=ensemble.missing,
        float32_inputs=ensemble.float32_inputs,
        float32_sums=ensemble.float32_sums,
    )


def labels(classes: Iterable[Any]) -> Labels:
    """Class labels as a graph can give them: text, or 64-bit integers.

    Raises:
        NotConvertible: they are neither; numbers with a fraction, say.
    """
    found = [item.item() if isinstance(item, np.generic) else item for item in classes]
    if all(isinstance(item, str) for item in found):
        return tuple(found)
    if all(isinstance(item, int | float) and float(item).is_integer() for item in found):
        return tuple(int(item) for item in found)
    raise NotConvertible(f"its class labels are neither text nor integers, but {', '.join(map(repr, found[:3]))}")
