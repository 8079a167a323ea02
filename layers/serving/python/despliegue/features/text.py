"""A value written as text, as CSV has it → the value that JSON would have: one rule for files and for requests."""

import re
from typing import Any, Final

from despliegue.features.column import Column

MISSING: Final = frozenset({"", "na", "n/a", "nan", "-nan", "null", "none"})
"""What stands for no number, whatever its case; pandas, R and SQL write these."""
NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)
_INTEGER: Final = re.compile(r"([+-]?\d{1,4000})(?:\.0*)?", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}


def read_text(text: str, column: Column) -> Any:
    """The value of one field; None where it is missing. A text that is none of the column's kind stays a text.

    `Column.problem` and `Column.array` refuse what stayed a text, and name it as it was written.
    """
    kind = column.datatype.kind
    if kind == "O":
        return text if text or column.missing is None else None
    word = text.strip()
    if word.casefold() in MISSING:
        return None
    if kind == "b":
        return _BOOLEANS.get(word.casefold(), text)
    if kind in "iu" and (integer := _INTEGER.fullmatch(word)):
        return int(integer[1])
    return float(word) if NUMBER.fullmatch(word) else text
