"""What is refused by name: parts of scikit-learn whose conversion is known to be wrong, and what to do about each."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from despliegue_cli.convert.messages import ConversionError

_MOST_QUANTILES: Final = 400


def _neighbours(each: Any) -> str:
    return (
        "" if each.weights == "uniform" else f"weights={each.weights!r} is converted wrongly; weights='uniform' is not"
    )


def _one_vs_rest(each: Any) -> str:
    final = getattr(each.estimators_[0], "steps", [("", each.estimators_[0])])[-1][1]
    if not hasattr(final, "decision_function") or type(final).__name__ == "LogisticRegression":
        return ""
    return f"it decides by probabilities, and the original by decisions; use {type(final).__name__} alone"


def _quantiles(each: Any) -> str:
    if each.output_distribution != "uniform":
        return "to a normal distribution it has no converter; 'uniform' has"
    if each.n_quantiles_ > _MOST_QUANTILES:
        return f"{each.n_quantiles_:,} quantiles take its converter minutes; use n_quantiles=100"
    return ""


def _stacking(each: Any) -> str:
    if len(each.classes_) > 2 or "decision_function" not in each.stack_method_:
        return ""
    return "of two classes it takes probabilities only; wrap what has none in CalibratedClassifierCV"


def _voting(each: Any) -> str:
    if each.voting == "soft" or all(hasattr(part, "predict_proba") for part in each.estimators_):
        return ""
    return "it counts probabilities; wrap what has none in CalibratedClassifierCV"


RULES: Final[dict[str, Callable[[Any], str]]] = {
    "CalibratedClassifierCV": lambda each: (
        "" if each.method == "sigmoid" else f"its {each.method} method is converted wrongly; use method='sigmoid'"
    ),
    "KNeighborsClassifier": _neighbours,
    "KNeighborsRegressor": _neighbours,
    "OneVsOneClassifier": lambda _: "its labels are converted wrongly; use its estimator alone, or SVC",
    "OneVsRestClassifier": _one_vs_rest,
    "StackingClassifier": _stacking,
    "VotingClassifier": _voting,
    "SVC": lambda each: "break_ties=True is converted wrongly; use break_ties=False" if each.break_ties else "",
    "NuSVC": lambda each: "break_ties=True is converted wrongly; use break_ties=False" if each.break_ties else "",
    "Normalizer": lambda each: "norm='max' is converted wrongly; 'l1' and 'l2' are not" if each.norm == "max" else "",
    "KBinsDiscretizer": lambda each: (
        "it has no sparse output in a graph; use encode='onehot-dense'" if each.encode == "onehot" else ""
    ),
    "TransformedTargetRegressor": lambda _: (
        "it has no converter; transform the target yourself, and its predictions back"
    ),
    "SplineTransformer": lambda _: "it has no converter; KBinsDiscretizer or PolynomialFeatures has",
    "HashingVectorizer": lambda _: "it has no converter; TfidfVectorizer has",
    "KNNImputer": lambda _: "its converter fails on some rows; use SimpleImputer",
    "IterativeImputer": lambda _: "it has no converter; use SimpleImputer",
    "FunctionTransformer": lambda each: (
        ""
        if each.func is None
        else "it calls a Python function, which a graph cannot; do that before the model, in training and in each call"
    ),
    "QuantileTransformer": _quantiles,
    "TunedThresholdClassifierCV": lambda _: (
        "it has no converter; serve its estimator_, and apply its threshold yourself"
    ),
    "FixedThresholdClassifier": lambda _: "it has no converter; serve its estimator_, and apply its threshold yourself",
}
"""By name: why a part cannot be converted, and what to do; empty where it can. `docs/what-is-refused.md` lists them."""


def check(estimator: Any) -> None:
    """Refuse an estimator that is, or holds, what is known to be converted wrongly.

    Raises:
        ConversionError: it names the part, and what to do.
    """
    for part in _parts(estimator, set()):
        name = type(part).__name__
        if name in RULES and (reason := RULES[name](part)):
            raise ConversionError(f"{name} cannot be converted: {reason}")


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """`value` and all estimators in it, once each."""
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _parts(each, seen)
    elif hasattr(value, "get_params") and not isinstance(value, type) and id(value) not in seen:
        seen.add(id(value))
        yield value
        for name, each in vars(value).items():
            if not name.startswith("_"):  # those are its own business: an encoder in a gradient boosting, say
                yield from _parts(each, seen)
