"""The endpoints of the Open Inference Protocol V2."""

import orjson

import despliegue
from despliegue.errors import (
    InvalidRequest,
    ModelNotReady,
    NotSupported,
    UnsupportedContentType,
    shorten,
)
from despliegue.http.messages import JSON, Outcome, Request, Response
from despliegue.models import Model, ModelRepository
from despliegue.protocols import open_inference as protocol
from despliegue.protocols.document import parse_object, type_name

_HEALTHY = orjson.dumps({"live": True, "ready": True})


def server_metadata(repository: ModelRepository, request: Request, outcome: Outcome) -> Response:
    """GET /v2."""
    return _reply(
        {"name": "despliegue", "version": despliegue.__version__, "extensions": ["model_repository"]}, outcome
    )


def health(repository: ModelRepository, request: Request, outcome: Outcome) -> Response:
    """GET /v2/health/live and /v2/health/ready: both keys, since clients differ in which they read.

    A broken model does not make the server unready: the others are served.
    """
    return Response(200, _HEALTHY, outcome=outcome)


def list_models(repository: ModelRepository, request: Request, outcome: Outcome) -> Response:
    """GET /v2/models: the names, as KServe gives them."""
    return _reply({"models": list(repository.index())}, outcome)


def repository_index(repository: ModelRepository, request: Request, outcome: Outcome) -> Response:
    """POST /v2/repository/index: every version with its state (Triton's model repository extension).

    Nothing is loaded for it, so a version that nobody asked for yet is UNKNOWN.
    """
    only_ready = parse_object(request.body).get("ready") if request.body else None
    if not isinstance(only_ready, bool | None):
        raise InvalidRequest(f"ready is {type_name(only_ready)}; expected true or false", subject="ready")
    words = {True: "READY", False: "UNAVAILABLE", None: "UNKNOWN"}
    states = [repository.state(name, version) for name, versions in repository.index().items() for version in versions]
    index = [
        {"name": state.name, "version": state.version, "state": words[state.ready], "reason": state.reason}
        for state in states
        if state.ready or not only_ready
    ]
    return _reply(index, outcome)


def model_metadata(
    repository: ModelRepository, request: Request, outcome: Outcome, model: str, version: str | None = None
) -> Response:
    """GET /v2/models/{model}[/versions/{version}]."""
    found = _model(repository, outcome, model, version)
    return Response(200, protocol.encode_metadata(found, repository.versions(model)), outcome=outcome)


def model_ready(
    repository: ModelRepository, request: Request, outcome: Outcome, model: str, version: str | None = None
) -> Response:
    """GET /v2/models/{model}[/versions/{version}]/ready: 200 or, as the protocol says, a 4xx with the reason."""
    try:
        _model(repository, outcome, model, version)
    except (ModelNotReady, NotSupported) as error:
        outcome.error = error.code
        body = {"name": model, "ready": False, "live": True, "error": str(error)}
        return Response(400, orjson.dumps(body), outcome=outcome)
    return _reply({"name": model, "ready": True, "live": True}, outcome)


def infer(
    repository: ModelRepository, request: Request, outcome: Outcome, model: str, version: str | None = None
) -> Response:
    """POST /v2/models/{model}[/versions/{version}]/infer."""
    _require_json(request)
    found = _model(repository, outcome, model, version)
    decoded = protocol.decode_request(request.body, found.signature)
    arrays = found.run(decoded.inputs, decoded.outputs)
    outcome.rows = decoded.rows
    return Response(200, protocol.encode_response(found, decoded, arrays), outcome=outcome)


def _model(repository: ModelRepository, outcome: Outcome, name: str, version: str | None) -> Model:
    """The model, loaded; `outcome` learns its name only here, where it is known to exist."""
    try:
        model = repository.get(name, version)
    except (ModelNotReady, NotSupported):
        outcome.model, outcome.version = name, version or "default"
        raise
    outcome.model, outcome.version = model.name, model.version
    return model


def _require_json(request: Request) -> None:
    if "inference-header-content-length" in request.headers:
        raise NotSupported("the binary tensor extension is not served; send the tensors as JSON")
    content_type = request.headers.get("content-type") or JSON
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise UnsupportedContentType(f"content type is {shorten(content_type)}; expected {JSON}")


def _reply(document: object, outcome: Outcome) -> Response:
    return Response(200, orjson.dumps(document), outcome=outcome)
