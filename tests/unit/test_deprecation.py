"""Versions on their way out: what `<name>/manifest.json` says of them is in each of their replies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest

from despliegue.http import InferenceService, Request, Response
from despliegue.models import ModelRepository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INFER = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}
OLD = {"1": {"since": "2026-11-01", "sunset": "2027-01-01"}}
HEADERS = ("deprecation", "sunset", "link")


@pytest.fixture
def say(add_model: Callable[..., Path]) -> Callable[..., InferenceService]:
    """A service over versions 1, 2 and 3 of `m`, whose manifest says this."""

    def make(**settings: Any) -> InferenceService:
        for version in "123":
            add_model(version=version)
        root = add_model(version="1").parent.parent
        (root / "m" / "manifest.json").write_text(json.dumps(settings))
        return InferenceService(ModelRepository(root))

    return make


def ask(service: InferenceService, path: str, body: Any = None) -> Response:
    data = json.dumps(body).encode() if body else b""
    return service.handle(Request("POST" if body else "GET", path, {}, data, "request-1"))


def said(response: Response) -> dict[str, str]:
    return {name: response.headers[name] for name in HEADERS if name in response.headers}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v2/models/m/versions/1/infer", INFER, 200),
        ("/v2/models/m/versions/1/infer/", INFER, 200),
        ("/v2/models/m/versions/1/infer", {"inputs": []}, 400),
        ("/v2/models/m/versions/1", None, 200),
        ("/v2/models/m/versions/1/openapi.json", None, 200),
        ("/v1/models/m/versions/1:predict", {"instances": [[1, 2, 3]]}, 200),
        ("/models/m/versions/1/invocations", {"instances": [[1, 2, 3]]}, 200),
    ],
)
def test_every_reply_of_the_version_says_so(
    say: Callable[..., InferenceService], path: str, body: Any, status: int
) -> None:
    response = ask(say(deprecated=OLD), path, body)

    found = said(response)
    assert response.status == status
    assert (found["deprecation"], found["sunset"]) == ("@1793491200", "Fri, 01 Jan 2027 00:00:00 GMT")
    link, _, relation = found["link"].partition("; ")
    assert relation == 'rel="successor-version"'
    # Below a stage, as a client resolves it.
    resolved = urljoin(f"https://example.org/live{path}", link.strip("<>"))
    assert resolved == "https://example.org/live/v2/models/m/versions/3"
    assert response.outcome.deprecated


def test_other_versions_and_other_paths_say_nothing(say: Callable[..., InferenceService]) -> None:
    service = say(deprecated=OLD)
    ask(service, "/v2/models/m/versions/1/infer", INFER)

    for path in ("/v2/models/m", "/v2/models/m/versions/2", "/v2/models/m/versions/9", "/v2", "/v2/models"):
        response = ask(service, path)
        assert said(response) == {}, path
        assert not response.outcome.deprecated


def test_a_deprecated_default_is_told_from_any_path(say: Callable[..., InferenceService]) -> None:
    service = say(deprecated=OLD, default_version="1")

    response = ask(service, "/invocations", {"instances": [[1, 2, 3]]})

    assert response.headers["link"] == '<v2/models/m/versions/3>; rel="successor-version"'


@pytest.mark.parametrize(
    ("settings", "successor"),
    [
        ({"deprecated": {"1": {"since": "2026-11-01"}}}, "3"),
        ({"deprecated": {"1": {"since": "2026-11-01"}}, "default_version": "2"}, "2"),
        ({"deprecated": {v: {"since": "2026-11-01"} for v in "13"}}, "2"),
        ({"deprecated": {v: {"since": "2026-11-01"} for v in "123"}}, None),
    ],
)
def test_the_successor_is_the_default_else_the_highest_that_stays(
    say: Callable[..., InferenceService], settings: Any, successor: str | None
) -> None:
    response = ask(say(**settings), "/v2/models/m/versions/1")

    deprecated = json.loads(response.body)["parameters"]["deprecated"]
    assert deprecated == {"since": "2026-11-01", **({"successor": successor} if successor else {})}
    assert ("link" in response.headers) == (successor is not None)
    assert "sunset" not in response.headers


def test_metadata_tells_it_of_deprecated_versions_alone(say: Callable[..., InferenceService]) -> None:
    service = say(deprecated=OLD)

    old, new = (json.loads(ask(service, f"/v2/models/m/versions/{v}").body)["parameters"] for v in "12")

    assert old["deprecated"] == {"since": "2026-11-01", "sunset": "2027-01-01", "successor": "3"}
    assert "deprecated" not in new


def test_the_document_marks_the_operations_of_deprecated_versions_alone(say: Callable[..., InferenceService]) -> None:
    service = say()

    def marked(version: str) -> set[bool]:
        document = json.loads(ask(service, f"/v2/models/m/versions/{version}/openapi.json").body)
        operations = [operation for path in document["paths"].values() for operation in path.values()]
        names = {"metadata", "ready", "infer", "configuration", "statistics", "status", "invoke"}
        assert {operation["operationId"] for operation in operations} == names
        return {operation.get("deprecated", False) for operation in operations}

    assert marked("1") == {False}
    (service.repository.root / "m" / "manifest.json").write_text(json.dumps({"deprecated": OLD}))
    service.repository.refresh()
    assert (marked("1"), marked("2")) == ({True}, {False})


@pytest.mark.parametrize(
    ("deprecated", "reason"),
    [
        ({"1": {"since": "2026-13-01"}}, "its deprecated is not of the form"),
        ({"1": {"sunset": "2026-11-01"}}, "its deprecated is not of the form"),
        ({"1": "2026-11-01"}, "its deprecated is not of the form"),
        (["1"], "its deprecated is not of the form"),
        ({"1": {"since": "2027-01-01", "sunset": "2026-11-01"}}, "its deprecated has a sunset of version 1 before its"),
    ],
)
def test_what_is_written_wrongly_is_told_to_who_asks_for_the_default_and_stops_no_version(
    say: Callable[..., InferenceService], deprecated: Any, reason: str
) -> None:
    service = say(deprecated=deprecated)

    assert ask(service, "/v2/models/m/versions/1/infer", INFER).status == 200
    response = ask(service, "/v2/models/m/infer", INFER)
    assert response.status == 500
    assert f"model 'm' is not ready: {reason}" in json.loads(response.body)["error"]


def test_a_server_that_follows_its_files_learns_of_it(say: Callable[..., InferenceService]) -> None:
    service = say()
    root = service.repository.root
    assert said(ask(service, "/v2/models/m/versions/1")) == {}

    (root / "m" / "manifest.json").write_text(json.dumps({"deprecated": OLD}))
    service.repository.refresh()
    assert "deprecation" in said(ask(service, "/v2/models/m/versions/1"))

    (root / "m" / "manifest.json").unlink()
    service.repository.refresh()
    assert said(ask(service, "/v2/models/m/versions/1")) == {}
