"""The operations on one model: infer, predict, metadata and ready, with their examples and errors."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from despliegue.http.messages import JSON
from despliegue.http.open_inference import BINARY, HEADER_LENGTH
from despliegue.http.openapi import responses
from despliegue.http.openapi.examples import Described, Exchange
from despliegue.http.served import Auth
from despliegue.models import Model
from despliegue.protocols.openapi import SCHEMAS
from despliegue.protocols.openapi.infer import json_inputs, json_outputs

_LENGTH: Final = "How many bytes of the body are JSON; raw tensors follow (Triton's binary tensor data extension)"
_NOT_READY: Final = "model.onnx has 12 bytes, but manifest.json says 2,829"


class Place:
    """Where the operations stand: their names, and those of what they refer to.

    Args:
        model: the model.
        described: what is known of it.
        prefix: of the names of schemas and operations.
        tag: the operations'.
        auth: what callers must prove.
        models: names of the models, for operations on any of them; none for those on the one.
    """

    def __init__(
        self, model: Model, described: Described, prefix: str, tag: str, auth: Auth, models: Sequence[str] = ()
    ) -> None:
        self.model = model
        self.described = described
        self.prefix = prefix
        self.tag = tag
        self.auth = auth
        self.path = "/v2/models/{model_name}" if models else described.path
        self.predict_path = "/v1/models/{model_name}:predict" if models else described.predict_path
        name = {"name": "model_name", "in": "path", "required": True, "schema": {"type": "string", "enum": models}}
        self.shared = {"parameters": [name | {"example": model.name}]} if models else {}
        self.json_inputs = bool(models) or json_inputs(model.signature)
        self.json_outputs = bool(models) or json_outputs(model.signature)
        self.has_predict = bool(models) or described.schema is not None

    def schema(self, name: str) -> dict[str, str]:
        """A reference to a schema of the model's."""
        return {"$ref": f"{SCHEMAS}{self.prefix}{name}"}


def paths(place: Place) -> dict[str, Any]:
    """The path items of the model."""
    found = {
        place.path: place.shared | {"get": _metadata(place)},
        f"{place.path}/ready": place.shared | {"get": _ready(place)},
        f"{place.path}/infer": place.shared | {"post": _infer(place)},
    }
    if place.has_predict:
        found[place.predict_path] = place.shared | {"post": _predict(place)}
    return found


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
    return _operation(
        place,
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
    return _operation(
        place,
        "predict",
        "Predict by features",
        "The V1 protocol of KServe and TensorFlow Serving: a record or a row each under `instances` in, a prediction"
        " each out. Columns, each an array under `inputs`, are read too.",
        {"description": "The predictions", "content": {JSON: given}},
        requestBody={"required": True, "content": {JSON: sent}},
    )


def _metadata(place: Place) -> dict[str, Any]:
    response = responses.given(
        "The model's signature, and what is known of it", "ModelMetadata", place.described.metadata
    )
    return _operation(place, "metadata", "The model's metadata", "", response)


def _ready(place: Place) -> dict[str, Any]:
    model = place.model
    reason = f"model '{model.name}' version {model.version} is not ready: {_NOT_READY}"
    broken = orjson.dumps({"name": model.name, "ready": False, "live": True, "error": reason})
    operation = _operation(
        place,
        "ready",
        "Whether the model is ready",
        "It is loaded for that.",
        responses.given("It is", "Ready", place.described.ready),
    )
    operation["responses"]["400"] = responses.given("It is not, for the reason given", "NotReady", broken)
    return operation


def _operation(
    place: Place, name: str, summary: str, description: str, success: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    found = place.described.errors[name]
    return {
        "operationId": f"{place.prefix}{name}",
        "tags": [place.tag],
        "summary": summary,
        **({"description": description} if description else {}),
        **({"deprecated": True} if place.described.deprecated else {}),
        **more,
        "responses": {"200": success, **responses.errors(found, place.auth, posted="requestBody" in more)},
    }


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
