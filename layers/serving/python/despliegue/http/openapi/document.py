"""The documents: one of a model, one of the service."""

from typing import Any, Final

import orjson

import despliegue
from despliegue.errors import DespliegueError
from despliegue.http.openapi import gateway, operations, responses, service_paths
from despliegue.http.openapi.examples import describe
from despliegue.http.openapi.faults import shared_errors
from despliegue.http.openapi.operations import Place
from despliegue.http.served import Auth
from despliegue.models import Model, ModelRepository
from despliegue.protocols.openapi import JsonSchema, infer, predict, shared

VERSION: Final = "3.1.1"
MAX_MODELS: Final = 50
"""Most models that the service's document describes each by itself; of more it says what is alike, with a parameter."""


def model_document(repository: ModelRepository, model: Model, auth: Auth, *, by_version: bool) -> bytes:
    """The document of one model, by its name, or by its name and version."""
    described = describe(repository, model, by_version=by_version)
    info = {
        "title": model.name,
        "version": model.version,
        "description": model.manifest.description or f"The model {model.name}",
    }
    place = Place(model, described, "", model.name, auth)
    # A relative address follows from where the document lies, so that it holds below any stage or base path.
    root = "/".join([".."] * described.path.count("/"))
    return _document(info, root, auth, [_tag(model)], operations.paths(place), _schemas(place))


def service_document(repository: ModelRepository, auth: Auth) -> bytes:
    """The document of the service, with the default version of each model that is ready."""
    names = list(repository.index())
    tags = [service_paths.TAG]
    schemas = shared.of_service()
    paths: dict[str, Any] = {}
    for name in names:
        try:
            model = repository.get(name)
            described = describe(repository, model, by_version=False)
        except DespliegueError:
            continue  # its state says why
        if len(names) > MAX_MODELS:
            place = Place(model, described, "", service_paths.TAG["name"], auth, models=names)
            paths |= operations.paths(place)
            schemas |= infer.generic() | predict.generic()
            break
        place = Place(model, described, f"{name}.", name, auth)
        tags.append(_tag(model))
        paths |= operations.paths(place)
        schemas |= _schemas(place)
    info = {
        "title": "Despliegue",
        "version": despliegue.__version__,
        "description": "Models as a service. Each has a document of its own: v2/models/{name}/openapi.json",
    }
    # Asked last: what the models' states are now, they are when the next one asks too.
    paths = service_paths.paths(repository, auth) | paths
    return _document(info, ".", auth, tags, paths, schemas)


def _document(
    info: dict[str, str],
    root: str,
    auth: Auth,
    tags: list[dict[str, str]],
    paths: dict[str, Any],
    schemas: dict[str, JsonSchema],
) -> bytes:
    schemes = gateway.SECURITY[auth]
    components: dict[str, Any] = {
        "schemas": schemas | shared.of_models(),
        "responses": responses.shared(shared_errors(), auth),
    }
    document: dict[str, Any] = {"openapi": VERSION, "info": info, "servers": [{"url": root}]}
    if schemes:
        document["security"] = [{name: []} for name in schemes]
        components["securitySchemes"] = schemes
    return orjson.dumps(document | {"tags": tags, "paths": paths, "components": components})


def _schemas(place: Place) -> dict[str, JsonSchema]:
    """The schemas that a model's operations refer to, by name."""
    described = place.described
    schemas = infer.schemas(place.model, place.prefix)
    if described.schema is not None:
        schemas |= predict.schemas(
            place.model, described.schema, described.predictions, place.prefix, empty=described.empty
        )
    return {f"{place.prefix}{name}": schema for name, schema in schemas.items()}


def _tag(model: Model) -> dict[str, str]:
    return {"name": model.name, "description": model.manifest.description or f"The model {model.name}"}
