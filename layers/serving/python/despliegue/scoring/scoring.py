"""One file and one model: what the file is, and then its rows, scored, to where they belong."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, BinaryIO, Final, Self, cast

import msgspec

from despliegue.errors import DespliegueError, InvalidRequest, NotSupported, UnscorableFile
from despliegue.features import Schema
from despliegue.models import Model
from despliegue.scoring import compression
from despliegue.scoring.compression import Compressed, Decompressed, Rewound, Sink, Source
from despliegue.scoring.counts import MAX_RECORD, Counts, Reject, TooManyRejects
from despliegue.scoring.csv_table import CsvTable
from despliegue.scoring.json_lines import JsonLinesTable
from despliegue.scoring.options import Options
from despliegue.scoring.parquet_table import MAGIC, Batch, ParquetTable
from despliegue.scoring.predictions import PredictionColumns, prediction_columns
from despliegue.scoring.records import BLOCK, Oversized, read_fully
from despliegue.scoring.rows import Outputs, count, run, score_rows
from despliegue.scoring.text_table import Block, TextTable

HEAD: Final = 64 * 1024
"""Bytes that tell what a file is; more are read where the first line is longer."""
_MAX_ROWS: Final = 2048
"""Rows scored at a time: more are no faster, and their outputs would grow with them."""
_MAX_VALUES: Final = 200_000
"""Predicted values at a time: a text with many is given in shorter blocks."""
_MIN_BLOCK: Final = 1024
_FOREIGN: Final = {b"PK\x03\x04": "a zip archive or an Excel workbook", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_CONTENT_TYPES: Final = {"gzip": "application/gzip", "zstd": "application/zstd"}

type Piece = tuple[Any, PredictionColumns]
"""Rows of a table, and their predictions."""


class Done(msgspec.Struct):
    """A part of a file, scored.

    Attributes:
        names: what the predictions are called; none where nothing was scored.
        pieces: of a text, its encoded lines; of Parquet, rows with their predictions.
        rejects: numbered from 1 in this part.
        counts: of this part.
    """

    names: tuple[str, ...]
    pieces: list[Any]
    rejects: list[Reject]
    counts: Counts

    def add(self, other: Self) -> None:
        """Go on with what follows."""
        self.names = self.names or other.names
        self.pieces += other.pieces
        self.rejects += other.rejects
        self.counts.add(other.counts)


class Scoring:
    """The scoring of one file, once.

    Attributes:
        table: its format.
        suffix: what the scored file's name ends in, such as `.csv.gz`.
        content_type: of the scored file.
        packing: `gzip`, `zstd` or ''.
        head: how the text begins, unpacked: it tells all that is to be known of it. Empty for Parquet.
    """

    def __init__(
        self, model: Model, table: TextTable | ParquetTable, source: Source, options: Options, suffix: str
    ) -> None:
        self.table = table
        self.suffix = suffix
        self.content_type = table.content_type
        self.packing = ""
        self.head = b""
        self._model, self._source, self._options = model, source, options
        self._none = self._without_rows()

    @classmethod
    def open(cls, model: Model, name: str, source: BinaryIO, options: Options) -> Self:
        """Find out what a file is.

        Args:
            model: the model that will score it.
            name: the file's name; its end tells CSV and JSON Lines apart, where it says either.
            source: the file, from its beginning. Only Parquet needs `seek` and `tell`.
            options: what was said of it.

        Raises:
            UnscorableFile: it is no table of the model's features.
            ModelNotReady: the model's manifest does not fit its inputs.
        """
        if model.media_types:
            raise UnscorableFile(f"model '{model.name}' takes an image a request; files of rows are not scored with it")
        schema = Schema.read(model.signature, model.manifest)
        head = read_fully(source, HEAD)
        packing = compression.found_in(head)
        try:
            if not packing and head.startswith(MAGIC):
                source.seek(0)
                return cls(model, ParquetTable(schema, source, options), source, options, ParquetTable.extension)
            opened: Source = Rewound(head, source)
            if packing:
                opened = Decompressed(opened, packing)
            head, whole = _beginning(opened)
            opened = Rewound(head, opened)
            table, extension = _open_text(schema, name.lower(), head, options, whole=whole)
        except InvalidRequest as error:
            raise UnscorableFile(str(error)) from error
        scoring = cls(model, table, opened, options, extension + compression.SUFFIXES[packing])
        scoring.head, scoring.packing = head, packing
        scoring.content_type = _CONTENT_TYPES.get(packing, table.content_type)
        return scoring

    def facts(self) -> dict[str, Any]:
        """What was found, for the report."""
        return {**self.table.facts(), "compression": self.packing or None}

    def run(
        self,
        output: Sink,
        rejects: Sink,
        progress: Callable[[Counts], None] | None = None,
        mapped: Callable[[Callable[[Any], Done], Iterator[Any]], Iterator[Done]] = map,
    ) -> Counts:
        """Score all rows.

        Args:
            output: gets the scored file, in the format of the input.
            rejects: gets a line of JSON for each row that is not scored.
            progress: called after each part of the file; it may raise to stop.
            mapped: applies `score` to each of `parts`, in order; several at once, if it likes.

        Returns:
            The counts of the whole file; they add up.

        Raises:
            UnscorableFile: the file is damaged, or its model gives no table. What was written so far is void.
            TooManyRejects: more rows were rejected than the options allow; the rejects are whole, the output is void.
        """
        counts = Counts()
        pieces = self._pieces(mapped(self.score, self.parts()), rejects, counts, progress)
        try:
            if isinstance(self.table, ParquetTable):
                self.table.write(pieces, self._none, output)
            elif self.packing:
                with closing(Compressed(output, self.packing)) as packed:
                    self._write(self.table, pieces, packed)
            else:
                self._write(self.table, pieces, output)
        except (NotSupported, InvalidRequest) as error:
            raise UnscorableFile(str(error)) from error
        counts.check()
        self._judge(counts)
        return counts

    def parts(self) -> Iterator[Batch | Block]:
        """The file in parts, each for itself to be scored."""
        if isinstance(self.table, ParquetTable):
            return self.table.blocks()
        # So long that a block has about as many rows as are scored at a time: progress is told, and time looked at,
        # after each.
        rows = max(1, min(_MAX_ROWS, _MAX_VALUES // max(1, len(self._none.names))))
        row = len(self.head) // max(1, len(self.table.splitter.records(self.head)))
        return self.table.blocks(self._source, min(BLOCK, max(_MIN_BLOCK, rows * row)))

    def score(self, part: Batch | Block) -> Done:
        """Score a part."""
        if isinstance(part, Batch):
            return self._score_rows(part)
        if isinstance(part.data, Oversized):
            return Done((), [], [_oversized(part.data)], Counts(1, 0, 1))
        table = cast("TextTable", self.table)
        done = Done((), [], [], Counts())
        rows = table.rows(part)
        # A block is cut up only where it has far more rows than the file's beginning made one expect.
        size = len(rows) if len(rows) <= 2 * _MAX_ROWS else _MAX_ROWS
        for start in range(0, len(rows), max(1, size)):
            some = self._score_rows(rows if size == len(rows) else rows[start : start + size], start + 1)
            encoded = [table.encode(piece, predictions) for piece, predictions in some.pieces]
            done.add(msgspec.structs.replace(some, pieces=encoded))
        return done

    def predicted(self, rows: Any, outputs: Outputs) -> Piece:
        """Rows with the columns that the model's outputs for them are."""
        return rows, prediction_columns(self._model, outputs, len(rows), self.table.names)

    def _score_rows(self, rows: Any, first: int = 1) -> Done:
        scored = score_rows(self._model, self.table, rows, first)
        pieces = [self.predicted(part, outputs) for part, outputs in scored.pieces]
        names = pieces[0][1].names if pieces else ()
        return Done(names, pieces, scored.rejects, count(scored))

    def _pieces(
        self, parts: Iterator[Done], rejects: Sink, counts: Counts, progress: Callable[[Counts], None] | None
    ) -> Iterator[tuple[tuple[str, ...], Any]]:
        """What is written, part by part, with the predictions' names; the rejects are numbered and written."""
        for done in parts:
            for piece in done.pieces:
                yield done.names, piece
            if done.rejects:
                lines = (msgspec.structs.replace(each, row=each.row + counts.read).line() for each in done.rejects)
                rejects.write(b"".join(lines))
            counts.add(done.counts)
            if progress is not None:
                progress(counts)

    def _write(self, table: TextTable, pieces: Iterator[tuple[tuple[str, ...], bytes]], output: Sink) -> None:
        started = False
        for names, text in pieces:
            if not started:
                output.write(table.beginning(names))
                started = True
            output.write(text)
        if not started:
            output.write(table.beginning(self._none.names))

    def _judge(self, counts: Counts) -> None:
        """Whether few enough rows were rejected.

        Raises:
            TooManyRejects: not.
        """
        if counts.read and not counts.scored:
            raise TooManyRejects(f"every one of {counts.read:,} rows was rejected; the rejects say why", counts)
        if counts.rejected > self._options.reject_threshold * counts.read:
            raise TooManyRejects(
                f"{counts.rejected:,} of {counts.read:,} rows were rejected; the threshold is"
                f" {self._options.reject_threshold:.4g} of them",
                counts,
            )

    def _without_rows(self) -> PredictionColumns:
        """The predictions of no rows, as a row of zeros tells; none where the model does not take zeros."""
        try:
            predictions = prediction_columns(self._model, run(self._model, self._model.zeros()), 1, self.table.names)
        except UnscorableFile:
            raise
        except DespliegueError:
            return PredictionColumns((), ())
        if isinstance(self.table, TextTable):
            self.table.reserved = frozenset(predictions.names)
        return PredictionColumns(predictions.names, tuple(array[:0] for array in predictions.arrays))


