"""The operations on the service as a whole: health, and what models there are."""

from typing import Any, Final

from despliegue.http.messages import JSON
from despliegue.http.openapi import responses
from despliegue.http.openapi.asked import Asked
from despliegue.http.served import Auth
from despliegue.models import ModelRepository
from despliegue.protocols.openapi import SCHEMAS

TAG: Final = {"name": "The service", "description": "Whether it is up, and which models it has"}
"""A model's name has no space, so that no model's tag is the same."""

_GET: Final = (
    ("/v2", "serverMetadata", "What the server is", "ServerMetadata"),
    ("/v2/health/live", "serverLive", "Whether the server is up", "Health"),
    ("/v2/health/ready", "serverReady", "Whether the server answers requests", "Health"),
    ("/v2/models", "listModels", "The names of the models", "ModelList"),
)


def paths(repository: ModelRepository, auth: Auth) -> dict[str, Any]:
    """Their path items."""
    ask = Asked(repository)
    found: dict[str, Any] = {}
    for path, name, summary, schema in _GET:
        success = responses.given(summary, schema, ask("GET", path).body)
        wrong = ask("DELETE", path)
        errors = responses.errors({wrong.status: {"method": wrong.body}}, auth, posted=False)
        found[path] = {"get": _operation(name, summary, {"200": success, **errors})}
    found["/v2/repository/index"] = {"post": _index(ask, auth)}
    return found


def _index(ask: Asked, auth: Auth) -> dict[str, Any]:
    path, sent = "/v2/repository/index", b"{}"
    wrong, method = ask("POST", path, b'{"ready":1}'), ask("DELETE", path)
    errors = responses.errors(
        {wrong.status: {"ready": wrong.body}, method.status: {"method": method.body}}, auth, posted=True
    )
    success = responses.given("Every version of every model", "RepositoryIndex", ask("POST", path, sent).body)
    content = {"schema": {"$ref": f"{SCHEMAS}RepositoryIndexRequest"}, **responses.examples({"all": sent})}
    operation = _operation(
        "repositoryIndex", "The versions of the models, with their states", {"200": success, **errors}
    )
    return operation | {"requestBody": {"required": False, "content": {JSON: content}}}


def _operation(name: str, summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": name, "tags": [TAG["name"]], "summary": summary, "responses": answers}
