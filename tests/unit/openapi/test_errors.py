"""Errors in documents are what is really said: each request at fault is sent, and told just that."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.unit.openapi.reading import Documents, error_examples, examples, operations

from despliegue.http import InferenceService, Request
from despliegue.http.openapi.asked import REQUEST_ID
from despliegue.http.openapi.example_jobs import ANOTHER, ExampleJobs
from despliegue.models import ModelRepository

if TYPE_CHECKING:
    import pytest

    from despliegue.http import Response

UNKNOWN_INPUT = {"inputs": [{"name": "", "shape": [], "datatype": "", "data": []}]}
BODIES: dict[tuple[str, str], Any] = {
    ("infer", "missingInput"): {"inputs": []},
    ("infer", "unknownInput"): UNKNOWN_INPUT,
    ("predict", "noInstances"): {},
    ("predict", "unknownFeature"): {"instances": [{"": 0}]},
    ("repositoryIndex", "ready"): {"ready": 1},
    ("invoke", "noForm"): {},
    ("invoke", "notANumber"): {"instances": [float("nan")]},
    ("invoke", "unknownFeature"): {"dataframe_records": [{"": 0}]},
    ("createJob", "format"): {"format": "xlsx"},
    ("createJob", "member"): {"content_type": "csv"},
    ("createJob", "option"): {"options": {"delimiter": "::"}},
}


def at_fault(service: InferenceService, path: str, method: str, name: str, operation: str) -> Response:
    """The response to a request that is at fault as the example's name says."""
    headers: dict[str, str] = {}
    body = b"" if method == "GET" else b"{}"
    match name:
        case "noModel":
            service = InferenceService(ModelRepository(Path(os.devnull)), jobs=ExampleJobs)
        case "noJob":
            path = path.replace("{job_id}", ANOTHER)
        case "method":
            method, path, body = "DELETE", "/v2", b""
        case "empty":
            body = b""
        case "contentType":
            headers["content-type"] = "text/plain"
        case "encoding":
            headers["content-encoding"] = "br"
        case "accept":
            headers["accept"] = "text/html"
        case "unpacked":
            headers["content-encoding"], body = "gzip", gzip.compress(bytes(2_000_000))
        case "types":
            zeros = [("s", "BYTES", ""), ("x", "FP32", 0)]
            inputs = [{"name": n, "shape": [1], "datatype": datatype, "data": [v]} for n, datatype, v in zeros]
            body = json.dumps({"inputs": inputs}).encode()
        case _:
            body = json.dumps(BODIES[operation, name]).encode()
    return service.handle(Request(method, path, headers, body, REQUEST_ID))


def test_every_error_is_what_a_request_at_fault_is_told(documents: Documents, service: InferenceService) -> None:
    seen = set()
    for document in documents.values():
        for path, method, operation in operations(document):
            kind = operation["operationId"].rpartition(".")[2]
            for status, name, value in error_examples(document, operation):
                if status in (403, 429, 500, 504) or name in ("gateway", "example"):
                    continue  # API Gateway's own words, our mistakes, and a model that is not ready: below
                response = at_fault(service, path, method, name, kind)
                assert (response.status, json.loads(response.body)) == (status, value), (path, name)
                seen.add((kind, status))
    of_a_model = {"infer", "predict", "invoke", "createJob", "metadata", "configuration", "statistics", "card"}
    assert {(kind, 404) for kind in of_a_model | {"ready", "status", "jobStatus", "ping", "health"}} <= seen
    posted = ("infer", "predict", "invoke", "createJob", "repositoryIndex")
    assert {(kind, status) for kind in posted for status in (400, 405, 413, 415)} <= seen
    assert ("infer", 501) in seen


def test_a_mistake_of_ours_is_what_the_document_says(
    documents: Documents, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    repository = ModelRepository(folder)

    def mistake(name: str, version: str | None = None) -> None:
        raise KeyError("a caller's value")

    monkeypatch.setattr(repository, "get", mistake)
    response = InferenceService(repository).handle(
        Request("POST", "/v2/models/penguins/infer", body=b"{}", id=REQUEST_ID)
    )

    failed = documents["/openapi.json"]["components"]["responses"]["Failed"]
    assert (response.status, json.loads(response.body)) == (500, examples(failed["content"])["internal"])


def test_what_api_gateway_says_is_what_the_template_has_it_say(root: Path, folder: Path) -> None:
    template = (root / "template.yaml").read_text().replace("''", "'").replace("$context.requestId", REQUEST_ID)
    for auth in ("ApiKey", "Iam"):
        response = InferenceService(ModelRepository(folder), auth=auth).handle(Request("GET", "/openapi.json"))
        shared = json.loads(response.body)["components"]["responses"]
        told = [
            message["error"]
            for name in ("Refused", "TooManyRequests", "TimedOut", "TooLarge", "Failed")
            for key, message in examples(shared[name]["content"]).items()
            if key not in ("unpacked", "internal")
        ]
        assert len(told) == {"ApiKey": 6, "Iam": 8}[auth]
        for message in told:
            assert f'{{"error": "{message}"}}' in template


def test_a_model_that_is_not_ready_says_so_in_the_words_of_the_example(documents: Documents, tmp_path: Path) -> None:
    folder = tmp_path / "penguins" / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(bytes(12))
    manifest = {"files": {"model.onnx": {"size": 2829, "sha256": ""}}}
    (folder / "manifest.json").write_text(json.dumps(manifest))

    for path in ("/v2/models/penguins/ready", "/v1/models/penguins"):
        response = InferenceService(ModelRepository(tmp_path)).handle(Request("GET", path))
        ready = documents["/v2/models/penguins/openapi.json"]["paths"][path]["get"]
        assert (response.status, json.loads(response.body)) == (
            400,
            examples(ready["responses"]["400"]["content"])["example"],
        )
