"""Records → named arrays at full speed: a msgspec Struct generated from the schema, whose fields are the features."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from operator import is_
from typing import Any, Final, Self

import msgspec
import numpy as np
from msgspec.structs import astuple

from despliegue.features.schema import Schema
from despliegue.models.model import Array

_TYPES: Final[dict[str, type]] = {"b": bool, "i": int, "u": int, "f": float, "O": str}


class RecordType:
    """Records of one schema.

    Attributes:
        schema: the schema.
        type: the Struct to decode records into, by `msgspec.json.Decoder(type)` or a list of it. A feature that may be
            missing may be null or absent; any other key is refused. msgspec takes the last of two equal keys: that
            must be found by who decodes.
        may_miss: some feature may be missing, so that a record may be shorter than its Struct.
    """

    def __init__(self, schema: Schema, record: type[msgspec.Struct]) -> None:
        self.schema = schema
        self.type = record
        self.may_miss = any(column.missing is not None for column in schema.columns.values())
        self._pack = struct.Struct(f"{len(schema.columns)}d").pack
        self._has_others = len(record.__struct_fields__) > len(schema.columns)

    @classmethod
    def of(
        cls,
        schema: Schema,
        keys: Mapping[str, str] | None = None,
        others: Sequence[str] = (),
        *,
        positional: bool = False,
    ) -> Self | None:
        """The record type of a schema; None where it has no named columns, or a name that msgspec cannot take.

        Args:
            schema: the columns.
            keys: what a feature is called in the records, where that is not its name.
            others: further keys that a record may have; their values are not looked at.
            positional: a record is a JSON array, its values in the features' order.
        """
        columns = schema.columns.values()
        if not columns or any(column.optional for column in columns):
            return None
        fields: list[Any] = []
        for position, column in enumerate(columns):
            field, base = f"f{position}", _TYPES[column.datatype.kind]
            missing = (field, base | None | msgspec.UnsetType, msgspec.UNSET)
            fields.append((field, base) if column.missing is None else missing)
        called = [(keys or {}).get(name, name) for name in schema.columns]
        for position, name in enumerate(others, len(called)):
            fields.append((f"f{position}", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET))
            called.append(name)
        names = {f"f{position}": name for position, name in enumerate(called)}
        try:
            record = msgspec.defstruct(
                "Record",
                fields,
                rename=names,
                forbid_unknown_fields=True,
                kw_only=not positional,
                array_like=positional,
                gc=False,
            )
        except ValueError:  # a quote, a backslash or a control character in a name
            return None
        except TypeError:  # by position, a feature that may be missing before one that may not
            return None
        return cls(schema, record)

    def arrays(self, records: Sequence[msgspec.Struct]) -> tuple[dict[str, Array], int]:
        """The model's inputs, from records of this type, and how many values are absent.

        Raises:
            InvalidRequest: a value is out of its datatype's range.
        """
        matrix, width = self.schema.matrix, len(self.schema.columns)
        rows: Iterable[tuple[Any, ...]] = map(astuple, records)
        absent = 0
        if self._has_others:
            whole = list(rows)
            absent = _unset(row[width:] for row in whole)
            rows = [row[:width] for row in whole]
        if matrix is not None and matrix.datatype.kind == "f":
            try:
                # Packing into bytes is four times as fast as making an array of tuples.
                flat = np.frombuffer(b"".join([self._pack(*row) for row in rows]), np.float64)
                with np.errstate(over="raise"):
                    array = flat.astype(matrix.datatype.dtype)
                return {matrix.name: array.reshape(len(records), width)}, absent
            except (struct.error, FloatingPointError):  # something is missing, or out of range
                rows = (astuple(record)[:width] for record in records)
        rows = list(rows)
        if self.may_miss:
            absent += _unset(rows)
        columns = zip(*rows, strict=True) if rows else repeat((), width)
        return self.schema.arrays_from_columns(dict(zip(self.schema.columns, columns, strict=True))), absent


def _unset(rows: Iterable[tuple[Any, ...]]) -> int:
    return sum(map(is_, chain.from_iterable(rows), repeat(msgspec.UNSET)))
