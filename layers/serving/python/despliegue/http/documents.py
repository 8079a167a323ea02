"""The endpoints of documents about the service: what makes them is loaded when the first one is asked for."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from despliegue.errors import PathNotFound
from despliegue.http.compression import packed_tag
from despliegue.http.messages import JSON, Outcome, Request, Response
from despliegue.http.open_inference import load
from despliegue.http.served import Served

_KEPT: Final = "private, no-cache"
"""Whoever keeps a document asks each time whether it still holds, and nobody keeps it for others: it may need a key."""

_CARD: Final = "MODEL_CARD.md"


def service_openapi(served: Served, request: Request, outcome: Outcome) -> Response:
    """GET /openapi.json."""
    from despliegue.http.openapi import service_document

    return document(request, outcome, service_document(served))


def model_openapi(
    served: Served, request: Request, outcome: Outcome, model: str, version: str | None = None
) -> Response:
    """GET /v2/models/{model}[/versions/{version}]/openapi.json."""
    found = load(served, outcome, model, version)
    from despliegue.http.openapi import model_document

    body = model_document(served, found, by_version=version is not None)
    return document(request, outcome, body)


def model_card(served: Served, request: Request, outcome: Outcome, model: str, version: str | None = None) -> Response:
    """GET /v2/models/{model}[/versions/{version}]/card: the package's `MODEL_CARD.md`.

    Raises:
        PathNotFound: it has none.
    """
    found = load(served, outcome, model, version)
    try:
        body = (served.repository.root / found.name / found.version / _CARD).read_bytes()
    except OSError as error:
        raise PathNotFound(f"model '{found.name}' version {found.version} has no {_CARD}") from error
    return document(request, outcome, body, {"content-type": "text/markdown; charset=utf-8"})


def console(served: Served, request: Request, outcome: Outcome) -> Response:
    """GET /docs."""
    from despliegue.http.console import page

    found = page()
    return document(request, outcome, found.body, found.headers)


def document(
    request: Request, outcome: Outcome, body: bytes, more: Mapping[str, str] = MappingProxyType({"content-type": JSON})
) -> Response:
    """The reply that `body` is, or 304 where the caller has it. Source: RFC 9110, 8.8.3 and 13.1.2.

    Args:
        request: what is answered.
        outcome: what happened.
        body: the document.
        more: its content type, and further headers.
    """
    from hashlib import sha256  # here: it loads OpenSSL, a twentieth of the cold start

    tag = f'"{sha256(body).hexdigest()}"'
    known = request.headers.get("if-none-match", "")
    headers = {**more, "etag": tag, "cache-control": _KEPT}
    if known.strip() == "*":
        return Response(304, b"", headers, outcome)
    for item in known.split(","):
        given = item.strip().removeprefix("W/")  # weak ones are as good here
        if given in (tag, packed_tag(tag)):
            # That very one: a cache finds by it which of the bodies that it keeps still holds (RFC 9111, 4.3.4).
            return Response(304, b"", {**headers, "etag": given}, outcome)
    return Response(200, body, headers, outcome)
