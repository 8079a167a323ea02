"""XGBoost's json and ubj files, of a Booster or an estimator alike."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from despliegue.models.model import Array
from despliegue_cli.convert.booster import BoosterModel
from despliegue_cli.convert.originals import Columns
from despliegue_cli.convert.tables import original_table
from despliegue_cli.trees import xgboost as reader


class XGBoostModel(BoosterModel):
    """A Booster; classes are numbered from 0, since the file does not name them. See `originals.Original`."""

    def __init__(self, path: Path, sample: tuple[str, ...]) -> None:
        self._booster = xgboost.Booster(model_file=path)
        ensemble = reader.read(path)
        own = self._booster.feature_names
        self._own = own or [f"f{place}" for place in range(ensemble.width)]
        codes = {place for place, kind in enumerate(self._booster.feature_types or []) if kind == "c"}
        super().__init__(ensemble, self._own, sample if own is None else (), codes)
        self.source = {"framework": f"xgboost {importlib.metadata.version('xgboost')}", "estimator": self._objective()}

    def predict(self, columns: Columns) -> dict[str, Array]:
        """Its predictions."""
        best = self._booster.attr("best_iteration") if self._booster.attr("scikit_learn") else None
        margins = self._booster.predict(
            xgboost.DMatrix(self._table(columns), enable_categorical=True, **self._described()),
            iteration_range=(0, 0 if best is None else int(best) + 1),
            output_margin=self._objective() == "multi:softmax",
        )
        scores = np.asarray(margins, np.float64)
        if self._objective() == "multi:softmax":
            exponents = np.exp(scores - scores.max(1, keepdims=True))
            scores = exponents / exponents.sum(1, keepdims=True)
        return self.outputs_of(scores)

    def _table(self, columns: Columns) -> object:
        if not self.ensemble.categories:
            return np.column_stack([columns[name] for name in self.names])
        table = original_table(self.names, self.traits, columns, named=True)
        table.columns = self._own
        return table

    def _described(self) -> dict[str, Any]:
        """What a matrix does not say of its columns, and a table does."""
        if self.ensemble.categories:
            return {}
        return {"feature_names": self._booster.feature_names, "feature_types": self._booster.feature_types}

    def _objective(self) -> str:
        return str(json.loads(self._booster.save_config())["learner"]["objective"]["name"])
