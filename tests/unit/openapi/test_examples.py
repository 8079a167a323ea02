"""Documents are valid, and tell the truth: every example is answered as it says, every error is what is really said."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from despliegue.http import InferenceService, Request
from despliegue.http.openapi.asked import REQUEST_ID
from despliegue.http.routes import find_route
from despliegue.models import ModelRepository

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from despliegue.http import Response

type Documents = dict[str, dict[str, Any]]

MODELS = [
    "breast-cancer",
    "penguins",
    "bf16",
    "bf16-text",
    "image",
    "odd",
    "one-for-all",
    "scalar",
    "types",
    "with-default",
    "zipmap",
]
LENGTH = "Inference-Header-Content-Length"


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in item.keys() - {"parameters"}:
            yield path, method.upper(), item[method]


def examples(content: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    found = content.get(kind, {}).get("examples", {})
    return {name: example["value"] for name, example in found.items()}


def error_examples(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[int, str, Any]]:
    for status, response in operation["responses"].items():
        if "$ref" in response:
            response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        if status != "200":
            for name, value in examples(response["content"]).items():
                yield int(status), name, value


def test_every_kind_of_model_has_its_documents(documents: Documents) -> None:
    described = {path.split("/")[3] for path in documents["/openapi.json"]["paths"] if path.startswith("/v2/models/")}
    assert described == {*MODELS, "large", "takes-no-zero"}
    assert len(documents) == 1 + 2 * len(described)


def test_every_document_is_valid_openapi(documents: Documents) -> None:
    for path, document in documents.items():
        assert list(OpenAPIV31SpecValidator(document).iter_errors()) == [], path


def lasting(reply: Any) -> Any:
    """A reply without what is of its moment: whether a model of the index is loaded."""
    if not isinstance(reply, list):
        return reply
    return [{key: value for key, value in item.items() if key not in ("state", "reason")} for item in reply]


def test_every_example_request_is_answered_as_its_example(documents: Documents, service: InferenceService) -> None:
    answered = set()
    for document in documents.values():
        for path, method, operation in operations(document):
            given = examples(operation["responses"]["200"]["content"])
            sent = examples(operation.get("requestBody", {}).get("content", {})) if method == "POST" else {"": None}
            for request, reply in zip(sent.values(), given.values(), strict=True):
                body = b"" if method == "GET" else json.dumps(request).encode()
                response = service.handle(Request(method, path, {"content-type": "application/json"}, body))
                assert (response.status, lasting(json.loads(response.body))) == (200, lasting(reply)), path
                answered.add((path, method))
    for name in {*MODELS} - {"bf16"}:
        assert (f"/v2/models/{name}/infer", "POST") in answered, "every model shows how it is called"
    predicting = {path.split("/")[3].removesuffix(":predict") for path, _ in answered if path.startswith("/v1")}
    assert predicting >= {"breast-cancer", "penguins", "odd", "types", "with-default", "zipmap"}


def test_raw_tensors_are_an_example_where_they_are_text(documents: Documents, service: InferenceService) -> None:
    operation = documents["/v2/models/bf16/openapi.json"]["paths"]["/v2/models/bf16/infer"]["post"]
    [header] = operation["parameters"]
    assert list(operation["requestBody"]["content"]) == ["application/octet-stream"]
    [sent] = examples(operation["requestBody"]["content"], "application/octet-stream").values()
    [given] = examples(operation["responses"]["200"]["content"], "application/octet-stream").values()

    headers = {"content-type": "application/octet-stream", LENGTH.lower(): str(header["example"])}
    response = service.handle(Request("POST", "/v2/models/bf16/infer", headers, sent.encode()))

    assert header["name"].lower() == LENGTH.lower()
    assert header["required"] is True
    assert (response.status, response.body.decode()) == (200, given)


def test_every_path_is_in_the_route_table(documents: Documents) -> None:
    for document in documents.values():
        for path, method, _ in operations(document):
            find_route(method, path)


UNKNOWN_INPUT = {"inputs": [{"name": "", "shape": [], "datatype": "", "data": []}]}
BODIES: dict[tuple[str, str], Any] = {
    ("infer", "missingInput"): {"inputs": []},
    ("infer", "unknownInput"): UNKNOWN_INPUT,
    ("predict", "noInstances"): {},
    ("predict", "unknownFeature"): {"instances": [{"": 0}]},
    ("repositoryIndex", "ready"): {"ready": 1},
}


def at_fault(service: InferenceService, path: str, method: str, name: str, operation: str) -> Response:
    """The response to a request that is at fault as the example's name says."""
    headers: dict[str, str] = {}
    body = b"" if method == "GET" else b"{}"
    match name:
        case "noModel":
            service = InferenceService(ModelRepository(Path(os.devnull)))
        case "method":
            method, body = "DELETE", b""
        case "empty":
            body = b""
        case "contentType":
            headers["content-type"] = "text/plain"
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
    assert {(kind, 404) for kind in ("infer", "predict", "metadata", "ready")} <= seen
    assert {(kind, status) for kind in ("infer", "predict") for status in (400, 405, 413, 415)} <= seen
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

    response = InferenceService(ModelRepository(tmp_path)).handle(Request("GET", "/v2/models/penguins/ready"))

    ready = documents["/v2/models/penguins/openapi.json"]["paths"]["/v2/models/penguins/ready"]["get"]
    assert (response.status, json.loads(response.body)) == (
        400,
        examples(ready["responses"]["400"]["content"])["example"],
    )


def test_examples_that_nobody_would_read_are_left_out(documents: Documents) -> None:
    paths = documents["/v2/models/large/openapi.json"]["paths"]

    assert examples(paths["/v2/models/large/infer"]["post"]["requestBody"]["content"]) == {}
    assert len(json.dumps(paths)) < 20_000


def test_where_zeros_do_not_run_there_is_no_example(documents: Documents) -> None:
    paths = documents["/v2/models/takes-no-zero/openapi.json"]["paths"]

    for path in ("/v2/models/takes-no-zero/infer", "/v1/models/takes-no-zero:predict"):
        operation = paths[path]["post"]
        assert examples(operation["requestBody"]["content"]) == examples(operation["responses"]["200"]["content"]) == {}
