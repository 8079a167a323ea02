"""The documents: one of a model, one of the service."""

from typing import Any, Final

import orjson

import despliegue
from despliegue.errors import DespliegueError
from despliegue.http.openapi import gateway, invocations, jobs, operations, responses, service_paths
from despliegue.http.openapi.examples import describe
from despliegue.http.openapi.faults import shared_errors
from despliegue.http.openapi.place import Place
from despliegue.http.served import Served
from despliegue.models import Model
from despliegue.protocols.openapi import JsonSchema, infer, predict, shared
from despliegue.protocols.openapi import invocations as invocations_schemas

VERSION: Final = "3.1.1"
MAX_MODELS: Final = 50
"""Most models that the service's document describes each by itself; of more it says what is alike, with a parameter."""
_DEFAULT: Final = "_default."
"""What the names of schemas begin with of a model that only `/invocations` means; no model's name begins so."""


def model_document(served: Served, model: Model, *, by_version: bool) -> bytes:
    """The document of one model, by its name, or by its name and version."""
    described = describe(served, model, by_version=by_version)
    info = {
        "title": model.name,
        "version": model.version,
        "description": model.manifest.description or f"The model {model.name}",
    }
    place = Place(model, described, "", model.name, served.auth)
    # A relative address follows from where the document lies, so that it holds below any stage or base path.
    root = "/".join([".."] * place.path.count("/"))
    return _document(served, info, root, [_tag(model)], operations.paths(place), _schemas(place))


def service_document(served: Served) -> bytes:
    """The document of the service, with the default version of each model that is ready."""
    names = list(served.repository.index())
    tags = [service_paths.TAG]
    schemas = shared.of_service()
    paths: dict[str, Any] = {}
    places: dict[Model, Place] = {}
    for name in names:
        try:
            model = served.repository.get(name)
            described = describe(served, model, by_version=False)
        except DespliegueError:
            continue  # its state says why
        if len(names) > MAX_MODELS:
            if model.media_types:
                continue  # which has neither rows nor jobs, as the others have
            place = Place(model, described, "", service_paths.TAG["name"], served.auth, models=names)
            paths |= operations.paths(place)
            schemas |= infer.generic() | predict.generic() | invocations_schemas.generic()
            break
        places[model] = place = Place(model, described, f"{name}.", name, served.auth)
        tags.append(_tag(model))
        paths |= operations.paths(place)
        schemas |= _schemas(place)
    info = {
        "title": "Despliegue",
        "version": despliegue.__version__,
        "description": "Models as a service. Each has a document of its own: v2/models/{name}/openapi.json",
    }
    if (default := _default(served, places)) is not None:
        schemas |= _schemas(default) if default.prefix == _DEFAULT else {}
        paths |= invocations.default_path(served, default, service_paths.TAG["name"])
    # Asked last: what the models' states are now, they are when the next one asks too.
    paths = service_paths.paths(served) | paths
    return _document(served, info, ".", tags, paths, schemas)


def _default(served: Served, places: dict[Model, Place]) -> Place | None:
    """The place of the model that `/invocations` means, among `places` if it is there; None where it means none."""
    name, _, version = (served.default_model or served.repository.only_model() or "").partition("@")
    try:
        model = served.repository.get(name, version or None)
        described = describe(served, model, by_version=bool(version))
    except DespliegueError:
        return None
    place = places.get(model) or Place(model, described, _DEFAULT, "", served.auth)
    return place if place.described.invocations is not None else None


def _document(
    served: Served,
    info: dict[str, str],
    root: str,
    tags: list[dict[str, str]],
    paths: dict[str, Any],
    schemas: dict[str, JsonSchema],
) -> bytes:
    schemes, has_jobs = gateway.SECURITY[served.auth], served.jobs is not None
    components: dict[str, Any] = {
        "schemas": schemas | shared.of_models() | (jobs.schemas() if has_jobs else {}),
        "responses": responses.shared(shared_errors(jobs=has_jobs), served.auth),
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
    if (known := described.invocations) is not None:
        if known.schema is not None:
            schemas |= invocations_schemas.schemas(known.schema, place.prefix, empty=described.empty)
        schemas = predict.replies(place.model, described.predictions, place.prefix) | schemas
    return {f"{place.prefix}{name}": schema for name, schema in schemas.items()}


def _tag(model: Model) -> dict[str, str]:
    return {"name": model.name, "description": model.manifest.description or f"The model {model.name}"}
