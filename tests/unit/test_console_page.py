"""The console's page as a response: one document that needs nothing else, and may do nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from despliegue.http import InferenceService, Request
from despliegue.http.console import FOLDER, MODULES, page
from despliegue_cli.cloud import KeyedService

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from despliegue.http import Response
    from despliegue.models import ModelRepository

POLICY = {
    "default-src": "'none'",
    "connect-src": "'self'",
    "img-src": "data: blob:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}


@pytest.fixture
def service(repository: ModelRepository) -> InferenceService:
    return InferenceService(repository)


def get(service: InferenceService | KeyedService, path: str, method: str = "GET", **headers: str) -> Response:
    return service.handle(Request(method, path, {name.replace("_", "-"): value for name, value in headers.items()}))


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_is_one_document(service: InferenceService, path: str) -> None:
    response = get(service, path)

    html = response.body.decode()
    assert response.status == 200
    assert len(response.body) < 60_000
    assert html.startswith("<!doctype html>")
    assert re.findall(r'(?:src|href)="(?!#|data:)([^"]*)"', html) == [], "nothing is loaded"
    assert re.findall(r"^(?:import [{*]|export ).*", html, re.MULTILINE) == []
    assert html.count("<script") == html.count("</script>") == 1
    assert html.count("<style") == html.count("</style>") == 1
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", html) == [], "no outside address is named"


def test_it_may_run_and_show_just_what_it_holds(service: InferenceService) -> None:
    response = get(service, "/docs")

    html = response.body.decode()
    [script], [style] = (
        re.findall(r"<script[^>]*>(.*)</script>", html, re.DOTALL),
        re.findall(r"<style>(.*)</style>", html, re.DOTALL),
    )
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert policy == POLICY | {"script-src": digest(script), "style-src": digest(style)}
    assert not re.search(r"\son\w+=|\sstyle=", html.split("<body>")[1]), "inline handlers and styles would not work"
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_whoever_has_it_is_told_so(service: InferenceService) -> None:
    tag = get(service, "/docs").headers["etag"]

    again = get(service, "/docs", if_none_match=tag)

    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert get(service, "/docs", accept_encoding="gzip").headers["content-encoding"] == "gzip"
    assert get(service, "/docs", "HEAD").status == 200
    assert get(service, "/docs", "POST").status == 405


def test_it_holds_nothing_of_any_model(add_model: Callable[..., Path], service: InferenceService) -> None:
    before = get(service, "/docs").body
    add_model(name="a-secret-model")

    assert get(service, "/docs").body == before
    assert not re.search(rb"penguin|breast|Adelie|tumour", before)


def test_every_module_is_in_it_and_imports_what_is_there() -> None:
    assert {path.name for path in FOLDER.glob("*.js")} == set(MODULES)
    for name in MODULES:
        text = (FOLDER / name).read_text()
        for wanted, source in re.findall(r'^import \{ ([^}]*) \} from "\./([a-z]+\.js)";$', text, re.MULTILINE):
            for each in wanted.split(", "):
                assert re.search(
                    rf"^export (?:async )?(?:function|class|const) {each}\b",
                    (FOLDER / source).read_text(),
                    re.MULTILINE,
                )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/docs", 200),
        ("GET", "/docs/", 200),
        ("HEAD", "/docs", 200),
        ("POST", "/docs", 403),
        ("GET", "/docs/x", 403),
        ("GET", "//docs", 403),
        ("GET", "/openapi.json", 403),
        ("GET", "/v2/models", 403),
    ],
)
def test_at_home_the_page_alone_is_open(service: InferenceService, method: str, path: str, status: int) -> None:
    assert get(KeyedService(service, "k"), path, method).status == status


def test_a_card_is_given_as_it_is(add_model: Callable[..., Path], service: InferenceService) -> None:
    (add_model() / "MODEL_CARD.md").write_bytes("# m – a model\n".encode())
    add_model(version="0")

    for path in ("/v2/models/m/card", "/v2/models/m/versions/1/card"):
        card = get(service, path)
        assert (card.status, card.body.decode()) == (200, "# m – a model\n")
        assert card.headers["content-type"] == "text/markdown; charset=utf-8"
        assert get(service, path, if_none_match=card.headers["etag"]).status == 304
    none = get(service, "/v2/models/m/versions/0/card")
    assert (none.status, none.body) == (404, b'{"error":"model \'m\' version 0 has no MODEL_CARD.md"}')


def test_the_page_is_made_once() -> None:
    assert page() is page()
