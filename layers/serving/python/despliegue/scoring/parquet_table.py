"""Parquet: read and written in batches of rows, whatever the size of the file and its row groups."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO, Final, Self, cast

import numpy as np
import orjson
from arro3.core import Array as ArrowArray
from arro3.core import DataType, Field, RecordBatch, RecordBatchReader
from arro3.core import Schema as ArrowSchema
from arro3.io import read_parquet, write_parquet

from despliegue.errors import UnscorableFile
from despliegue.features import Schema, arrow
from despliegue.models.interrupts import held_back
from despliegue.models.model import Array
from despliegue.scoring.columns import match_columns, match_position
from despliegue.scoring.compression import Sink
from despliegue.scoring.guards import Guard, GuardedSink, GuardedSource
from despliegue.scoring.options import Options
from despliegue.scoring.predictions import PredictionColumns

MAGIC: Final = b"PAR1"
BATCH_ROWS: Final = 2048
_ROW_GROUP: Final = 65_536
_ROW_GROUP_BYTES: Final = 16 * 1024 * 1024
"""Most rows, and about the most bytes, of a row group that is written: it is held in memory until it is whole."""
_DICTIONARY_BYTES: Final = 16_384
"""A larger dictionary of a column is given up: numbers that hardly repeat would be written at a third of the speed."""


class Batch:
    """Rows of one record batch."""

    def __init__(self, batch: RecordBatch) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    def __getitem__(self, at: slice, /) -> Self:
        start, stop, _ = at.indices(len(self))
        return type(self)(self.batch.slice(start, stop - start))


class ParquetTable:
    """Rows of Parquet; a `rows.Table`.

    Attributes:
        schema: the model's columns.
        names: the input's columns.
    """

    extension = ".parquet"
    extensions = (".parquet", ".pq")
    content_type = "application/vnd.apache.parquet"

    def __init__(self, schema: Schema, source: BinaryIO, options: Options) -> None:
        """Open a file.

        Raises:
            UnscorableFile: it cannot be read, or its columns are not the model's.
        """
        if options.delimiter or options.header is not None:
            raise UnscorableFile("Parquet has no delimiter and no header; those options are for CSV")
        self._guard = Guard()
        source.seek(-len(MAGIC), os.SEEK_END)
        if source.read(len(MAGIC)) != MAGIC:
            raise UnscorableFile(f"the Parquet file is cut short: it does not end in {MAGIC.decode()}")
        source.seek(0)
        with self._guard.around("the file is not readable as Parquet"):
            self._reader = read_parquet(cast("BinaryIO", GuardedSource(source, self._guard)), batch_size=BATCH_ROWS)
        fields = [self._reader.schema.field(at) for at in range(len(self._reader.schema.names))]
        self._fields = fields
        self.names: Sequence[str] = [field.name for field in fields]
        self._join = options.join and options.id is None
        self._id = None if options.id is None else match_position(options.id, self.names, len(fields))
        places = [place for place in range(len(fields)) if place != self._id]
        self.schema = schema if schema.columns else schema.positional([self.names[place] for place in places])
        self._places = (
            match_columns(schema, self.names) if schema.columns else dict(zip(self.schema.columns, places, strict=True))
        )
        for name, place in self._places.items():
            column = self.schema.columns[name]
            kind = fields[place].type
            if not arrow.suits(kind, column):
                raise UnscorableFile(
                    f"column '{self.names[place]}' is {arrow.type_name(kind)}; expected {column.expected}",
                    subject=name,
                )
        # Then all of them become a matrix in one step.
        self._are_floats = list(self._places) == list(self.schema.columns) and all(
            DataType.is_float64(fields[place].type) or DataType.is_float32(fields[place].type)
            for place in self._places.values()
        )
        if self._join:
            self._kept = list(range(len(fields)))
        else:
            self._kept = [] if self._id is None else [self._id]

    def facts(self) -> dict[str, Any]:
        """What was found, for the report."""
        missing = [name for name in self.schema.columns if name not in self._places]
        return {"format": "parquet", "columns": len(self.names), "missing_features": missing}

    def arrays(self, rows: Batch) -> dict[str, Array]:
        """The model's inputs; see `rows.Table`."""
        columns = rows.batch.columns
        if self._are_floats and not any(columns[place].null_count for place in self._places.values()):
            floats = [columns[place].to_numpy() for place in self._places.values()]
            if (arrays := self.schema.arrays_from_floats(floats, len(rows))) is not None:
                return arrays
        return self.schema.arrays_from_columns(
            {name: arrow.values(columns[place], self.schema.columns[name]) for name, place in self._places.items()}
        )

    def values(self, rows: Batch, at: int) -> dict[str, Any]:
        """The values of one row; see `rows.Table`."""
        one = rows.batch.slice(at, 1)
        return {name: arrow.as_json(one.column(place).to_pylist()[0]) for name, place in self._places.items()}

    def suspects(self, rows: Batch) -> list[int]:
        """Rows with a null where none is taken; see `rows.Table`."""
        required = [place for name, place in self._places.items() if self.schema.columns[name].missing is None]
        columns = [rows.batch.column(place) for place in required]
        nulls = [column.to_pylist() for column in columns if column.null_count]
        return sorted({at for values in nulls for at, value in enumerate(values) if value is None})

    def pick(self, rows: Batch, wanted: list[int]) -> Batch:
        """Only these rows."""
        return Batch(rows.batch.take(ArrowArray.from_numpy(np.array(wanted, np.uint32))))

    def raw(self, rows: Batch, at: int) -> str:
        """One row as JSON."""
        one = rows.batch.slice(at, 1)
        values = {name: _shown(one.column(place)) for place, name in enumerate(self.names)}
        return orjson.dumps(values, default=str).decode()

    def blocks(self) -> Iterator[Batch]:
        """The rows of the file in parts.

        Raises:
            UnscorableFile: the file is damaged.
        """
        while True:
            with self._guard.around("the Parquet data is damaged"):
                batch = next(self._reader, None)
            if batch is None:
                return
            yield Batch(batch)

    def write(
        self, pieces: Iterable[tuple[Any, tuple[Batch, PredictionColumns]]], none: PredictionColumns, output: Sink
    ) -> None:
        """Write the rows with their predictions.

        Args:
            pieces: beside the predictions' names, which are theirs too, the rows and their predictions.
            none: the predictions of no rows, for the columns of a file that has none.
            output: where to.
        """
        batches = (self._scored(rows.batch, predictions) for _, (rows, predictions) in pieces)
        with held_back(once=True) as handle_signals, self._guard.around(""):
            scored = self._guarded(batches, handle_signals)
            first = next(scored, None)
            if first is None:
                empty = RecordBatch.from_arrays(
                    [ArrowArray([], type=each.type) for each in self._fields], schema=ArrowSchema(self._fields)
                )
                first = self._scored(empty, none)
            write_parquet(
                RecordBatchReader.from_batches(first.schema, chain([first], scored)),
                cast("BinaryIO", GuardedSink(output, self._guard)),
                compression="snappy",
                max_row_group_size=max(1, min(_ROW_GROUP, _ROW_GROUP_BYTES * first.num_rows // max(1, first.nbytes))),
                dictionary_page_size_limit=_DICTIONARY_BYTES,
            )

    def _scored(self, batch: RecordBatch, predictions: PredictionColumns) -> RecordBatch:
        arrays = [to_arrow(array) for array in predictions.arrays]
        fields = [Field(name, array.type) for name, array in zip(predictions.names, arrays, strict=True)]
        columns = batch.columns
        return RecordBatch.from_arrays(
            [*(columns[place] for place in self._kept), *arrays],
            schema=ArrowSchema([*(self._fields[place] for place in self._kept), *fields]),
        )

    def _guarded(self, batches: Iterator[RecordBatch], between: Callable[[], None]) -> Iterator[RecordBatch]:
        with self._guard.keeping():
            for batch in batches:
                self._guard.check()
                between()
                yield batch


def to_arrow(array: Array) -> ArrowArray:
    """A column of predictions."""
    if array.dtype.kind == "O":
        return ArrowArray(array.tolist(), type=DataType.string())
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    return ArrowArray.from_numpy(np.ascontiguousarray(array))


def _shown(one: ArrowArray) -> Any:
    """The only value of a column, for people to see."""
    try:
        return one.to_pylist()[0]
    except Exception as error:  # such as a year that Python's dates do not reach
        return f"unreadable: {error}"
