"""Every route is in a document, or is left out on purpose."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.unit.openapi.reading import Documents, operations

from despliegue.http import InferenceService, Request
from despliegue.http.routes import ROUTES, find_route

if TYPE_CHECKING:
    from collections.abc import Iterator

FOR_PEOPLE = {("GET", "/docs")}
THE_DOCUMENTS = {
    ("GET", "/openapi.json"),
    ("GET", "/v2/models/{model}/openapi.json"),
    ("GET", "/v2/models/{model}/versions/{version}/openapi.json"),
}
NOT_SERVED = {
    ("POST", "/v2/repository/models/{model}/load"),
    ("POST", "/v2/repository/models/{model}/unload"),
    ("GET", "/v2/trace/setting"),
    ("POST", "/v2/trace/setting"),
    ("GET", "/v2/logging"),
    ("POST", "/v2/logging"),
    ("GET", "/v2/systemsharedmemory/status"),
    ("GET", "/v2/cudasharedmemory/status"),
}
"""Parts of Triton's protocol that clients may ask for, and are told so."""


def described(documents: Documents) -> Iterator[tuple[str, str]]:
    """The routes that documents describe, each by its method and its path in the table."""
    patterns = [(re.sub(r"\\\{\w+\\\}", "[^/:]+", re.escape(route.path)), route.path) for route in ROUTES]
    for document in documents.values():
        for path, method, _ in operations(document):
            find_route(method, path)
            yield method, next(route for pattern, route in patterns if re.fullmatch(pattern, path))


def test_every_route_is_in_a_document_or_left_out_on_purpose(documents: Documents) -> None:
    there = {(method, route.path) for route in ROUTES for method in route.calls}

    assert there - set(described(documents)) == FOR_PEOPLE | THE_DOCUMENTS | NOT_SERVED


@pytest.mark.parametrize(("method", "path"), sorted(NOT_SERVED))
def test_what_is_not_served_says_so(service: InferenceService, method: str, path: str) -> None:
    response = service.handle(Request(method, path.replace("{model}", "penguins"), body=b"{}"))

    assert response.status == 501
