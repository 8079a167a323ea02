"""LightGBM's text files."""

import importlib.metadata
from pathlib import Path

import lightgbm
import numpy as np

from despliegue.models.model import Array
from despliegue_cli.convert.booster import BoosterModel
from despliegue_cli.convert.originals import Columns
from despliegue_cli.convert.tables import original_table, spaced
from despliegue_cli.trees import lightgbm as reader

_UNNAMED = "Column_"


class LightGBMModel(BoosterModel):
    """A Booster; classes are numbered from 0, since the file does not name them. See `originals.Original`."""

    def __init__(self, path: Path, sample: tuple[str, ...]) -> None:
        text = path.read_text(encoding="utf-8")
        self._booster = lightgbm.Booster(model_str=text)
        own = self._booster.feature_name()
        is_unnamed = own == [f"{_UNNAMED}{place}" for place in range(len(own))]
        super().__init__(reader.read(text), spaced(own, sample), sample if is_unnamed else (), set())
        objective = next((line for line in text.splitlines() if line.startswith("objective=")), "=")
        self.source = {
            "framework": f"lightgbm {importlib.metadata.version('lightgbm')}",
            "estimator": objective.partition("=")[2].partition(" ")[0],
        }

    def predict(self, columns: Columns) -> dict[str, Array]:
        """Its predictions."""
        if self.ensemble.categories:
            table = original_table(self.names, self.traits, columns, named=True)
        else:
            table = np.column_stack([columns[name] for name in self.names])
        return self.outputs_of(np.asarray(self._booster.predict(table, num_threads=1), np.float64))
