"""The operations on one model, but for those that have modules of their own: jobs and `/invocations`."""

from typing import Any, Final

import orjson

from despliegue.http.messages import JSON
from despliegue.http.open_inference import BINARY, HEADER_LENGTH
from despliegue.http.openapi import invocations, jobs, responses
from despliegue.http.openapi.examples import Exchange
from despliegue.http.openapi.place import Place

_LENGTH: Final = "How many bytes of the body are JSON; raw tensors follow (Triton's binary tensor data extension)"
_NOT_READY: Final = "model.onnx has 12 bytes, but manifest.json says 2,829"


def paths(place: Place) -> dict[str, Any]:
    """The path items of the model."""
    described = place.described
    found = {
        place.path: {"get": _metadata(place)},
        f"{place.path}/ready": {"get": _ready(place)},
        f"{place.path}/infer": {"post": _infer(place)},
        f"{place.path}/config": {"get": _configuration(place)},
        f"{place.path}/stats": {"get": _statistics(place)},
        f"/v1{place.below}": {"get": _status(place)},
    }
    if place.has_predict:
        found[f"/v1{place.below}:predict"] = {"post": _predict(place)}
    if place.is_any or described.invocations is not None:
        found[f"{place.below}/invocations"] = {"post": invocations.operation(place)}
    if described.has_jobs:
        found |= jobs.paths(place)
    if place.is_any or described.card is not None:
        found[f"{place.path}/card"] = {"get": _card(place)}
    return {path: place.shared | item for path, item in found.items()}


def _infer(place: Place) -> dict[str, Any]:
    known = place.described.infer
    sent: dict[str, Any] = {}
    if place.json_inputs:
        sent[JSON] = {"schema": place.schema("InferRequest")} | _example(known, raw=False, sent=True)
    binary = {"schema": {"type": "string", "format": "binary"}}
    sent[BINARY] = binary | _example(known, raw=True, sent=True)
    given: dict[str, Any] = {}
    if place.json_outputs:
        given[JSON] = {"schema": place.schema("InferResponse")} | _example(known, raw=False, sent=False)
    given[BINARY] = binary | _example(known, raw=True, sent=False)
    length: dict[str, Any] = {"description": _LENGTH, "schema": {"type": "integer", "minimum": 0}}
    header = {"name": HEADER_LENGTH, "in": "header", "required": not place.json_inputs} | length
    if known is not None and known.sent_json is not None:
        header["example"] = known.sent_json
    return place.operation(
        "infer",
        "Predict by tensors",
        "The Open Inference Protocol V2: arrays by name in, arrays by name out.",
        {"description": "The outputs", "headers": {HEADER_LENGTH: length}, "content": given},
        parameters=[header],
        requestBody={"required": True, "content": sent},
    )


def _predict(place: Place) -> dict[str, Any]:
    known = place.described.predict
    sent = {"schema": place.schema("PredictRequest")} | _example(known, raw=False, sent=True)
    given = {"schema": place.schema("PredictResponse")} | _example(known, raw=False, sent=False)
    return place.operation(
        "predict",
        "Predict by features",
        "The V1 protocol of KServe and TensorFlow Serving: a record or a row each under `instances` in, a prediction"
        " each out. Columns, each an array under `inputs`, are read too.",
        {"description": "The predictions", "content": {JSON: given}},
        requestBody={"required": True, "content": {JSON: sent}},
    )


def _metadata(place: Place) -> dict[str, Any]:
    success = responses.given(
        "The model's signature, and what is known of it", "ModelMetadata", place.described.replies["metadata"]
    )
    return place.operation("metadata", "The model's metadata", "", success)


def _configuration(place: Place) -> dict[str, Any]:
    success = responses.given(
        "The signature, in Triton's words", "ModelConfiguration", place.described.replies["configuration"]
    )
    return place.operation(
        "configuration", "The model's configuration", "Triton's extension, for its clients.", success
    )


def _statistics(place: Place) -> dict[str, Any]:
    success = responses.given("The counts", "ModelStatistics", place.described.replies["statistics"])
    return place.operation(
        "statistics",
        "How often the model was run, and how long it took",
        "Triton's extension. Each process of the service counts for itself, from its own start.",
        success,
    )


def _ready(place: Place) -> dict[str, Any]:
    return _readiness(place, "ready", "Whether the model is ready", "Ready", "NotReady", live=True)


def _status(place: Place) -> dict[str, Any]:
    return _readiness(place, "status", "Whether the model is ready, by the V1 protocol", "ModelStatus", "ModelStatus")


def _readiness(place: Place, name: str, summary: str, good: str, bad: str, **more: bool) -> dict[str, Any]:
    """An operation that tells it; `good` and `bad` are the schemas of its answers, and `more` is in the bad one."""
    model = place.model
    reason = f"model '{model.name}' version {model.version} is not ready: {_NOT_READY}"
    broken = orjson.dumps({"name": model.name, "ready": False, **more, "error": reason})
    success = responses.given("It is", good, place.described.replies[name])
    operation = place.operation(name, summary, "It is loaded for that.", success)
    operation["responses"]["400"] = responses.given("It is not, for the reason given", bad, broken)
    return operation


def _card(place: Place) -> dict[str, Any]:
    text = {"schema": {"type": "string"}}
    if (card := place.described.card) is not None:
        text |= responses.examples({"example": orjson.dumps(card)})
    tag = {"description": "What to send as If-None-Match next time", "schema": {"type": "string"}}
    known = {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of the card that is known already",
        "schema": {"type": "string"},
    }
    operation = place.operation(
        "card",
        "The model card",
        "Markdown, for people: what the model is, what it is for, how it was made and how well it predicts.",
        {"description": "The card", "headers": {"ETag": tag}, "content": {"text/markdown": text}},
        parameters=[known],
    )
    operation["responses"]["304"] = {"description": "It is the known one", "headers": {"ETag": tag}}
    return operation


def _example(known: Exchange | None, *, raw: bool, sent: bool) -> dict[str, Any]:
    """The body as an example, if it is of the form; one of raw tensors only where they happen to be text."""
    if known is None or (known.sent_json is not None) != raw:
        return {}
    body = known.sent if sent else known.reply
    if not raw:
        return responses.examples({"example": body})
    try:
        return responses.examples({"example": orjson.dumps(body.decode())})
    except UnicodeDecodeError:
        return {}
