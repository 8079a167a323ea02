"""Replies that are of one form for all models. Source of the rules: `protocols.metadata`, `http.open_inference`."""

from despliegue.models import DATATYPES
from despliegue.protocols.openapi import SCHEMAS, JsonSchema, infer, object_of

_TEXT: JsonSchema = {"type": "string"}
_TEXTS: JsonSchema = {"type": "array", "items": _TEXT}
_FLAG: JsonSchema = {"type": "boolean"}


def of_models() -> dict[str, JsonSchema]:
    """`Error` and what is said of a model, by name."""
    size = {"type": "integer", "minimum": -1}
    tensor = object_of(
        name=_TEXT,
        datatype={"type": "string", "enum": list(DATATYPES)},
        shape={"type": "array", "items": size, "description": "-1 stands for any size"},
    )
    media_types = _TEXTS | {"description": "What a body that is this input may be"}
    tensor["properties"]["parameters"] = {"type": "object", "properties": {"media_types": media_types}}
    parameters = object_of(version=_TEXT, description=_TEXT, features=_TEXTS, labels=_TEXTS)
    day = {"type": "string", "format": "date"}
    deprecated = {"since": day, "sunset": day, "successor": _TEXT}
    parameters["properties"]["deprecated"] = {"type": "object", "properties": deprecated}
    tensors = {"type": "array", "items": {"$ref": f"{SCHEMAS}TensorMetadata"}}
    return {
        "Error": object_of(error={"type": "string", "description": "What was wrong, what was expected, what came"}),
        "TensorMetadata": tensor,
        "ModelMetadata": object_of(
            name=_TEXT, versions=_TEXTS, platform=_TEXT, inputs=tensors, outputs=tensors, parameters=parameters
        ),
        "Ready": object_of(name=_TEXT, ready={"type": "boolean", "const": True}, live=_FLAG),
        "NotReady": object_of(name=_TEXT, ready={"type": "boolean", "const": False}, live=_FLAG, error=_TEXT),
        "ModelConfiguration": _configuration(),
        "ModelStatus": _status(),
        "ModelStatistics": object_of(model_stats={"type": "array", "items": _statistics()}),
        "ClassifiedOutput": infer.classified(),
    }


def of_service() -> dict[str, JsonSchema]:
    """What is said of the service, by name."""
    state = {"type": "string", "enum": ["READY", "UNAVAILABLE", "UNKNOWN"]}
    only_ready = {"type": ["boolean", "null"], "description": "Only the ready ones"}
    return {
        "ServerMetadata": object_of(name=_TEXT, version=_TEXT, extensions=_TEXTS),
        "Health": object_of(live=_FLAG, ready=_FLAG),
        "ModelList": object_of(models=_TEXTS),
        "RepositoryIndexRequest": {"type": "object", "properties": {"ready": only_ready}},
        "RepositoryIndex": {"type": "array", "items": object_of(name=_TEXT, version=_TEXT, state=state, reason=_TEXT)},
    }


def _status() -> JsonSchema:
    status = object_of(name=_TEXT, ready=_FLAG)
    status["properties"]["error"] = {"type": "string", "description": "Why it is not ready"}
    return status


def _configuration() -> JsonSchema:
    tensor = object_of(name=_TEXT, data_type=_TEXT, dims={"type": "array", "items": {"type": "integer", "minimum": -1}})
    tensors = {"type": "array", "items": tensor}
    size = {"type": "integer", "description": "0: shapes are given in full, the batch included"}
    return object_of(name=_TEXT, platform=_TEXT, backend=_TEXT, max_batch_size=size, input=tensors, output=tensors)


def _statistics() -> JsonSchema:
    count = {"type": "integer", "minimum": 0}
    last = count | {"description": "When the last one was, in milliseconds since 1970; 0 for never"}
    durations = object_of(count=count, ns=count)
    return object_of(
        name=_TEXT,
        version=_TEXT,
        last_inference=last,
        inference_count=count | {"description": "Rows predicted"},
        execution_count=count,
        inference_stats={"type": "object", "additionalProperties": durations},
        batch_stats={"type": "array", "items": {}},
    )
