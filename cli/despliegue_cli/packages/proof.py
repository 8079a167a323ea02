"""Whether a package predicts what its original does: both are asked about the rows of a sample, and compared."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import numpy as np

from despliegue.errors import DespliegueError
from despliegue.models import Model
from despliegue.models.model import Array
from despliegue.scoring import Options, Scoring
from despliegue.scoring.counts import BadRow
from despliegue.scoring.parquet_table import ParquetTable
from despliegue.scoring.rows import run
from despliegue_cli.convert import Converted

if TYPE_CHECKING:
    from despliegue.scoring.text_table import Block

RELATIVE: Final = 1e-5
"""How far numbers may be apart, relative to the largest of their output. XGBoost and float32 graphs need it; trees and
linear models are a million times closer."""
_TIE: Final = 1e-6
"""A label may be the other one where the two best probabilities are so near."""
MOST_ROWS: Final = 20_000
_SHOWN: Final = 3


class Proof(msgspec.Struct, frozen=True):
    """What a comparison found.

    Attributes:
        rows: of the sample, that both predicted.
        difference: the largest, of numbers, relative to the largest of their output.
        labels: how many differ.
        worst: the numbers of the rows that differ most, from 1, in order.
    """

    rows: int
    difference: float
    labels: int
    worst: tuple[int, ...]

    def check(self) -> None:
        """Make sure that the package is right.

        Raises:
            DespliegueError: it differs from its original.
        """
        if self.labels or self.difference > RELATIVE:
            rows = ", ".join(f"{row:,}" for row in self.worst)
            raise DespliegueError(
                f"the package differs from its original on {self.rows:,} rows of the sample: {self.labels:,} labels,"
                f" and numbers by up to {self.difference:.1e} (allowed: {RELATIVE:.0e}); look at row {rows}"
            )


def prove(converted: Converted, model: Model, sample: Path) -> Proof:
    """Compare a package with its original.

    Args:
        converted: the original.
        model: the package, loaded as it is served.
        sample: CSV with a header, JSON Lines or Parquet.

    Raises:
        DespliegueError: the sample cannot be read, or has no row that both take.
    """
    scoring = _opened(model, sample)
    columns = _columns(scoring)
    if not any(columns.values()):
        raise DespliegueError(f"the sample {sample} has no rows")
    reference = converted.predict(columns)
    accepted = np.flatnonzero(reference.accepted)
    schema_columns = {name: [values[at] for at in accepted] for name, values in columns.items()}
    outputs = run(model, scoring.table.schema.arrays_from_columns(schema_columns))
    distances = np.zeros(len(accepted))
    wrong = np.zeros(len(accepted), bool)
    for name, expected in reference.outputs.items():
        came = outputs[name].reshape(expected.shape)
        if expected.dtype.kind in "Oi":
            wrong |= came != expected
        else:
            largest = np.abs(expected).max() or 1.0
            apart = np.abs(came - expected) / largest
            apart[np.isnan(came) & np.isnan(expected)] = 0
            distances = np.maximum(distances, np.nan_to_num(apart, nan=np.inf).reshape(len(accepted), -1).max(axis=1))
    wrong &= ~_ties(reference.outputs)
    order = np.lexsort((-distances, ~wrong))[:_SHOWN]
    return Proof(len(accepted), float(distances.max()), int(wrong.sum()), tuple((accepted[order] + 1).tolist()))


def _columns(scoring: Scoring) -> dict[str, list[Any]]:
    """A file's values by feature, as a request would have them: numbers, strings, None."""
    table = scoring.table
    columns: dict[str, list[Any]] = {name: [] for name in table.schema.columns}
    for part in scoring.parts():
        rows: Any = part if isinstance(table, ParquetTable) else table.rows(cast("Block", part))
        for at in range(len(rows)):
            try:
                values = table.values(rows, at)
            except BadRow:
                continue  # as the scorer would
            for name, found in columns.items():
                found.append(values.get(name))
        if len(next(iter(columns.values()))) >= MOST_ROWS:
            break
    return columns


def _opened(model: Model, sample: Path) -> Scoring:
    try:
        return Scoring.open(model, sample.name, io.BytesIO(sample.read_bytes()), Options())
    except OSError as error:
        raise DespliegueError(f"the sample {sample} cannot be read: {error.strerror}") from error


def _ties(outputs: dict[str, Array]) -> Array:
    """The rows whose two best probabilities are as good as equal."""
    probabilities = next((each for each in outputs.values() if each.dtype.kind == "f" and each.ndim == 2), None)
    rows = len(next(iter(outputs.values())))
    if probabilities is None or probabilities.shape[1] < 2:
        return np.zeros(rows, bool)
    best = np.sort(probabilities, axis=1)[:, -2:]
    tied: Array = best[:, 1] - best[:, 0] < _TIE
    return tied
