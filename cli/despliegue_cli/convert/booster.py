"""What XGBoost's and LightGBM's files have in common: an ensemble, and nothing that says more of its columns."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from despliegue.models.manifest import Feature
from despliegue.models.model import Array
from despliegue_cli.convert.columns import Trait
from despliegue_cli.convert.finishing import finish, save
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.missing import MISSING_TEXT
from despliegue_cli.convert.tree_models import is_text, tree_graph
from despliegue_cli.trees import Ensemble


class BoosterModel:
    """See `originals.Original`; `source` and `predict` are each library's own.

    Args:
        ensemble: as read from the file.
        own: the names of its columns; the library's own where nobody named them.
        sample: names for a model without, or none.
        codes: columns of categories whose names nobody knows: whoever calls gives their codes.
    """

    source: dict[str, str]

    def __init__(self, ensemble: Ensemble, own: Sequence[str], sample: tuple[str, ...], codes: set[int]) -> None:
        if sample and len(sample) != len(own):
            raise ConversionError(
                f"the model has no column names and takes {len(own):,} columns, and the sample has {len(sample):,};"
                " leave only the model's columns in it, in their order"
            )
        self.ensemble = ensemble
        self.names = sample or tuple(own)
        known = [ensemble.categories.get(place, ()) for place in range(ensemble.width)]
        self.traits = [
            Trait(
                text=is_text(each),
                categories=each,
                dtype=bool(each),
                missing=MISSING_TEXT if MISSING_TEXT in each else np.nan,
            )
            for each in known
        ]
        # Any column may be missing: the trees say where such a row goes.
        self.features = tuple(
            Feature(name, "category" if each or place in codes else "number", MISSING_TEXT if is_text(each) else "NaN")
            for place, (name, each) in enumerate(zip(self.names, known, strict=True))
        )
        self.labels = tuple(map(str, ensemble.classes or ()))
        names = ("prediction",) if ensemble.classes is None else ("label", "probabilities")
        self._outputs = {name: f"{name}_" if name in self.names else name for name in names}

    def outputs_of(self, scores: Array) -> dict[str, Array]:
        """The graph's outputs, from what the library predicts: numbers, or probabilities [N] or [N, classes]."""
        if self.ensemble.classes is None:
            return {self._outputs["prediction"]: scores}
        if scores.ndim == 1:
            scores = np.column_stack([1 - scores, scores])
        labels = np.array(self.ensemble.classes)[scores.argmax(1)]
        return {self._outputs["label"]: labels, self._outputs["probabilities"]: scores}

    def convert(self, path: Path) -> None:
        """Write it as ONNX; see `originals.Original`."""
        model = tree_graph(self.ensemble)
        inputs = self.names if len(model.graph.input) == len(self.names) > 1 else ("input",)
        if len(self.names) == 1 and self.ensemble.categories:
            inputs = self.names
        finish(model, inputs, self._outputs, {})
        save(model, path)
