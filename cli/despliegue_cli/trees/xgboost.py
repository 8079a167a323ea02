"""XGBoost's JSON model into an `Ensemble` that compares and sums in float32, as XGBoost does.

The format: doc/tutorials/saving_model.rst and doc/model.schema in XGBoost's repository.
"""

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from despliegue_cli.trees.ensemble import Columns, Derived, Ensemble, Link, Mode, NotConvertible, Tree, labels

type Floats32 = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

_LINKS: dict[str, Link] = {
    "binary:logistic": "logistic",
    "reg:logistic": "logistic",
    "multi:softprob": "softmax",
    "multi:softmax": "softmax",
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"), "exp"),
    **dict.fromkeys(
        (
            "reg:squarederror",
            "reg:squaredlogerror",
            "reg:pseudohubererror",
            "reg:absoluteerror",
            "reg:quantileerror",
            "binary:logitraw",
            "rank:pairwise",
            "rank:ndcg",
            "rank:map",
        ),
        "identity",
    ),
}
_CLASSIFIERS = ("binary:logistic", "multi:softprob", "multi:softmax")


def read(model: Any, classes: Iterable[Any] | None = None) -> Ensemble:
    """The ensemble of an XGBoost model, with as many trees as its own `predict` uses.

    An estimator, or a file that one saved, stops at its best iteration; a Booster uses all trees.

    Args:
        model: the path of a json or ubj file, a Booster, an XGBClassifier or an XGBRegressor.
        classes: the labels; None for the estimator's own, or 0, 1, … of a file or a Booster.

    Raises:
        NotConvertible: it has linear or vector leaves, or an objective whose predictions are not known.
    """
    is_estimator = hasattr(model, "get_booster")
    if classes is None:
        classes = getattr(model, "classes_", None)
    booster = model.get_booster() if is_estimator else model
    if isinstance(model, str | Path):
        from xgboost import Booster  # here: its own extra

        booster = Booster(model_file=model)
    learner = json.loads(booster.save_raw("json"))["learner"]
    gbtree = learner["gradient_booster"]
    if gbtree.get("name") == "gblinear":
        raise NotConvertible("XGBoost's gblinear has no trees; it is a linear model")
    name, parameters = learner["objective"]["name"], learner["learner_model_param"]
    if name not in _LINKS:
        raise NotConvertible(f"XGBoost's objective '{name}' is not known here, nor what becomes of its raw scores")
    if int(parameters.get("num_target", 1)) > 1:
        raise NotConvertible(f"the XGBoost model has {parameters['num_target']} targets; one model a target is served")
    scores = max(int(parameters["num_class"]), 1)
    columns = Columns(int(parameters["num_feature"]))
    attributes = learner.get("attributes", {})
    stops = "best_iteration" in attributes and (is_estimator or "scikit_learn" in attributes)
    trees = _trees(gbtree, columns, int(attributes["best_iteration"]) + 1 if stops else None)
    base = np.broadcast_to(np.array(json.loads(parameters["base_score"]), np.float32), scores)
    return Ensemble(
        width=columns.width,
        trees=trees,
        scores=scores,
        base=tuple(_margin(base, _LINKS[name]).tolist()),
        link=_LINKS[name],
        classes=labels(range(max(scores, 2)) if classes is None else classes) if name in _CLASSIFIERS else None,
        derived=columns.derived,
        missing=_missing(model),
        float32_inputs=True,
        float32_sums=True,
        categories=_categories(gbtree["model"].get("cats", {})),
    )


def _missing(model: Any) -> float | None:
    # Only an estimator has one: a Booster is given a matrix in which whoever made it has marked what is missing.
    missing = getattr(model, "missing", None)
    return None if missing is None or np.isnan(missing) else float(missing)


def _margin(base: Floats32, link: Link) -> Floats32:
    """What raw scores start from, of a base score that is stored as a prediction; rounded as XGBoost's float32 is."""
    if link == "logistic":
        odds = np.float32(1) / base - np.float32(1)
        return -np.log(odds.astype(np.float64)).astype(np.float32)
    return np.log(base.astype(np.float64)).astype(np.float32) if link == "exp" else base


def _trees(gbtree: dict[str, Any], columns: Columns, iterations: int | None) -> tuple[Tree, ...]:
    model = gbtree["model"]
    weights = model.get("weight_drop")  # what dart left of each tree
    bounds = model["iteration_indptr"]
    end = bounds[-1] if iterations is None else bounds[min(iterations, len(bounds) - 1)]
    return tuple(
        _tree(model["trees"][number], columns, model["tree_info"][number], weights[number] if weights else 1.0)
        for number in range(end)
    )


def _tree(nodes: dict[str, Any], columns: Columns, score: int, weight: float) -> Tree:
    if int(nodes["tree_param"]["size_leaf_vector"]) > 1:
        raise NotConvertible("XGBoost's multi_output_tree has a vector in each leaf, and several targets")
    left, right = np.array(nodes["left_children"], np.int64), np.array(nodes["right_children"], np.int64)
    is_leaf = left < 0
    is_category = np.array(nodes["split_type"]) > 0
    default_left = np.array(nodes["default_left"]) > 0
    # Thresholds of splits, values of leaves.
    condition = np.array(nodes["split_conditions"], np.float32)
    feature = np.where(is_leaf, 0, np.array(nodes["split_indices"], np.int64))
    for node in np.flatnonzero(is_category):
        feature[node] = columns.derive(Derived(int(feature[node]), "floor"))
    return Tree(
        feature=feature,
        mode=np.where(is_leaf, Mode.LEAF, np.where(is_category, Mode.MEMBER, Mode.BELOW)),
        threshold=condition.astype(np.float64),
        missing_true=np.where(is_category, ~default_left, default_left),
        # What is in a category's set goes right.
        if_true=np.where(is_category, right, left),
        if_false=np.where(is_category, left, right),
        value=(np.float32(weight) * condition).astype(np.float64),
        members=_members(nodes),
        score=score,
    )


def _members(nodes: dict[str, Any]) -> dict[int, tuple[int, ...]]:
    return {
        node: tuple(nodes["categories"][start : start + size])
        for node, start, size in zip(
            nodes["categories_nodes"], nodes["categories_segments"], nodes["categories_sizes"], strict=True
        )
    }


def _categories(stored: dict[str, Any]) -> dict[int, tuple[Any, ...]]:
    """The names of the codes of each category column: text is stored end to end, with offsets; numbers as they are."""
    found: dict[int, tuple[Any, ...]] = {}
    for column, names in enumerate(stored.get("enc", [])):
        values, offsets = names["values"], names.get("offsets")
        if offsets:
            text = bytes(value % 256 for value in values)
            found[column] = tuple(text[start:end].decode() for start, end in pairwise(offsets))
        elif values:
            found[column] = tuple(values)
    return found
