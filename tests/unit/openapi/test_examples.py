"""Documents are valid, and tell the truth: every example is answered as it says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.unit.openapi.conftest import CARD
from tests.unit.openapi.reading import JSON, Documents, examples, good, operations

from despliegue.http import InferenceService, Request
from despliegue.http.openapi.example_jobs import JOB, STATES
from despliegue.models import ModelRepository

if TYPE_CHECKING:
    from pathlib import Path

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
KIND = "text/markdown"
LENGTH = "Inference-Header-Content-Length"


def test_every_kind_of_model_has_its_documents(documents: Documents) -> None:
    described = {path.split("/")[3] for path in documents["/openapi.json"]["paths"] if path.endswith("/infer")}
    assert described == {*MODELS, "large", "takes-no-zero"}
    assert len(documents) == 1 + 2 * len(described)


def test_documents_are_valid_openapi(documents: Documents) -> None:
    for path in ("/openapi.json", "/v2/models/penguins/openapi.json", "/v2/models/bf16/versions/1/openapi.json"):
        assert list(OpenAPIV31SpecValidator(documents[path]).iter_errors()) == [], path


def lasting(reply: Any) -> Any:
    """A reply without what is of its moment: whether a model of the index is loaded."""
    if not isinstance(reply, list):
        return reply
    return [{key: value for key, value in item.items() if key not in ("state", "reason")} for item in reply]


def test_every_example_request_is_answered_as_its_example(documents: Documents, service: InferenceService) -> None:
    answered = set()
    for document in documents.values():
        for path, method, operation in operations(document):
            if method == "GET":
                continue
            status, success = good(operation)
            for sent, content in operation["requestBody"]["content"].items():
                for name, value in examples({sent: content}, sent).items():
                    body = json.dumps(value) if sent == JSON else value
                    for accepted in success["content"]:
                        given = examples(success["content"], accepted)
                        if accepted == "application/octet-stream" or sent == "application/octet-stream":
                            continue  # raw tensors: below
                        headers = {"content-type": sent, "accept": accepted}
                        response = service.handle(Request(method, path, headers, body.encode()))
                        text = response.body.decode()
                        reply = json.loads(text) if accepted == JSON else text
                        expected = given.get(name, given.get("example", given.get("all")))
                        assert (response.status, lasting(reply)) == (status, lasting(expected)), (path, name)
                        assert response.headers["content-type"].startswith(accepted)
                        answered.add((path, sent))
    for name in {*MODELS} - {"bf16"}:
        assert (f"/v2/models/{name}/infer", JSON) in answered, "every model shows how it is called"
    predicting = {path.split("/")[3].removesuffix(":predict") for path, _ in answered if path.startswith("/v1")}
    assert predicting >= {"breast-cancer", "penguins", "odd", "types", "with-default", "zipmap"}
    assert {("/invocations", kind) for kind in (JSON, "text/csv", "application/jsonlines")} <= answered
    for name in predicting | {"image", "scalar"}:
        assert {(f"/models/{name}/invocations", kind) for kind in (JSON, "application/jsonlines")} <= answered
        assert (f"/v2/models/{name}/jobs", JSON) in answered


def test_what_is_asked_for_with_get_is_as_its_example(documents: Documents, fresh: InferenceService) -> None:
    asked = set()
    for document in documents.values():
        for path, method, operation in operations(document):
            _, success = good(operation)
            if method == "POST" or "{job_id}" in path:
                continue
            [(kind, content)] = success["content"].items()
            [value] = examples({kind: content}, kind).values()
            response = fresh.handle(Request("GET", path))
            text = response.body.decode()
            assert (response.status, json.loads(text) if kind == JSON else text) == (200, value), path
            assert response.headers["content-type"].startswith(kind)
            asked.add(operation["operationId"].rpartition(".")[2])
    assert {"metadata", "ready", "configuration", "statistics", "status", "card", "version", "ping"} <= asked


def test_invocations_show_all_their_forms(documents: Documents) -> None:
    content = documents["/openapi.json"]["paths"]["/models/penguins/invocations"]["post"]["requestBody"]["content"]

    assert list(examples(content)) == ["dataframe_split", "dataframe_records", "instances", "inputs"]
    assert examples(content, "text/csv")["example"].startswith("island,bill_length_mm,")
    assert list(content) == [JSON, "text/csv", "application/jsonlines", "application/vnd.apache.parquet"]
    matrix = documents["/openapi.json"]["paths"]["/models/breast-cancer/invocations"]["post"]["requestBody"]
    assert "application/x-npy" in matrix["content"]


def test_a_job_is_shown_in_each_of_its_states(documents: Documents, fresh: InferenceService) -> None:
    paths = documents["/v2/models/penguins/versions/1/openapi.json"]["paths"]
    operation = paths["/v2/models/penguins/versions/1/jobs/{job_id}"]["get"]
    shown = examples(good(operation)[1]["content"])
    link = good(paths["/v2/models/penguins/versions/1/jobs"]["post"])[1]["links"]["status"]

    fresh.handle(Request("POST", "/v2/models/penguins/versions/1/jobs"))
    asked = [fresh.handle(Request("GET", f"/v2/models/penguins/versions/1/jobs/{JOB}")) for _ in STATES]

    assert [json.loads(response.body) for response in asked] == list(shown.values())
    assert list(shown) == [reply["state"] for reply in shown.values()] == list(STATES)
    assert link == {"operationId": operation["operationId"], "parameters": {"job_id": "$response.body#/id"}}


def test_without_jobs_cards_or_a_default_model_their_operations_are_not_there(folder: Path) -> None:
    service = InferenceService(ModelRepository(folder))
    document = json.loads(service.handle(Request("GET", "/openapi.json")).body)

    assert not [path for path in document["paths"] if "/jobs" in path]
    assert not [name for name in document["components"]["schemas"] if name.startswith("Job")]
    assert [path for path in document["paths"] if path.endswith("/card")] == ["/v2/models/penguins/card"]
    assert "/invocations" not in document["paths"], "it would answer nothing but that the path names no model"
    assert "/models/penguins/invocations" in document["paths"]


def test_a_changed_card_is_in_the_document_at_once(fresh: InferenceService, folder: Path) -> None:
    def card() -> Any:
        document = json.loads(fresh.handle(Request("GET", "/v2/models/penguins/openapi.json")).body)
        return examples(document["paths"]["/v2/models/penguins/card"]["get"]["responses"]["200"]["content"], KIND)

    assert card() == {"example": CARD}
    path = folder / "penguins" / "1" / "MODEL_CARD.md"
    path.write_text("# Another\n")
    try:
        assert card() == {"example": "# Another\n"}
    finally:
        path.write_text(CARD)


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


def test_examples_that_nobody_would_read_are_left_out(documents: Documents) -> None:
    paths = documents["/v2/models/large/openapi.json"]["paths"]

    assert examples(paths["/v2/models/large/infer"]["post"]["requestBody"]["content"]) == {}
    assert len(json.dumps(paths)) < 20_000


def test_where_zeros_do_not_run_there_is_no_example(documents: Documents) -> None:
    paths = documents["/v2/models/takes-no-zero/openapi.json"]["paths"]

    for path in ("/v2/models/takes-no-zero/infer", "/v1/models/takes-no-zero:predict"):
        operation = paths[path]["post"]
        assert examples(operation["requestBody"]["content"]) == examples(operation["responses"]["200"]["content"]) == {}
