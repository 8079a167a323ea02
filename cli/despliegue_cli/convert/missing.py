"""Missing values: what stands for them in a graph, and in scikit-learn."""

from typing import Any, Final

MISSING_TEXT: Final = ""
"""What stands for a missing text in a graph, which has no null."""


def is_missing(value: Any) -> bool:
    """Whether a category or statistic of scikit-learn stands for a missing value: None, NaN or pandas' NA."""
    return value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and value != value)
