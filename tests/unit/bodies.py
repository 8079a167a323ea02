"""Graphs as text, and Parquet bodies, made for a test."""

import io
from typing import Any

from arro3.core import Array, DataType, Table
from arro3.io import write_parquet


def graph(signature: str, body: str) -> str:
    return f'<ir_version: 10, opset_import: ["": 21]> g {signature} {{ {body} }}'


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    output = io.BytesIO()
    write_parquet(Table.from_arrays(list(columns.values()), names=list(columns)), output, **options)
    return output.getvalue()


def strings(*values: str | None) -> Array:
    return Array(list(values), type=DataType.string())


def numbers(*values: float | None) -> Array:
    return Array(list(values), type=DataType.float64())
