"""What is held at a time does not grow with the file, its rows' width or the number of predictions."""

import io
from collections.abc import Callable
from itertools import pairwise

import pytest
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet

from despliegue.models import Model
from despliegue.scoring import Counts, Options, Scoring

ROWS = 20_000


@pytest.mark.parametrize(("model", "most"), [("half", 5000), ("spread", 1000)])
def test_progress_is_told_every_few_rows_however_short_they_are(
    scored_models: Callable[[str], Model], model: str, most: int
) -> None:
    told: list[int] = [0]
    source = io.BytesIO(b"h\n" + b"1\n" * ROWS)

    scoring = Scoring.open(scored_models(model), "rows.csv", source, Options())
    scoring.run(io.BytesIO(), io.BytesIO(), lambda counts: told.append(counts.read))

    assert told[-1] == ROWS
    assert max(after - before for before, after in pairwise(told)) <= most


def test_wide_rows_of_parquet_are_written_in_small_groups(scored_models: Callable[[str], Model]) -> None:
    file, written = io.BytesIO(), [0]
    texts = Array([f"{number:06}" * 700 for number in range(ROWS)], type=DataType.string())
    numbers = Array([1.0] * ROWS, type=DataType.float64())
    write_parquet(Table.from_arrays([numbers, numbers, texts], names=["a", "b", "note"]), file, compression="snappy")
    file.seek(0)
    begun: list[int] = []

    class Output(io.BytesIO):
        def write(self, data: object) -> int:
            written[0] += len(data)  # type: ignore[arg-type]
            return len(data)  # type: ignore[arg-type]

    def progress(counts: Counts) -> None:
        if written[0] > 1_000_000 and not begun:
            begun.append(counts.read)

    Scoring.open(scored_models("sum"), "rows.parquet", file, Options()).run(Output(), io.BytesIO(), progress)

    assert begun, "84 MB of text were held until the end"
    assert begun[0] <= ROWS // 2
