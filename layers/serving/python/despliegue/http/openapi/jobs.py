"""The operations on jobs, with what they take and give. Source of the rules: `http.job_request`, `scoring.options`."""

from typing import Any, Final

from despliegue.http.messages import JSON
from despliegue.http.openapi import responses
from despliegue.http.openapi.example_jobs import JOB, REQUESTS, STATES
from despliegue.http.openapi.place import Place
from despliegue.protocols.openapi import SCHEMAS, JsonSchema, object_of

_TEXT: Final[JsonSchema] = {"type": "string"}
_MOMENT: Final[JsonSchema] = {"type": "string", "format": "date-time"}
_NOTHING: Final[JsonSchema] = {"type": "null"}
_YES: Final = "^ *([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy][Ee][Ss]|[Nn][Oo]|0|1) *$"
_DELIMITER: Final = (
    r"^(\t| *([Cc][Oo][Mm][Mm][Aa]|[Ss][Ee][Mm][Ii][Cc][Oo][Ll][Oo][Nn]|[Tt][Aa][Bb]|[Pp][Ii][Pp][Ee]"
    r"|[Ss][Pp][Aa][Cc][Ee]|\\[Tt]|[!#$%&()*,/:;<=>?@\[\\\]^_`{|}~]) *)$"
)
_SHARE: Final = r"^ *(0(\.[0-9]+)?|1(\.0+)?|[0-9]{1,2}(\.[0-9]+)?%|100%) *$"
_COLUMN: Final = "^ *[!-~]([ -~]*[!-~])? *$"


def paths(place: Place) -> dict[str, Any]:
    """Their path items."""
    return {f"{place.path}/jobs": {"post": _create(place)}, f"{place.path}/jobs/{{job_id}}": {"get": _status(place)}}


def schemas() -> dict[str, JsonSchema]:
    """What the operations refer to, by name; the same for all models."""
    upload = object_of(
        url=_TEXT | {"format": "uri", "description": "Whoever has it may upload, with no key"},
        method=_TEXT,
        headers={"type": "object", "additionalProperties": _TEXT, "description": "Send all of them, as they are"},
        expires=_MOMENT | {"description": "Until when the upload may begin"},
    )
    created = object_of(
        id=_TEXT,
        model=_TEXT,
        version=_TEXT,
        state=_TEXT | {"const": "waiting"},
        status=_TEXT | {"description": "Where to ask how far it is, relative to the address of this request"},
        upload=upload,
    )
    state = _TEXT | {"enum": list(STATES), "description": "Ask again while it is waiting or running"}
    status = object_of(id=_TEXT, model=_TEXT, version=_TEXT, state=state)
    count: JsonSchema = {"type": "integer", "minimum": 0}
    status["properties"] |= {
        "rows": object_of(read=count, scored=count, rejected=count),
        "code": _TEXT | {"description": "A stable name for why it failed"},
        "error": _TEXT | {"description": "Why it failed"},
        "results": _results(),
    }
    return {"JobRequest": _request(), "JobOptions": _options(), "JobCreated": created, "JobStatus": status}


def _create(place: Place) -> dict[str, Any]:
    bodies = {name: place.described.replies[f"createJob.{name}"] for name in REQUESTS}
    success = responses.given("The job waits for its file: upload it as `upload` says", "JobCreated", bodies)
    success["headers"] = {"Location": {"description": "The job's status, relative to this request", "schema": _TEXT}}
    operation_id = f"{place.prefix}jobStatus"
    names = {"model_name": "$request.path.model_name"} if place.is_any else {}
    success["links"] = {
        "status": {"operationId": operation_id, "parameters": names | {"job_id": "$response.body#/id"}},
    }
    content = {"schema": {"$ref": f"{SCHEMAS}JobRequest"}, **responses.examples(REQUESTS)}
    return place.operation(
        "createJob",
        "Have a file scored",
        "The way for what is too large for a request: it is uploaded, scored, and the results are fetched. Without a"
        " body it is a CSV file, read and written as the model says.",
        success,
        status="201",
        requestBody={"required": False, "content": {JSON: content}},
    )


def _status(place: Place) -> dict[str, Any]:
    bodies: dict[str, bytes] = {state: place.described.replies[f"jobStatus.{state}"] for state in STATES}
    job = {"name": "job_id", "in": "path", "required": True, "schema": _TEXT, "example": JOB}
    return place.operation(
        "jobStatus",
        "How far a job is",
        "Once it is done, with fresh addresses of the results, which open without a key. Each caller sees his own"
        " jobs alone.",
        responses.given("How far it is", "JobStatus", bodies),
        parameters=[job | {"description": "The job's id, as its creation gave it"}],
    )


def _request() -> JsonSchema:
    packed = {"properties": {"format": {"const": "parquet"}, "compression": {"enum": ["gzip", "zstd"]}}}
    return {
        "type": "object",
        "properties": {
            "format": {"type": ["string", "null"], "enum": ["csv", "jsonl", "parquet", None]},
            "compression": {"type": ["string", "null"], "enum": ["gzip", "zstd", "", None]},
            "options": {"anyOf": [{"$ref": f"{SCHEMAS}JobOptions"}, _NOTHING]},
        },
        "additionalProperties": False,
        "not": packed | {"required": ["format", "compression"]},
        "description": "Which file will come: CSV, unless said. Parquet takes no compression: it is packed within",
    }


def _options() -> JsonSchema:
    text: JsonSchema = {"type": "string"}
    yes = {"anyOf": [{"type": "boolean"}, text | {"pattern": _YES}, {"type": "integer", "enum": [0, 1]}, _NOTHING]}
    column = [text | {"pattern": _COLUMN, "maxLength": 1024}, {"type": ["number", "boolean", "null"]}]
    share = [{"type": "number", "minimum": 0, "maximum": 1}, text | {"pattern": _SHARE}, _NOTHING]
    options = {
        "delimiter": {
            "type": ["string", "null"],
            "pattern": _DELIMITER,
            "description": "Between the fields of CSV: a character, or comma, semicolon, tab or pipe",
        },
        "header": yes | {"description": "Whether the first line of CSV names the columns"},
        "id": {
            "anyOf": column,
            "description": "Write this column before the predictions, not all; by number from 1 without a header",
        },
        "join": yes | {"description": "Write the input's columns before the predictions"},
        "reject-threshold": {
            "anyOf": share,
            "description": "The share of rows, such as 0.05 or 5%, that may be rejected before the file fails",
        },
    }
    return {
        "type": "object",
        "properties": options,
        "additionalProperties": False,
        "description": "How the file is read and written, where not as the model says",
    }


def _results() -> JsonSchema:
    address = _TEXT | {"format": "uri"}
    results = object_of(expires=_MOMENT | {"description": "Until when the addresses hold"})
    results["properties"] |= {
        "scored": address | {"description": "The rows with their predictions"},
        "rejects": address | {"description": "The rows that could not be scored, with the reasons: JSON Lines"},
        "report": address | {"description": "What was done: JSON"},
    }
    return results
