"""The endpoints of the Open Inference Protocol V2 and of Triton's extensions to it."""

import time
from typing import Final

import orjson

import despliegue
from despliegue.errors import InvalidRequest, ModelNotReady, NotSupported, UnsupportedContentType, shorten
from despliegue.http.messages import JSON, Outcome, Request, Response
from despliegue.http.served import Served
from despliegue.models import Model
from despliegue.protocols import metadata
from despliegue.protocols.document import parse_object, type_name
from despliegue.protocols.infer_request import decode_request
from despliegue.protocols.infer_response import encode_response

BINARY: Final = "application/octet-stream"
SAGEMAKER_BINARY: Final = "application/vnd.sagemaker-triton.binary+json"
"""SageMaker passes no headers on, so that this type names the JSON's length: `…;json-header-size=123`."""
HEADER_LENGTH: Final = "inference-header-content-length"

_HEALTHY = orjson.dumps({"live": True, "ready": True})
_EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"]


def server_metadata(served: Served, request: Request, outcome: Outcome) -> Response:
    """GET /v2."""
    return reply({"name": "despliegue", "version": despliegue.__version__, "extensions": _EXTENSIONS}, outcome)


def health(served: Served, request: Request, outcome: Outcome) -> Response:
    """GET /v2/health/live and /v2/health/ready: both keys, since clients differ in which they read.

    A broken model does not make the server unready: the others are served.
    """
    return Response(200, _HEALTHY, outcome=outcome)


def list_models(served: Served, request: Request, outcome: Outcome) -> Response:
    """GET /v2/models: the names, as KServe gives them."""
    return reply({"models": list(served.repository.index())}, outcome)


def repository_index(served: Served, request: Request, outcome: Outcome) -> Response:
    """POST /v2/repository/index: every version with its state (Triton's model repository extension).

    Nothing is loaded for it, so a version that nobody asked for yet is UNKNOWN.
    """
    only_ready = parse_object(request.body).get("ready") if request.body else None
    if not isinstance(only_ready, bool | None):
        raise InvalidRequest(f"ready is {type_name(only_ready)}; expected true or false", subject="ready")
    words = {True: "READY", False: "UNAVAILABLE", None: "UNKNOWN"}
    states = [
        served.repository.state(name, version)
        for name, versions in served.repository.index().items()
        for version in versions
    ]
    index = [
        {"name": state.name, "version": state.version, "state": words[state.ready], "reason": state.reason}
        for state in states
        if state.ready or not only_ready
    ]
    return reply(index, outcome)


def model_metadata(
    served: Served, request: Request, outcome: Outcome, model: str, version: str | None = None
) -> Response:
    """GET /v2/models/{model}[/versions/{version}]."""
    found = load(served, outcome, model, version)
    deprecation = served.repository.deprecated.get((found.name, found.version))
    body = metadata.encode_metadata(found, served.repository.versions(model), deprecation)
    return Response(200, body, outcome=outcome)


def model_configuration(
    served: Served, request: Request, outcome: Outcome, model: str, version: str | None = None
) -> Response:
    """GET /v2/models/{model}[/versions/{version}]/config (Triton's model configuration extension)."""
    return Response(200, metadata.encode_configuration(load(served, outcome, model, version)), outcome=outcome)


def statistics(
    served: Served, request: Request, outcome: Outcome, model: str | None = None, version: str | None = None
) -> Response:
    """GET /v2/models[/{model}[/versions/{version}]]/stats (Triton's statistics extension)."""
    index = served.repository.index() if model is None else {model: served.repository.versions(model)}
    if model is not None and version is not None:
        load(served, outcome, model, version)
        index = {model: [version]}
    stats = [served.statistics.of(name, each) for name, versions in index.items() for each in versions]
    return reply({"model_stats": stats}, outcome)


def model_ready(served: Served, request: Request, outcome: Outcome, model: str, version: str | None = None) -> Response:
    """GET /v2/models/{model}[/versions/{version}]/ready: 200 or, as the protocol says, a 4xx with the reason."""
    try:
        load(served, outcome, model, version)
    except (ModelNotReady, NotSupported) as error:
        outcome.error = error.code
        body = {"name": model, "ready": False, "live": True, "error": str(error)}
        return Response(400, orjson.dumps(body), outcome=outcome)
    return reply({"name": model, "ready": True, "live": True}, outcome)


