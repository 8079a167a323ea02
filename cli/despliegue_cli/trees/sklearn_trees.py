"""scikit-learn's trees into an `Ensemble`, read from fitted estimators.

Nothing of scikit-learn is imported: an estimator brings its own, of the version that saved it.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from despliegue_cli.trees.ensemble import Columns, Derived, Ensemble, Floats, Link, Mode, NotConvertible, Tree, labels

_RAW: tuple[Link, float] = ("identity", 1.0)
_LINKS: dict[str, tuple[Link, float]] = {
    "IdentityLink": _RAW,
    "LogLink": ("exp", 1.0),
    "LogitLink": ("logistic", 1.0),
    "HalfLogitLink": ("logistic", 2.0),
    "MultinomialLogit": ("softmax", 1.0),
}
"""What becomes of the raw predictions, and their factor, by the class of the loss's link."""


def read(estimator: Any) -> Ensemble:
    """The ensemble of a fitted decision tree, forest, gradient boosting or isolation forest.

    Raises:
        NotConvertible: it is of another class, or has several outputs, or starts from an estimator of its own.
    """
    name = type(estimator).__name__
    reader = _READERS.get(name)
    if reader is None or not type(estimator).__module__.startswith("sklearn."):
        raise NotConvertible(f"{name} is no tree ensemble that is known here; known are {', '.join(_READERS)}")
    if getattr(estimator, "n_outputs_", 1) > 1:
        raise NotConvertible(f"{name} has {estimator.n_outputs_} outputs; one model a target is served")
    return reader(estimator)


def _forest(estimator: Any) -> Ensemble:
    members = getattr(estimator, "estimators_", [estimator])
    classes = getattr(estimator, "classes_", None)
    # Of two classes, the probability of the second says all; of more, a leaf has a value for each.
    column = slice(None) if classes is not None and len(classes) != 2 else -1
    return Ensemble(
        width=estimator.n_features_in_,
        trees=tuple(_tree(member.tree_, member.tree_.value[:, 0, column]) for member in members),
        scores=1 if classes is None or len(classes) == 2 else len(classes),
        divisor=float(len(members)),
        classes=None if classes is None else labels(classes),
        float32_inputs=True,
    )


def _gradient_boosting(estimator: Any) -> Ensemble:
    if (init := estimator.init_) != "zero" and not type(init).__name__.startswith("Dummy"):
        raise NotConvertible(f"its gradient boosting starts from a {type(init).__name__}, not from a constant")
    base = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), np.float32))[0]
    classes = getattr(estimator, "classes_", None)
    # Regressors give raw predictions, whatever their loss.
    link, scale = _RAW if classes is None else _link(estimator._loss)
    return Ensemble(
        width=estimator.n_features_in_,
        trees=tuple(
            _tree(member.tree_, estimator.learning_rate * member.tree_.value[:, 0, 0], score)
            for stage in estimator.estimators_
            for score, member in enumerate(stage)
        ),
        scores=len(base),
        base=tuple(base.tolist()),
        scale=scale,
        link=link,
        classes=None if classes is None else labels(classes),
        last_of_equals=len(base) == 1,
        float32_inputs=True,
    )


def _isolation_forest(estimator: Any) -> Ensemble:
    if estimator._max_samples < 2:
        raise NotConvertible("its isolation forest drew one row a tree, so no tree has a split")
    trees = []
    parts = estimator.estimators_, estimator.estimators_features_
    lengths = estimator._decision_path_lengths, estimator._average_path_length_per_tree
    for member, features, depth, beyond in zip(*parts, *lengths, strict=True):
        tree = _tree(member.tree_, depth + beyond - 1.0)
        trees.append(replace(tree, feature=np.asarray(features, np.int64)[tree.feature]))
    return Ensemble(
        width=estimator.n_features_in_,
        trees=tuple(trees),
        divisor=len(trees) * _average_path_length(estimator._max_samples),
        link="isolation",
        offset=float(estimator.offset_),
        outliers=True,
        float32_inputs=True,
    )


def _average_path_length(samples: int) -> float:
    """Of an unsuccessful search in a tree of so many samples (Liu, Ting and Zhou, Isolation Forest, 2008, eq. 1)."""
    if samples == 2:
        return 1.0
    return float(2.0 * (np.log(samples - 1.0) + np.euler_gamma) - 2.0 * (samples - 1.0) / samples)


