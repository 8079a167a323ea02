"""`/invocations` in documents: what it is sent in each of its formats, and the operation."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from despliegue.features import Schema  # noqa: TC001 – msgspec reads it
from despliegue.http.invocations import CSV, JSON_LINES, NPY, PARQUET
from despliegue.http.messages import JSON
from despliegue.http.openapi import responses
from despliegue.http.openapi.asked import Asked
from despliegue.http.openapi.faults import Errors, invoke_errors
from despliegue.models.signature import IMAGES
from despliegue.protocols.parquet_request import has_reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from despliegue.http.openapi.place import Place
    from despliegue.http.served import Served
    from despliegue.models import Model
    from despliegue.protocols.openapi import JsonSchema

PNG: Final = "image/png"
_LINES: Final = JSON_LINES[0]
_BINARY: Final[JsonSchema] = {"type": "string", "format": "binary"}
_TEXT: Final[JsonSchema] = {"type": "string"}
_REPLIES: Final = (JSON, CSV, _LINES)

_OF_ROWS: Final = (
    "Predict by rows in any format",
    "MLflow's and SageMaker's protocol: a table in, a prediction for each row out, in the format that Accept asks for."
    " CSV has a header if its first line names the features.",
)
_OF_IMAGES: Final = (
    "Predict by a picture",
    "SageMaker's protocol: the bytes of a JPEG or PNG in, what is predicted of it out, in the format that Accept asks"
    " for.",
)


class Invocations(msgspec.Struct, frozen=True):
    """What `/invocations` takes of a model and gives.

    Attributes:
        schema: its columns or tensors; None where only images are taken.
        media_types: of the bodies that are taken, beside those in JSON.
        sent: examples of them, by media type and a name.
        given: the reply to each of those, by media type.
    """

    schema: Schema | None
    media_types: tuple[str, ...]
    sent: dict[str, dict[str, bytes]]
    given: dict[str, bytes]


def invocations_of(
    ask: Asked, path: str, model: Model, schema: Schema | None, records: list[dict[str, Any]]
) -> Invocations | None:
    """What is taken and given, once a few requests were really sent; None where it is not served.

    Args:
        ask: whom to send them.
        path: where.
        model: the model.
        schema: its columns or tensors; None where JSON cannot carry them.
        records: rows that it may like, each an object of what it takes.
    """
    if model.media_types:
        return Invocations(None, model.media_types, {}, _image_replies(ask, path, model))
    if schema is None:
        return None
    sent: dict[str, dict[str, bytes]] = {}
    given: dict[str, bytes] = {}
    for media_type, name, body in _bodies(schema, records):
        response = ask("POST", path, body, {"content-type": media_type})
        if response.status == 501:
            return None
        fits = max(len(body), len(response.body)) <= responses.MAX_BYTES
        if response.status == 200 and fits and given.setdefault(JSON, response.body) == response.body:
            sent.setdefault(media_type, {})[name] = body
            for accepted in _REPLIES[1:]:
                if accepted not in given:
                    given[accepted] = ask("POST", path, body, {"content-type": media_type, "accept": accepted}).body
    row = sent.get(_LINES, {}).get("example", b"")
    if row and ask("POST", path, 2 * row, {"content-type": _LINES}).status == 501:
        return None  # an output has no value for each row, which one row may not show
    return Invocations(schema, _media_types(schema), sent, given)


def _image_replies(ask: Asked, path: str, model: Model) -> dict[str, bytes]:
    """What is said of an image, which itself is no text, and so no example."""
    [image] = model.zeros().values()
    headers = {"content-type": PNG}
    replies = {accepted: ask("POST", path, image.tobytes(), headers | {"accept": accepted}) for accepted in _REPLIES}
    return {accepted: reply.body for accepted, reply in replies.items() if reply.status == 200}


def default_path(served: Served, place: Place, tag: str) -> dict[str, Any]:
    """The path item of the model that is meant where the path names none."""
    errors = invoke_errors(Asked.of(served), "/invocations", jobs=served.jobs is not None)
    made = operation(place, errors) | {"operationId": "invoke", "tags": [tag]}
    return {"/invocations": {"post": made}}


def operation(place: Place, errors: Errors | None = None) -> dict[str, Any]:
    """The operation on a model; see `Place.operation` for its errors."""
    known = place.described.invocations
    kinds = known.media_types if known is not None else ()
    if place.is_any:
        kinds = (CSV, _LINES, *((PARQUET[0],) if has_reader() else ()), NPY, *IMAGES)
    content: dict[str, Any] = {}
    if place.is_any or (known is not None and known.schema is not None):
        content[JSON] = {"schema": place.schema("InvocationsRequest")}
    content |= {kind: {"schema": _TEXT if kind in (CSV, _LINES) else _BINARY} for kind in kinds}
    given: dict[str, Any] = {JSON: {"schema": place.schema("PredictResponse")}, CSV: {"schema": _TEXT}}
    given[_LINES] = {"schema": _TEXT}
    if known is not None:
        for kind, bodies in known.sent.items():
            content[kind] |= responses.examples({form: _shown(kind, body) for form, body in bodies.items()})
        for kind, body in known.given.items():
            given[kind] |= responses.examples({"example": _shown(kind, body)})
    summary, description = _OF_ROWS
    if known is not None and known.schema is None and not place.is_any:
        summary, description = _OF_IMAGES
    return place.operation(
        "invoke",
        summary,
        description,
        {"description": "The predictions", "content": given},
        errors=errors,
        requestBody={"required": True, "content": content},
    )


def _media_types(schema: Schema) -> tuple[str, ...]:
    spec = schema.single
    is_table = bool(schema.columns) or (spec is not None and len(spec.shape) == 2)
    found = [*([CSV] if is_table else []), _LINES]
    if is_table and has_reader():
        found.append(PARQUET[0])
    if spec is not None and spec.datatype.kind in "biuf":
        found.append(NPY)
    return tuple(found)


def _bodies(schema: Schema, records: list[dict[str, Any]]) -> Iterator[tuple[str, str, bytes]]:
    """The same rows in every form that may fit: media type, name, body."""
    if not records:
        return
    names = list(records[0])
    columns = {name: [record[name] for record in records] for name in names}
    table: list[list[Any]] = [list(record.values()) for record in records]
    header: list[Any] = names
    rows: list[Any] = table if names == list(schema.columns) else records
    if not schema.columns and schema.single is not None:  # a tensor a row, with no names for what it holds
        rows = [value for [value] in table]
        table = rows if len(schema.single.shape) == 2 else []
        header = list(range(len(table[0]))) if table else []
    if header and (schema.columns or schema.single is not None):
        yield JSON, "dataframe_split", orjson.dumps({"dataframe_split": {"columns": header, "data": table}})
        yield CSV, "example", _csv([header, *table] if schema.columns else table)
    if schema.columns:
        yield JSON, "dataframe_records", orjson.dumps({"dataframe_records": records})
    yield JSON, "instances", orjson.dumps({"instances": rows})
    yield JSON, "inputs", orjson.dumps({"inputs": columns})
    yield _LINES, "example", b"".join(orjson.dumps(row) + b"\n" for row in (records if schema.columns else rows))


def _csv(rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow([value if isinstance(value, str) else _field(value) for value in row])
    return text.getvalue().encode()


def _field(value: Any) -> str:
    return "" if value is None else orjson.dumps(value).decode()


def _shown(kind: str, body: bytes) -> bytes:
    """A body as the JSON that an example is: text is a string."""
    return body if kind == JSON else orjson.dumps(body.decode())