def _oversized(line: Oversized) -> Reject:
    """The reject of a line that is too long to be a row."""
    reason = f"the row is {line.size:,} bytes long; it may have {MAX_RECORD:,}. Only its beginning is kept here"
    return Reject(1, None, reason, line.beginning.decode(errors="backslashreplace"))


def _beginning(source: Source) -> tuple[bytes, bool]:
    """The first bytes of a text, at least its first line if that can be a row's, and whether they are all of it."""
    head = read_fully(source, HEAD + 1)
    whole = len(head) <= HEAD
    while not whole and b"\n" not in head and len(head) < MAX_RECORD:
        more = read_fully(source, HEAD)
        head, whole = head + more, not more
    return head, whole


def _open_text(schema: Schema, name: str, head: bytes, options: Options, *, whole: bool) -> tuple[TextTable, str]:
    """The table that `head` begins, and the ending that its name has, or should have."""
    stem, ending = os.path.splitext(name)
    if ending in compression.SUFFIXES.values():
        ending = os.path.splitext(stem)[1]
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise UnscorableFile(f"the file is {what}; expected CSV or JSON Lines in UTF-8, or Parquet")
    if head.startswith(MAGIC):
        raise UnscorableFile("the file is Parquet within gzip or zstd; expected it as it is: Parquet compresses itself")
    if ending in ParquetTable.extensions:
        raise UnscorableFile(f"the file is called {ending}, but does not begin as Parquet does, with {MAGIC.decode()}")
    if b"\0" in head:
        raise UnscorableFile(
            f"the file is no text: a NUL byte is at {head.index(0):,}; expected CSV, JSON Lines or Parquet"
        )
    kind: type[CsvTable | JsonLinesTable] = CsvTable
    start = head.removeprefix(compression.BOM).lstrip()[:1]
    if ending in JsonLinesTable.extensions or (ending not in CsvTable.extensions and start in (b"{", b"[")):
        kind = JsonLinesTable
    table = kind.open(schema, head, options, whole=whole)
    return table, ending if ending in kind.extensions else kind.extension
