"""Replies that are of one form for all models. Source of the rules: `protocols.metadata`, `http.open_inference`."""

from typing import Any

from despliegue.models import DATATYPES
from despliegue.protocols.openapi import SCHEMAS, JsonSchema, infer

_TEXT: JsonSchema = {"type": "string"}
_TEXTS: JsonSchema = {"type": "array", "items": _TEXT}
_FLAG: JsonSchema = {"type": "boolean"}


def of_models() -> dict[str, JsonSchema]:
    """`Error` and what is said of a model, by name."""
    size = {"type": "integer", "minimum": -1}
    tensor = _object(
        name=_TEXT,
        datatype={"type": "string", "enum": list(DATATYPES)},
        shape={"type": "array", "items": size, "description": "-1 stands for any size"},
    )
    parameters = _object(version=_TEXT, description=_TEXT, features=_TEXTS, labels=_TEXTS)
    tensors = {"type": "array", "items": {"$ref": f"{SCHEMAS}TensorMetadata"}}
    return {
        "Error": _object(error={"type": "string", "description": "What was wrong, what was expected, what came"}),
        "TensorMetadata": tensor,
        "ModelMetadata": _object(
            name=_TEXT, versions=_TEXTS, platform=_TEXT, inputs=tensors, outputs=tensors, parameters=parameters
        ),
        "Ready": _object(name=_TEXT, ready={"type": "boolean", "const": True}, live=_FLAG),
        "NotReady": _object(name=_TEXT, ready={"type": "boolean", "const": False}, live=_FLAG, error=_TEXT),
        "ClassifiedOutput": infer.classified(),
    }


def of_service() -> dict[str, JsonSchema]:
    """What is said of the service, by name."""
    state = {"type": "string", "enum": ["READY", "UNAVAILABLE", "UNKNOWN"]}
    only_ready = {"type": ["boolean", "null"], "description": "Only the ready ones"}
    return {
        "ServerMetadata": _object(name=_TEXT, version=_TEXT, extensions=_TEXTS),
        "Health": _object(live=_FLAG, ready=_FLAG),
        "ModelList": _object(models=_TEXTS),
        "RepositoryIndexRequest": {"type": "object", "properties": {"ready": only_ready}},
        "RepositoryIndex": {"type": "array", "items": _object(name=_TEXT, version=_TEXT, state=state, reason=_TEXT)},
    }


def _object(**properties: Any) -> JsonSchema:
    """An object that has all of these."""
    return {"type": "object", "required": list(properties), "properties": properties}
