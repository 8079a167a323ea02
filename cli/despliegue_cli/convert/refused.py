"""What is refused by name: parts of scikit-learn whose conversion is known to be wrong, and what to do about each."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from despliegue_cli.convert.messages import ConversionError

_RULES: Final[dict[str, Callable[[Any], str]]] = {
    "CalibratedClassifierCV": lambda each: (
        "its isotonic method is converted wrongly; use method='sigmoid'" if each.method == "isotonic" else ""
    ),
    "TransformedTargetRegressor": lambda _: (
        "it has no converter; transform the target yourself, and its predictions back"
    ),
    "SplineTransformer": lambda _: "it has no converter; KBinsDiscretizer or PolynomialFeatures has",
    "HashingVectorizer": lambda _: "it has no converter; TfidfVectorizer has",
    "KNNImputer": lambda _: "its converter fails on some rows; use SimpleImputer",
    "IterativeImputer": lambda _: "it has no converter; use SimpleImputer",
    "FunctionTransformer": lambda each: "" if each.func is None else "it calls a Python function, which a graph cannot",
    "QuantileTransformer": lambda each: (
        "" if each.output_distribution == "uniform" else "to a normal distribution it has no converter; 'uniform' has"
    ),
    "TunedThresholdClassifierCV": lambda _: (
        "it has no converter; serve its estimator_, and apply its threshold yourself"
    ),
    "FixedThresholdClassifier": lambda _: "it has no converter; serve its estimator, and apply its threshold yourself",
}


def check(estimator: Any) -> None:
    """Refuse an estimator that is, or holds, what is known to be converted wrongly.

    Raises:
        ConversionError: it names the part, and what to do.
    """
    for part in _parts(estimator, set()):
        name = type(part).__name__
        if name in _RULES and (reason := _RULES[name](part)):
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
