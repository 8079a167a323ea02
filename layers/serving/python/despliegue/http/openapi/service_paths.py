"""The operations on the service as a whole: health, and what models there are."""

from typing import Any, Final

import orjson

from despliegue.http.messages import JSON
from despliegue.http.openapi import responses
from despliegue.http.openapi.asked import Asked
from despliegue.http.openapi.faults import Errors, encoding_error
from despliegue.http.served import Auth, Served
from despliegue.protocols.openapi import SCHEMAS

TAG: Final = {"name": "The service", "description": "Whether it is up, and which models it has"}
"""A model's name has no space, so that no model's tag is the same."""

_GET: Final = (
    ("/v2", "serverMetadata", "What the server is", "ServerMetadata"),
    ("/v2/health/live", "serverLive", "Whether the server is up", "Health"),
    ("/v2/health/ready", "serverReady", "Whether the server answers requests", "Health"),
    ("/v2/models", "listModels", "The names of the models", "ModelList"),
    ("/v2/models/stats", "allStatistics", "How often each model was run, and how long it took", "ModelStatistics"),
    ("/v1/models", "listModelsV1", "The names of the models, by the V1 protocol", "ModelList"),
    ("/ping", "ping", "Whether there is a model to answer with, as SageMaker asks", "Health"),
    ("/health", "health", "Whether there is a model to answer with, as MLflow asks", "Health"),
)


def paths(served: Served) -> dict[str, Any]:
    """Their path items."""
    ask, auth = Asked.of(served), served.auth
    found: dict[str, Any] = {}
    for path, name, summary, schema in _GET:
        answer = ask("GET", path)
        if answer.status != 200:  # there is no model, or that which is meant is broken
            answer = ask("GET", "/v2/health/ready")
        success = responses.given(summary, schema, answer.body)
        found[path] = {"get": _operation(name, summary, {"200": success, **_errors(path, auth)})}
    version = orjson.dumps(ask("GET", "/version").body.decode())
    text = {"schema": {"type": "string"}, **responses.examples({"example": version})}
    success = {"description": "The version", "content": {"text/plain": text}}
    answers = {"200": success, **_errors("/version", auth)}
    found["/version"] = {"get": _operation("version", "The version of this software, as MLflow asks", answers)}
    found["/v2/repository/index"] = {"post": _index(ask, auth)}
    return found


def _errors(path: str, auth: Auth) -> dict[str, Any]:
    nothing = Asked.without_models(jobs=False)("GET", path)
    errors: Errors = {404: {"noModel": nothing.body}} if nothing.status == 404 else {}
    return responses.errors(errors, auth, posted=False)


def _index(ask: Asked, auth: Auth) -> dict[str, Any]:
    path, sent = "/v2/repository/index", b"{}"
    faults = {"ready": ask("POST", path, b'{"ready":1}'), "encoding": encoding_error(ask, path)}
    errors = responses.errors({reply.status: {name: reply.body} for name, reply in faults.items()}, auth, posted=True)
    success = responses.given("Every version of every model", "RepositoryIndex", ask("POST", path, sent).body)
    content = {"schema": {"$ref": f"{SCHEMAS}RepositoryIndexRequest"}, **responses.examples({"all": sent})}
    operation = _operation(
        "repositoryIndex", "The versions of the models, with their states", {"200": success, **errors}
    )
    return operation | {"requestBody": {"required": False, "content": {JSON: content}}}


def _operation(name: str, summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": name, "tags": [TAG["name"]], "summary": summary, "responses": answers}
