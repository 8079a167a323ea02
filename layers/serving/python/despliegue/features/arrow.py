"""An Arrow column → a feature's values: one rule for files and for requests. Needs the tables layer (arro3)."""

from decimal import Decimal
from typing import Any

import numpy as np
from arro3.core import Array as ArrowArray
from arro3.core import DataType

from despliegue.features.column import Column


def type_name(datatype: DataType) -> str:
    """What an Arrow type is called."""
    return str(datatype).strip().removeprefix("arro3.core.DataType<").removesuffix(">")


def suits(datatype: DataType, column: Column) -> bool:
    """Whether a column of this type can hold values of the feature."""
    if DataType.is_null(datatype):
        return True
    if DataType.is_dictionary(datatype):
        datatype = datatype.value_type
    match column.datatype.kind:
        case "O":
            return any(
                (DataType.is_string(datatype), DataType.is_large_string(datatype), DataType.is_string_view(datatype))
            )
        case "b":
            return bool(DataType.is_boolean(datatype))
        case _:
            return any((DataType.is_integer(datatype), DataType.is_floating(datatype), DataType.is_decimal(datatype)))


def values(array: ArrowArray, column: Column) -> Any:
    """A column's values: an array, or a list where some are missing."""
    if column.datatype.kind == "f" and not DataType.is_float32(array.type):
        array = array.cast(DataType.float64())
    if column.datatype.kind in "Ob" or array.null_count or not DataType.is_primitive(array.type):
        found = [as_json(value) for value in array.to_pylist()]
        return np.array(found, np.float64) if column.datatype.kind == "f" else found
    return array.to_numpy()


def as_json(value: Any) -> Any:
    """A value as JSON would have it: Decimal is none of its types."""
    return float(value) if isinstance(value, Decimal) else value
