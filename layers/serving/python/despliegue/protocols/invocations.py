"""MLflow's `/invocations` in JSON → named arrays: a DataFrame in one of two forms, or V1's `instances` and `inputs`.

Source: mlflow.org/docs, "Inference Server Specification". `params` are for models that declare some, which an ONNX
file cannot; like any other key beside the data they are ignored, as MLflow's server does where a model takes none.
"""

import re
from typing import Any, Final

from despliegue.errors import InvalidRequest, shorten
from despliegue.features import Schema
from despliegue.features.schema import repeated
from despliegue.models.model import Array
from despliegue.protocols.document import parse_object, pick, plain, type_name
from despliegue.protocols.instances import decode_inputs, decode_instances
from despliegue.protocols.predict_v1 import Decoder

FORMS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
_FRAME_RECORDS: Final = re.compile(rb'\s*\{\s*"dataframe_records"\s*:\s*\[')
"""How a body begins that is read as fast as V1's records."""
_LISTED: Final = 10


def decode_json(body: bytes, decoder: Decoder) -> dict[str, Array]:
    """The model's inputs, from a body that has just one of `FORMS`.

    Raises:
        InvalidRequest: `body` is not valid JSON, or does not fit the protocol or the model.
        PayloadTooLarge: its rows leave out more values than are filled in.
    """
    start = _FRAME_RECORDS.match(body)
    arrays = decoder.decode_records(body if start is None else b'{"instances":[' + body[start.end() :])
    if arrays is not None:
        return arrays
    document = parse_object(body)
    given = pick(document, FORMS)
    if len(given) != 1:
        came = list(given) or [shorten(key) for key in list(document.keys())[:_LISTED]]
        raise InvalidRequest(
            f"the body has {' and '.join(came) or 'no key'}; expected exactly one of {', '.join(FORMS)}"
        )
    [(form, value)] = given.items()
    schema = decoder.schema
    if form == "dataframe_split":
        return _decode_split(value, schema, body)
    if form == "dataframe_records":
        return _decode_frame_records(value, schema, body)
    if form == "inputs" and not _is_records(value):
        return decode_inputs(value, schema, body)
    return decode_instances(value, schema, body)


def _decode_frame_records(value: Any, schema: Schema, body: bytes) -> dict[str, Array]:
    """`DataFrame.to_dict(orient="records")`."""
    if type_name(value) != "an array":
        raise InvalidRequest(
            f"dataframe_records is {type_name(value)}; expected an array of objects", subject="dataframe_records"
        )
    if len(value) and not _is_records(value):
        raise InvalidRequest(f"row 0 is {type_name(value[0])}; expected an object", subject="dataframe_records")
    return decode_instances(value, schema, body)


def _decode_split(value: Any, schema: Schema, body: bytes) -> dict[str, Array]:
    """`DataFrame.to_dict(orient="split")`; its `index` names the rows, which is none of the model's business."""
    if type_name(value) != "an object":
        raise InvalidRequest(
            f"dataframe_split is {type_name(value)}; expected an object with columns and data",
            subject="dataframe_split",
        )
    table = pick(value, ("columns", "data", "index"))
    for key in ("columns", "data"):
        if type_name(table.get(key)) != "an array":
            problem = f"is {type_name(table[key])}" if key in table else "is missing"
            raise InvalidRequest(f"dataframe_split: {key} {problem}; expected an array", subject="dataframe_split")
    names, rows = plain(table["columns"]), table["data"]
    by_position = _is_by_position(names, schema)
    if not by_position:
        rows = plain(rows)
    # Where all are to be read by position, how wide the others are is found on the fast way.
    for number, row in enumerate(rows if not by_position else rows[:1]):
        if type_name(row) != "an array":
            raise InvalidRequest(f"row {number:,} is {type_name(row)}; expected an array of {len(names):,} values")
        if len(row) != len(names):
            raise InvalidRequest(f"row {number:,} has {len(row):,} values; expected {len(names):,}, as columns has")
    if by_position:
        beside = 1 + (type_name(table.get("index")) == "an array")  # of columns and index
        return decode_instances(rows, schema, body, beside)
    columns = map(list, zip(*rows, strict=True)) if rows else ([] for _ in names)
    return decode_inputs(dict(zip(names, columns, strict=True)), schema, body)


def _is_by_position(names: list[Any], schema: Schema) -> bool:
    """Whether the columns are in the model's order: they are its features, or have no names, or the model has none.

    Raises:
        InvalidRequest: they are no names.
    """
    if names == list(range(len(names))):  # what pandas numbers a table without names
        return True
    for name in names:
        if not isinstance(name, str):
            raise InvalidRequest(
                f"dataframe_split: columns holds {shorten(plain(name))}; expected the features' names as strings,"
                " or 0, 1, … for columns without names",
                subject="dataframe_split",
            )
    if (name := repeated(names)) is not None:
        raise InvalidRequest(f"dataframe_split: the column {shorten(name)} is there twice")
    if not schema.columns and schema.matrix is not None:
        return names != [schema.matrix.name]
    return names == list(schema.columns)


def _is_records(value: Any) -> bool:
    return type_name(value) == "an array" and len(value) > 0 and type_name(value[0]) == "an object"