def _hist_gradient_boosting(estimator: Any) -> Ensemble:
    columns = Columns(estimator.n_features_in_)
    feature, categories = _hist_columns(estimator, columns)
    base = np.ravel(estimator._baseline_prediction)
    classes = getattr(estimator, "classes_", None)
    link, scale = _link(estimator._loss)
    return Ensemble(
        width=columns.width,
        trees=tuple(
            _hist_tree(predictor, feature, [len(names) for names in categories.values()], score)
            for stage in estimator._predictors
            for score, predictor in enumerate(stage)
        ),
        scores=len(base),
        base=tuple(base.tolist()),
        scale=scale,
        link=link,
        classes=None if classes is None else labels(classes),
        derived=columns.derived,
        categories={column: names for column, names in categories.items() if not _are_numbers(names)},
    )


def _hist_columns(estimator: Any, columns: Columns) -> tuple[Any, dict[int, tuple[Any, ...]]]:
    """For each feature that its trees know, our column; and the known categories of each category column."""
    mask = estimator.is_categorical_
    if mask is None:
        return np.arange(columns.width), {}
    # Its preprocessor puts the category columns first, as codes.
    first = np.flatnonzero(mask).tolist()
    known = estimator._preprocessor.named_transformers_["encoder"].categories_
    categories = {
        # NaN is missing; None is a category like any other.
        column: tuple(name for name in names.tolist() if name == name)
        for column, names in zip(first, known, strict=True)
    }
    codes = []
    for column, names in categories.items():
        values = map(float, names if _are_numbers(names) else range(len(names)))
        # Of a column with no value at all, no tree asks anything.
        codes.append(columns.derive(Derived(column, "codes", tuple(values))) if names else column)
    return np.array([*codes, *np.flatnonzero(~mask).tolist()]), categories


def _hist_tree(predictor: Any, feature: Any, known: list[int], score: int) -> Tree:
    nodes = predictor.nodes
    is_leaf, is_category = nodes["is_leaf"] > 0, (nodes["is_categorical"] > 0) & (nodes["is_leaf"] == 0)
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    missing_left = nodes["missing_go_to_left"] > 0
    # A category that is not known goes the way of missing ones, and so does NaN: we ask for the other side's set.
    is_swapped = is_category & missing_left
    members = {}
    for node in np.flatnonzero(is_category).tolist():
        words = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]].astype("<u4")
        goes_left = np.unpackbits(words.view(np.uint8), bitorder="little")[: known[nodes["feature_idx"][node]]]
        members[node] = tuple(np.flatnonzero(goes_left != missing_left[node]).tolist())
    return Tree(
        feature=feature[np.where(is_leaf, 0, nodes["feature_idx"])],
        mode=np.where(is_leaf, Mode.LEAF, np.where(is_category, Mode.MEMBER, Mode.AT_MOST)),
        threshold=nodes["num_threshold"].astype(np.float64),
        missing_true=missing_left & ~is_category,
        if_true=np.where(is_swapped, right, left),
        if_false=np.where(is_swapped, left, right),
        value=nodes["value"].astype(np.float64),
        members=members,
        score=score,
    )


def _tree(tree: Any, value: Floats, score: int = 0) -> Tree:
    is_leaf = tree.children_left < 0
    return Tree(
        feature=np.where(is_leaf, 0, tree.feature).astype(np.int64),
        mode=np.where(is_leaf, Mode.LEAF, Mode.AT_MOST),
        threshold=tree.threshold,
        missing_true=tree.missing_go_to_left > 0,
        if_true=tree.children_left,
        if_false=tree.children_right,
        value=np.asarray(value, np.float64),
        score=score,
    )


def _link(loss: Any) -> tuple[Link, float]:
    name = type(loss.link).__name__
    if name not in _LINKS:
        raise NotConvertible(f"what {type(loss).__name__} makes of raw predictions by its {name} is not known here")
    return _LINKS[name]


def _are_numbers(names: Iterable[Any]) -> bool:
    return all(isinstance(name, int | float) for name in names)


_READERS: dict[str, Callable[[Any], Ensemble]] = {
    **dict.fromkeys(
        [
            f"{kind}{task}"
            for kind in ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees")
            for task in ("Classifier", "Regressor")
        ],
        _forest,
    ),
    "GradientBoostingClassifier": _gradient_boosting,
    "GradientBoostingRegressor": _gradient_boosting,
    "HistGradientBoostingClassifier": _hist_gradient_boosting,
    "HistGradientBoostingRegressor": _hist_gradient_boosting,
    "IsolationForest": _isolation_forest,
}
