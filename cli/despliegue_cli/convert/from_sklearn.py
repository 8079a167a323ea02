"""scikit-learn's estimators, and those of other libraries that are made like them."""

import importlib.metadata
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from despliegue.models.manifest import Feature
from despliegue.models.model import Array
from despliegue_cli.convert.columns import Trait, picks_columns, traits
from despliegue_cli.convert.finishing import save
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.missing import MISSING_TEXT
from despliegue_cli.convert.originals import Columns
from despliegue_cli.convert.predictor import Predictor
from despliegue_cli.convert.probing import missing_allowed
from despliegue_cli.convert.refused import check
from despliegue_cli.convert.tables import original_table, spaced
from despliegue_cli.convert.tree_models import are_trees, read_trees, tree_graph

_PACKAGES = {"sklearn": "scikit-learn", "xgboost": "xgboost", "lightgbm": "lightgbm"}


class SklearnModel:
    """A fitted estimator. See `originals.Original`."""

    def __init__(self, estimator: Any, names: tuple[str, ...]) -> None:
        _check_fitted(estimator)
        check(estimator)
        self.estimator = estimator
        self.traits = traits(estimator)
        self.names = _names(estimator, self.traits, names)
        texts = any(trait.text for trait in self.traits)
        by_name = hasattr(estimator, "feature_names_in_") and picks_columns(estimator)
        self._ensemble = read_trees(estimator) if are_trees(estimator) else None
        self.is_matrix = not texts and not by_name and not (self._ensemble and self._ensemble.categories)
        self.predictor = Predictor(estimator, self.names)
        self.labels = self.predictor.labels

    @cached_property
    def source(self) -> dict[str, str]:
        """Framework and versions; and which missing texts it gets as None, which pandas does not read from a file."""
        allowed = {feature.name for feature in self.features if feature.missing is not None}
        found = zip(self.names, self.traits, strict=True)
        names = [name for name, trait in found if trait.text and trait.missing is None and name in allowed]
        known = {"missing": f"given to the original as None, as in training: {', '.join(names)}"} if names else {}
        return _source(self.estimator) | known

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """Its columns, but what it drops; asked for, the original is tried with rows where they are missing."""
        allowed = missing_allowed(self, self.traits)
        found = zip(self.names, self.traits, allowed, strict=True)
        return tuple(_feature(*each) for each in found if each[0] not in self._dropped)

    @property
    def _dropped(self) -> set[str]:
        if self.is_matrix:
            return set()
        return {name for name, trait in zip(self.names, self.traits, strict=True) if trait.unused}

    def predict(self, columns: Columns) -> dict[str, Array]:
        """Its predictions."""
        own = getattr(self.estimator, "feature_names_in_", None)
        table = original_table(self.names, self.traits, columns, named=own is not None)
        if own is not None:
            table.columns = own
        return self.predictor.predict(table)

    def convert(self, path: Path) -> None:
        """Write it as ONNX; see `originals.Original`."""
        if self._ensemble is None:
            from despliegue_cli.convert.with_skl2onnx import closest

            model = closest(self)
        else:
            model = tree_graph(self._ensemble)
            self.finish(model)
        save(model, path)

    def finish(self, model: onnx.ModelProto) -> None:
        """Give a graph of this estimator its names, and no input for what it drops."""
        self.predictor.finish(model, ("input",) if self.is_matrix else self.names)
        kept = [value for value in model.graph.input if value.name not in self._dropped]
        del model.graph.input[:]
        model.graph.input.extend(kept)


def _check_fitted(estimator: Any) -> None:
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise ConversionError(f"the {type(estimator).__name__} was not fitted: call fit before you save it") from error


def _names(estimator: Any, found: list[Trait], sample: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the columns: the estimator's, else the sample's, else scikit-learn's own for columns without."""
    own = getattr(estimator, "feature_names_in_", None)
    if own is not None and type(estimator).__name__.startswith("LGBM"):
        return spaced(own, sample)
    if own is not None:
        return tuple(map(str, own))
    if sample and len(sample) != len(found):
        raise ConversionError(
            f"the model was trained without column names on {len(found):,} columns, and the sample has {len(sample):,};"
            " leave only the model's columns in it, in their order"
        )
    if sample:
        return sample
    return ("text",) if len(found) == 1 and found[0].words else tuple(f"x{place}" for place in range(len(found)))


def _feature(name: str, trait: Trait, allowed: bool) -> Feature:
    if trait.text:
        return Feature(name, "category", MISSING_TEXT if allowed else None)
    return Feature(name, "category" if trait.categories else "number", "NaN" if allowed else None)


def _source(estimator: Any) -> dict[str, str]:
    """Framework and versions; skl2onnx's too, which the graph may come from."""
    package = _PACKAGES.get(type(estimator).__module__.partition(".")[0], "scikit-learn")
    found = {"framework": f"{package} {importlib.metadata.version(package)}", "estimator": type(estimator).__name__}
    if steps := getattr(estimator, "steps", None):
        found["estimator"] = " → ".join(type(step).__name__ for _, step in steps)
    if not are_trees(estimator):
        found["converter"] = f"skl2onnx {importlib.metadata.version('skl2onnx')}"
    return found
