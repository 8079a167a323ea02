"""Replies: the good ones with an example, and the errors, each with what was really said."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson

from despliegue.http.messages import JSON
from despliegue.http.openapi import gateway
from despliegue.http.openapi.asked import REQUEST_ID
from despliegue.http.openapi.faults import Errors
from despliegue.http.served import Auth
from despliegue.protocols.openapi import SCHEMAS

MAX_BYTES: Final = 64 * 1024
"""A request or reply larger than this is no example: nobody reads it, and the pages that show documents choke."""

_DESCRIPTIONS: Final = {
    400: "The request is at fault: the error says where",
    404: "There is no such thing: the error says which",
    415: "The body is of a type that is not read",
    501: "A part of the protocol that is not served for this model",
}
_SHARED: Final = {
    403: "Refused",
    405: "MethodNotAllowed",
    413: "TooLarge",
    429: "TooManyRequests",
    500: "Failed",
    504: "TimedOut",
}
"""The names of the responses that are alike for all operations."""


def given(description: str, schema: str, bodies: bytes | Mapping[str, bytes]) -> dict[str, Any]:
    """A reply in JSON, and one that was given, or several by name."""
    named = {"example": bodies} if isinstance(bodies, bytes) else bodies
    content = {"schema": {"$ref": f"{SCHEMAS}{schema}"}, **examples(named)}
    return {"description": description, "content": {JSON: content}}


def examples(bodies: Mapping[str, bytes]) -> dict[str, Any]:
    """Examples that are JSON already: put in as they are, so that no number loses a digit; none that nobody reads."""
    found = {name: {"value": orjson.Fragment(body)} for name, body in bodies.items() if len(body) <= MAX_BYTES}
    return {"examples": found} if found else {}


def errors(found: Errors, auth: Auth, *, posted: bool) -> dict[str, Any]:
    """An operation's errors, by status as OpenAPI writes it."""
    statuses = {status: _error(_DESCRIPTIONS[status], bodies) for status, bodies in found.items()}
    common = [405, 500, *([413] if posted else []), *([403, 429, 504] if auth else [])]
    statuses |= {status: {"$ref": f"#/components/responses/{_SHARED[status]}"} for status in common}
    return {str(status): statuses[status] for status in sorted(statuses)}


def shared(found: Errors, auth: Auth) -> dict[str, Any]:
    """The responses that `errors` refers to, by name.

    Args:
        found: what the service says itself.
        auth: what callers must prove; API Gateway asks them to, and answers some requests by itself.
    """
    said = {status: dict(bodies) for status, bodies in found.items()}
    if auth:
        said[403] = _bodies(gateway.REFUSED[auth])
        said[429] = _bodies(gateway.TOO_MANY[auth])
        said[504] = _bodies({"timedOut": gateway.TIMED_OUT})
        said[413] |= _bodies({"gateway": gateway.TOO_LARGE})
        said[500] |= _bodies({"gateway": gateway.FAILED})
    made = {_SHARED[status]: _error(HTTPStatus(status).phrase, bodies) for status, bodies in sorted(said.items())}
    made["MethodNotAllowed"]["headers"] = {"Allow": {"description": "Those it takes", "schema": {"type": "string"}}}
    if auth:
        seconds = {"description": "Seconds to wait", "schema": {"type": "integer"}}
        made["TooManyRequests"]["headers"] = {"Retry-After": seconds}
    return made


def _bodies(messages: Mapping[str, str]) -> dict[str, bytes]:
    return {name: orjson.dumps({"error": message.format(id=REQUEST_ID)}) for name, message in messages.items()}


def _error(description: str, bodies: Mapping[str, bytes]) -> dict[str, Any]:
    content = {"schema": {"$ref": f"{SCHEMAS}Error"}, **examples(bodies)}
    return {"description": description, "content": {JSON: content}}
