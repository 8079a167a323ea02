"""The rows of a sample, by column: of a table as the file scorer reads it, or the arrays of an npz."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from despliegue.errors import DespliegueError, UnscorableFile
from despliegue.features.schema import listed
from despliegue.models import Model
from despliegue.scoring import Options, Scoring
from despliegue.scoring.counts import BadRow
from despliegue.scoring.parquet_table import ParquetTable
from despliegue.scoring.records import Oversized
from despliegue_cli.proof.images import read_images
from despliegue_cli.proof.npz import read_npz
from despliegue_cli.proof.rows import MOST_VALUES, Rows, fitting

if TYPE_CHECKING:
    from despliegue.scoring.text_table import Block

MOST_ROWS: Final = 20_000
_ZIP: Final = b"PK\3\4"


def read_sample(model: Model, path: Path, limit: int = MOST_ROWS) -> Rows:
    """The first rows of a sample.

    Args:
        model: whose features or inputs they are.
        path: CSV with a header, JSON Lines or Parquet, CSV and JSON Lines also in gzip or zstd; or npz; or, for images,
            a folder. Other columns than the features are no matter.
        limit: the most rows; fewer are read where they are very long.

    Raises:
        DespliegueError: it cannot be read, has no rows that fit, or lacks a feature or an input.
    """
    if path.is_dir():
        return read_images(model, path, limit)
    if model.media_types:
        raise DespliegueError(
            f"the model takes images; expected a folder of JPEG and PNG files as the sample, not {path}"
        )
    try:
        with path.open("rb") as file:
            if file.read(len(_ZIP)) == _ZIP:
                return read_npz(model, path, limit)
            file.seek(0)
            scoring = Scoring.open(model, path.name, file, Options())
            return _read_table(scoring, path, limit)
    except UnscorableFile as error:
        raise DespliegueError(f"the sample {path}: {error}") from error
    except OSError as error:
        raise DespliegueError(f"the sample {path} cannot be read: {error.strerror or error}") from error


def _read_table(scoring: Scoring, path: Path, limit: int) -> Rows:
    columns = scoring.table.schema.columns
    limit = min(limit, max(1, MOST_VALUES // len(columns)))
    found: dict[str, list[Any]] = {name: [] for name in columns}
    numbers: list[int] = []
    total, reason = 0, ""
    for total, values in enumerate(_values(scoring), start=1):
        if isinstance(values, str):
            reason = reason or f"row {total:,}: {values}"
        else:
            numbers.append(total)
            for name, column in found.items():
                column.append(values.get(name, msgspec.UNSET))
        if total == limit:
            break
    # The scorer takes such a column for one whose values are all missing. Here that would prove next to nothing.
    absent = [name for name, column in found.items() if numbers and all(value is msgspec.UNSET for value in column)]
    if missing := [name for name in absent if not columns[name].optional]:
        names: Sequence[str] = scoring.table.names
        raise DespliegueError(
            f"the sample {path} has no column {listed(missing)}, and so says nothing of what the model makes of it; its"
            f" columns are {listed(names) or 'none'}. Add it, empty where it is missing"
        )
    raw = {name: found[name] for name in columns if name not in absent}
    return fitting(raw, columns, numbers, total, reason, path)


def _values(scoring: Scoring) -> Iterator[dict[str, Any] | str]:
    """For each row its values as JSON would have them, or why it cannot be read."""
    table = scoring.table
    for part in scoring.parts():
        if isinstance(table, ParquetTable):
            rows: Any = part
        elif isinstance(data := cast("Block", part).data, Oversized):
            yield f"it is {data.size:,} bytes long"
            continue
        else:
            rows = table.rows(cast("Block", part))
        for at in range(len(rows)):
            try:
                yield table.values(rows, at)
            except BadRow as error:
                yield error.reason
