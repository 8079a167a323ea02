"""Columns and records ↔ named arrays, so that a file and a request give the same numbers; no wire format here."""

from despliegue.features.column import Column
from despliegue.features.predictions import Classification, Outputs, Predictions, Regression, read_predictions
from despliegue.features.records import RecordType
from despliegue.features.schema import Schema

__all__ = [
    "Classification",
    "Column",
    "Outputs",
    "Predictions",
    "RecordType",
    "Regression",
    "Schema",
    "read_predictions",
]
