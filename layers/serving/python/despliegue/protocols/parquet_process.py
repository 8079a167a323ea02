"""The process that reads one Parquet body: schema and body come in by stdin, arrays or an error go out by stdout."""

import io
import pickle
import re
import resource
import sys
from contextlib import suppress
from typing import Any, Final

from arro3.core import Table
from arro3.io import read_parquet

from despliegue.errors import VALUE_CHARACTERS, InvalidRequest, PayloadTooLarge, shorten
from despliegue.features import Schema, arrow
from despliegue.features.schema import repeated
from despliegue.models.model import Array
from despliegue.protocols.instances import check_size

_BATCH_ROWS: Final = 1024
_MAX_BYTES: Final = 100 * 1024 * 1024
"""Most bytes that the columns may come to once they are unpacked, as for a packed body."""
_MAX_MEMORY: Final = 1024 * 1024 * 1024
"""Bytes of memory at which the process ends: a value that stands once in a file may be unpacked a million times."""
_INDEX: Final = re.compile(r"__index_level_\d+__")
"""The columns that pandas keeps its index in."""


def read(body: bytes, schema: Schema) -> dict[str, Array]:
    """The model's inputs; see `decode_parquet`. Columns are found by their names.

    Raises:
        InvalidRequest: `body` is not readable, or does not fit the model.
        PayloadTooLarge: it unpacks to more than is read.
    """
    try:
        reader = read_parquet(io.BytesIO(body), batch_size=_BATCH_ROWS)
        schema = _named(schema, reader.schema)
        batches, rows, size = [], 0, 0
        for batch in reader:
            rows, size = rows + batch.num_rows, size + batch.nbytes
            check_size(rows, schema, body)
            if size > _MAX_BYTES:
                raise PayloadTooLarge(
                    f"the columns unpack to more than the {_MAX_BYTES:,} bytes allowed; send fewer rows in a request"
                )
            batches.append(batch)
        table = Table.from_batches(batches, schema=reader.schema).combine_chunks()
        columns = {name: _column(table, name, schema) for name in table.column_names if name in schema.columns}
    except (InvalidRequest, PayloadTooLarge):
        raise
    except BaseException as error:
        # arro3 raises Exception itself, and a panic of Rust, which a damaged file can cause, is not even one.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise InvalidRequest(f"the body is not readable as Parquet: {shorten(str(error))}") from error
        raise
    return schema.arrays_from_columns(columns)


def _named(schema: Schema, arrow_schema: Any) -> Schema:
    """The schema whose columns are the file's, once it is known that they fit."""
    names = [name for name in arrow_schema.names if not _INDEX.fullmatch(name)]
    if (twice := repeated(names)) is not None:
        raise InvalidRequest(f"the column {shorten(twice)} is there twice")
    if not schema.columns:
        schema = schema.positional(names)
    for name in names:
        if name not in schema.columns:
            raise InvalidRequest(schema.unknown(name))
        kind, column = arrow_schema.field(name).type, schema.columns[name]
        if not arrow.suits(kind, column):
            came = arrow.type_name(kind)[:VALUE_CHARACTERS]
            raise InvalidRequest(f"column '{name}' is {came}; expected {column.expected}", subject=name)
    return schema


def _column(table: Table, name: str, schema: Schema) -> Any:
    chunks = table.column(name).chunks
    return arrow.values(chunks[0], schema.columns[name]) if chunks else []


def main() -> None:
    """Answer with the arrays by name, or with the error's code, message and subject."""
    with suppress(ValueError, OSError):  # some systems know no such limit
        resource.setrlimit(resource.RLIMIT_DATA, (_MAX_MEMORY, _MAX_MEMORY))
    schema, body = pickle.load(sys.stdin.buffer)  # noqa: S301 – from the process that started this one
    answer: Any
    try:
        answer = read(body, schema)
    except (InvalidRequest, PayloadTooLarge) as error:
        answer = (error.code, str(error), error.subject)
    pickle.dump(answer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
