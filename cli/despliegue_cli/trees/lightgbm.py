"""LightGBM's text model into an `Ensemble`.

The rules are those of `Tree::Decision` in LightGBM's include/LightGBM/tree.h and of `ConvertOutput` in its objectives.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson

from despliegue_cli.trees.ensemble import (
    NEARLY_ZERO,
    Columns,
    Derived,
    Ensemble,
    Link,
    Mode,
    NotConvertible,
    Tree,
    labels,
)

_LINKS: dict[str, Link] = {
    "binary": "logistic",
    "multiclass": "softmax",
    "multiclassova": "logistic",
    "cross_entropy": "logistic",
    "cross_entropy_lambda": "log1p_exp",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    **dict.fromkeys(
        ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg"), "identity"
    ),
}
_CLASSIFIERS = ("binary", "multiclass", "multiclassova")

# Bits of decision_type, and the two of them that are the missing type.
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_NONE, _MISSING_ZERO = 0, 1


def read(model: Any, classes: Iterable[Any] | None = None) -> Ensemble:
    """The ensemble of a LightGBM model, with as many trees as its own `predict` uses.

    Args:
        model: the text of a model file, a Booster, an LGBMClassifier or an LGBMRegressor.
        classes: the labels; None for the estimator's own, or 0, 1, … of a text or a Booster.

    Raises:
        NotConvertible: it is cut short, has linear leaves, or an objective whose predictions are not known.
    """
    if classes is None:
        classes = getattr(model, "classes_", None)
    model = getattr(model, "booster_", model)
    text = model if isinstance(model, str) else model.model_to_string()
    if not text.startswith("tree\n"):
        raise NotConvertible("it is no LightGBM text model: expected its first line to be 'tree'")
    body, end, _ = text.partition("\nend of trees")
    if not end:
        raise NotConvertible("the LightGBM model is cut short: it has no line 'end of trees'")
    head, *blocks = body.split("\nTree=")
    header = _fields(head)
    name, *options = header.get("objective", "custom").split()
    if name not in _LINKS:
        raise NotConvertible(f"LightGBM's objective '{name}' is not known here, nor what becomes of its raw scores")
    scores = int(header["num_tree_per_iteration"])
    columns = Columns(int(header["max_feature_idx"]) + 1)
    trees = tuple(_tree(_fields(block), columns, number % scores) for number, block in enumerate(blocks))
    if not trees:
        raise NotConvertible("the LightGBM model has no trees")
    setting = dict(option.partition(":")[::2] for option in options)
    is_classifier = name in _CLASSIFIERS
    return Ensemble(
        width=columns.width,
        trees=trees,
        scores=scores,
        divisor=len(trees) / scores if "average_output" in head.split("\n") else 1.0,
        scale=float(setting.get("sigmoid", 1)),
        link="signed_square" if "sqrt" in setting else _LINKS[name],
        classes=labels(range(max(scores, 2)) if classes is None else classes) if is_classifier else None,
        derived=columns.derived,
        categories=_categories(text, header["feature_infos"].split()),
    )


def _fields(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.split("\n") if "=" in line)


def _tree(fields: dict[str, str], columns: Columns, score: int) -> Tree:
    if fields.get("is_linear", "0") != "0":
        raise NotConvertible("LightGBM's linear_tree has a linear model in each leaf, which TreeEnsemble cannot hold")
    leaf_value = np.array(fields["leaf_value"].split(), np.float64)
    leaves = len(leaf_value)
    if leaves == 1:
        return Tree.constant(float(leaf_value[0]), score)
    splits = leaves - 1

    def numbers(name: str, dtype: type) -> Any:
        return np.append(np.array(fields[name].split(), dtype), np.zeros(leaves, dtype))

    decision = numbers("decision_type", np.int64)
    is_split = np.arange(splits + leaves) < splits
    is_category = is_split & (decision & _CATEGORICAL > 0)
    missing, default_left = decision >> 2 & 3, decision & _DEFAULT_LEFT > 0
    threshold = numbers("threshold", np.float64)
    members = _members(fields, np.flatnonzero(is_category), threshold)
    # A number within NEARLY_ZERO of zero is predicted as zero: all of them are above a threshold just below it.
    below = np.nextafter(-NEARLY_ZERO, -np.inf)
    threshold = np.where((threshold < 0) & (threshold >= -NEARLY_ZERO), below, threshold)
    feature = numbers("split_feature", np.int64)
    for node in np.flatnonzero(is_split & (is_category | (missing == _MISSING_ZERO))):
        how = Derived(int(feature[node]), "truncate" if is_category[node] else "zero_is_missing")
        feature[node] = columns.derive(how)
    # Children are numbered from 0 if splits, and as ~0, ~1, … if leaves, which here follow the splits.
    children = [
        np.where(side < 0, splits + ~side, side)
        for side in (numbers("left_child", np.int64), numbers("right_child", np.int64))
    ]
    return Tree(
        feature=feature,
        mode=np.where(is_category, Mode.MEMBER, np.where(is_split, Mode.AT_MOST, Mode.LEAF)),
        threshold=threshold,
        # Where no value was missing in training, NaN is taken for zero. No category is missing: NaN is in no set.
        missing_true=np.where(is_category, False, np.where(missing == _MISSING_NONE, threshold >= 0, default_left)),
        if_true=children[0],
        if_false=children[1],
        value=np.append(np.zeros(splits), leaf_value),
        members=members,
        score=score,
    )


def _members(fields: dict[str, str], nodes: Any, threshold: Any) -> dict[int, tuple[int, ...]]:
    """The categories that go left at each of `nodes`, whose thresholds number the bit sets."""
    if not len(nodes):
        return {}
    bounds = [int(bound) for bound in fields["cat_boundaries"].split()]
    words = np.array(fields["cat_threshold"].split(), "<u4")
    found = {}
    for node in nodes.tolist():
        number = int(threshold[node])
        bits = np.unpackbits(words[bounds[number] : bounds[number + 1]].view(np.uint8), bitorder="little")
        found[node] = tuple(np.flatnonzero(bits).tolist())
    return found


def _categories(text: str, infos: list[str]) -> dict[int, tuple[Any, ...]]:
    """The names that pandas gave the codes of each category column.

    The model says them in the columns' order, but not of which columns; a numeric column's information is a range.
    """
    named = orjson.loads(text.rpartition("\npandas_categorical:")[2].split("\n")[0] or "null") or []
    columns = [column for column, info in enumerate(infos) if not info.startswith("[") and info != "none"]
    return dict(zip(columns, map(tuple, named), strict=True)) if len(named) == len(columns) else {}
