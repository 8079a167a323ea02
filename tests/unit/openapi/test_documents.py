"""How documents are handed out: found again by their tags, as their service is reached, of the models there are."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys
import weakref
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from despliegue.http import InferenceService, Request, Response
from despliegue.http.openapi.document import MAX_MODELS
from despliegue.models import Manifest, ModelRepository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    type AddModel = Callable[..., Path]

PATHS = ["/openapi.json", "/v2/models/penguins/openapi.json", "/v2/models/penguins/versions/1/openapi.json"]


def get(service: InferenceService, path: str, **headers: str) -> Response:
    return service.handle(Request("GET", path, {name.replace("_", "-"): value for name, value in headers.items()}))


def read(service: InferenceService, path: str) -> dict[str, Any]:
    response = get(service, path)
    assert response.status == 200, response.body
    document: dict[str, Any] = json.loads(response.body)
    return document


@pytest.mark.parametrize("path", PATHS)
def test_who_has_the_document_is_told_so(service: InferenceService, fresh: InferenceService, path: str) -> None:
    first = get(service, path)
    tag = first.headers["etag"]

    assert first.headers["content-type"] == "application/json"
    assert first.headers["cache-control"] == "private, no-cache"
    assert tag.startswith('"')
    for known in (tag, f"W/{tag}", f'"another", {tag}', "*"):
        again = get(fresh, path, if_none_match=known)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag), known
    for unknown in ("", '"another"', tag.strip('"')):
        assert get(service, path, if_none_match=unknown).body == first.body


def test_the_packed_document_has_a_tag_of_its_own(service: InferenceService) -> None:
    plain, packed = get(service, "/openapi.json"), get(service, "/openapi.json", accept_encoding="gzip")

    assert packed.headers["content-encoding"] == "gzip"
    assert zlib.decompress(packed.body, 16 + zlib.MAX_WBITS) == plain.body
    assert packed.headers["etag"] not in (plain.headers["etag"], "")
    again = get(service, "/openapi.json", if_none_match=packed.headers["etag"], accept_encoding="gzip")
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == packed.headers["etag"], "a cache looks for what it keeps by this tag"


def test_a_changed_model_has_another_document(add_model: AddModel, repository: ModelRepository) -> None:
    folder = add_model()
    service = InferenceService(repository)
    before = get(service, "/v2/models/m/openapi.json").headers["etag"]
    old = weakref.ref(repository.get("m"))

    Manifest(description="Now it has words").write(folder)
    while not repository.refresh():
        pass

    after = get(service, "/v2/models/m/openapi.json", if_none_match=before)
    assert after.status == 200
    assert json.loads(after.body)["info"]["description"] == "Now it has words"
    gc.collect()
    assert old() is None, "nothing holds a model that was replaced"


def test_a_new_version_is_in_the_example_of_the_metadata(add_model: AddModel, repository: ModelRepository) -> None:
    service = InferenceService(repository)
    for number in ("1", "2"):
        add_model(version=number)
        operation = read(service, "/v2/models/m/versions/1/openapi.json")["paths"]["/v2/models/m/versions/1"]["get"]
        content = operation["responses"]["200"]["content"]["application/json"]
        assert content["examples"]["example"]["value"]["versions"][-1] == number


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("base", ["https://a.example", "https://a.example/live", "http://127.0.0.1:8080/x/y"])
def test_the_servers_address_follows_from_the_documents(service: InferenceService, path: str, base: str) -> None:
    [server] = read(service, path)["servers"]

    assert urljoin(f"{base}{path}", server["url"]).rstrip("/") == base


@pytest.mark.parametrize("path", PATHS)
def test_operations_have_names_of_their_own_and_tags_are_described(service: InferenceService, path: str) -> None:
    document = read(service, path)
    operations = [operation for item in document["paths"].values() for operation in item.values()]

    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert {tag for operation in operations for tag in operation["tags"]} == described


def test_a_models_document_is_called_as_the_model_is(service: InferenceService) -> None:
    document = read(service, "/v2/models/penguins/versions/1/openapi.json")

    assert document["openapi"].startswith("3.1")
    assert document["info"] == {
        "title": "penguins",
        "version": "1",
        "description": "Which species a penguin is, from its island, its measurements and its sex",
    }
    assert set(document["paths"]) == {
        "/v2/models/penguins/versions/1",
        "/v2/models/penguins/versions/1/ready",
        "/v2/models/penguins/versions/1/infer",
        "/v2/models/penguins/versions/1/config",
        "/v2/models/penguins/versions/1/stats",
        "/v2/models/penguins/versions/1/card",
        "/v2/models/penguins/versions/1/jobs",
        "/v2/models/penguins/versions/1/jobs/{job_id}",
        "/v1/models/penguins/versions/1",
        "/v1/models/penguins/versions/1:predict",
        "/models/penguins/versions/1/invocations",
    }


@pytest.mark.parametrize(
    ("auth", "scheme", "statuses"),
    [
        ("", {}, set()),
        ("ApiKey", {"type": "apiKey", "name": "x-api-key", "in": "header"}, {"403", "429", "504"}),
        ("Iam", {"type": "apiKey", "name": "Authorization", "in": "header"}, {"403", "429", "504"}),
    ],
)
def test_security_is_as_deployed(folder: Path, auth: Any, scheme: dict[str, str], statuses: set[str]) -> None:
    document = read(InferenceService(ModelRepository(folder), auth=auth), "/v2/models/penguins/openapi.json")

    assert ("security" in document) is ("securitySchemes" in document["components"]) is bool(auth)
    if auth:
        [(name, stated)] = document["components"]["securitySchemes"].items()
        assert document["security"] == [{name: []}]
        assert scheme.items() <= stated.items()
    for item in document["paths"].values():
        for operation in item.values():
            assert set(operation["responses"]) & {"403", "429", "504"} == statuses


def test_a_model_that_is_not_ready_has_no_document(add_model: AddModel, repository: ModelRepository) -> None:
    add_model()
    (add_model(name="broken") / "model.onnx").write_bytes(b"")
    service = InferenceService(repository)

    for path in ("/v2/models/broken", "/v2/models/nobody", "/v2/models/m/versions/9"):
        assert get(service, f"{path}/openapi.json").status == get(service, path).status
        assert get(service, f"{path}/openapi.json").body == get(service, path).body
    paths = read(service, "/openapi.json")["paths"]
    assert "/v2/models/m/infer" in paths
    assert not [path for path in paths if "broken" in path]


def test_a_service_without_models_has_a_document(repository: ModelRepository) -> None:
    assert set(read(InferenceService(repository), "/openapi.json")["paths"]) == {
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models",
        "/v2/models/stats",
        "/v2/repository/index",
        "/v1/models",
        "/ping",
        "/health",
        "/version",
    }


def test_very_many_models_are_one_path_with_a_parameter(add_model: AddModel, repository: ModelRepository) -> None:
    first = add_model(name="m000")
    for number in range(1, MAX_MODELS):
        shutil.copytree(first.parent, first.parents[1] / f"m{number:03}")
    service = InferenceService(repository)
    assert f"/v2/models/m{MAX_MODELS - 1:03}/infer" in read(service, "/openapi.json")["paths"]

    shutil.copytree(first.parent, first.parents[1] / f"m{MAX_MODELS:03}")
    fresh = InferenceService(ModelRepository(repository.root))
    document = read(fresh, "/openapi.json")
    paths = document["paths"]

    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert "/v2/models/m000/infer" not in paths
    [parameter] = paths["/v2/models/{model_name}/infer"]["parameters"]
    assert parameter["schema"]["enum"] == [f"m{number:03}" for number in range(MAX_MODELS + 1)]
    assert len(fresh.repository.loaded()) == 1


def test_what_is_asked_for_a_document_is_not_counted(add_model: AddModel, repository: ModelRepository) -> None:
    add_model()
    service = InferenceService(repository)
    read(service, "/v2/models/m/openapi.json")

    [counted] = json.loads(get(service, "/v2/models/m/stats").body)["model_stats"]
    assert counted["execution_count"] == counted["inference_stats"]["fail"]["count"] == 0


def test_nothing_of_it_is_loaded_before_it_is_asked_for() -> None:
    code = (
        "import despliegue.http, sys; print([name for name in sys.modules if 'openapi' in name or name == '_hashlib'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