def infer(served: Served, request: Request, outcome: Outcome, model: str, version: str | None = None) -> Response:
    """POST /v2/models/{model}[/versions/{version}]/infer."""
    content_type, header_length = _form(request)
    found = load(served, outcome, model, version)
    started = time.perf_counter_ns()
    decoded = decode_request(request.body, found.signature, header_length)
    ready = time.perf_counter_ns()
    outcome.durations = (ready - started, 0, 0)
    arrays = found.run(decoded.inputs, [output.name for output in decoded.outputs])
    ran = time.perf_counter_ns()
    body, json_length = encode_response(found, decoded, arrays)
    outcome.rows = 1 if found.media_types else decoded.rows
    outcome.durations = (ready - started, ran - ready, time.perf_counter_ns() - ran)
    if json_length is None:
        return Response(200, body, outcome=outcome)
    if content_type == SAGEMAKER_BINARY:
        return Response(200, body, {"content-type": f"{content_type};json-header-size={json_length}"}, outcome)
    return Response(200, body, {"content-type": BINARY, HEADER_LENGTH: str(json_length)}, outcome)


def not_served(served: Served, request: Request, outcome: Outcome, **path: str) -> Response:
    """Parts of Triton's protocol that make no sense where models are deployed, and not loaded by callers."""
    raise NotSupported(f"{shorten(request.path)} is not served: models are deployed, not managed by callers")


def load(served: Served, outcome: Outcome, name: str, version: str | None) -> Model:
    """The model, loaded; `outcome` learns its name only here, where it is known to exist."""
    try:
        model = served.repository.get(name, version)
    except (ModelNotReady, NotSupported):
        outcome.model, outcome.version = name, version or "default"
        raise
    outcome.model, outcome.version, outcome.isolated = model.name, model.version, model.isolated
    return model


def reply(document: object, outcome: Outcome) -> Response:
    """A successful reply in JSON."""
    return Response(200, orjson.dumps(document), outcome=outcome)


def require_json(request: Request) -> None:
    """Refuse a body that says it is anything but JSON; one that says nothing is taken for it.

    Raises:
        UnsupportedContentType: it does.
    """
    content_type = request.headers.get("content-type") or JSON
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise UnsupportedContentType(f"content type is {shorten(content_type)}; expected {JSON}")


def _form(request: Request) -> tuple[str, int | None]:
    """The request's content type, and how many bytes of its body are JSON; None for all of them."""
    given = request.headers.get("content-type") or JSON
    content_type, options = given, ""
    if given not in (JSON, BINARY):
        content_type, _, options = given.partition(";")
        content_type = content_type.strip().lower()
    length = request.headers.get(HEADER_LENGTH)
    if content_type == SAGEMAKER_BINARY:
        length = options.strip().removeprefix("json-header-size=")
    elif content_type not in (JSON, BINARY):
        raise UnsupportedContentType(f"content type is {shorten(given)}; expected {JSON} or {BINARY}")
    if length is None:
        return content_type, None
    if not (length.isascii() and length.isdecimal() and len(length) < 16):
        raise InvalidRequest(f"the length of the JSON is {shorten(length)}; expected an integer ≥ 0")
    if not int(length):
        _check_raw(request, content_type)
    return content_type, int(length)


def _check_raw(request: Request, content_type: str) -> None:
    """Refuse as a tensor's bytes what says that it is JSON, and nothing at all of which nothing is said.

    Raises:
        InvalidRequest: it is.
    """
    said = request.headers.get("content-type")
    if said and content_type == JSON:
        raise InvalidRequest(f"content type is {JSON}, but the length of the JSON is 0; a tensor's bytes are {BINARY}")
    if not said and not request.body:
        raise InvalidRequest(f"the body is empty; expected a tensor's bytes, or content type {BINARY} if it has none")
