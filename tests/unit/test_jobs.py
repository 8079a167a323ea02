"""The endpoints of jobs, in front of files that are kept in memory: what is asked for, refused and answered."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from despliegue.errors import JobNotFound
from despliegue.http import InferenceService, Request, Response
from despliegue.http.job_store import JobRequest, JobStatus, Posted, Upload
from despliegue.models import ModelRepository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UPLOAD = Upload("https://s3.example/signed", "PUT", {"Content-Type": "text/csv"}, "2026-11-25T12:15:00Z")


class Kept:
    """The protocol `JobStore` with a dictionary.

    Attributes:
        asked: what callers asked for, by the ids of their jobs.
    """

    def __init__(self) -> None:
        self.asked: dict[str, tuple[str, str, str, JobRequest]] = {}

    def create(self, caller: str, model: str, version: str, request: JobRequest) -> Posted:
        job = f"job{len(self.asked)}"
        self.asked[job] = (caller, model, version, request)
        return Posted(job, UPLOAD)

    def find(self, caller: str, model: str, version: str | None, job: str) -> JobStatus:
        owner, name, number, _ = self.asked.get(job, ("", "", "", None))
        if (owner, name) != (caller, model) or version not in (None, number):
            raise JobNotFound(f"there is no job '{job}' of model '{model}'")
        return JobStatus(job, name, number, "waiting")


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def service(root: Path, kept: Kept) -> InferenceService:
    return InferenceService(ModelRepository(root / "layers" / "models"), jobs=lambda: kept)


@pytest.fixture
def post(service: InferenceService) -> Callable[..., Response]:
    """Asks for a job: JSON, or bytes as they are."""

    def send(body: Any = b"", path: str = "/v2/models/penguins/jobs", **headers: str) -> Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return service.handle(Request("POST", path, named, data, "request-1", "somebody"))

    return send


def get(service: InferenceService, path: str, caller: str = "somebody", method: str = "GET") -> Response:
    return service.handle(Request(method, path, id="request-2", caller=caller))


def message(response: Response) -> str:
    document = json.loads(response.body)
    assert list(document) == ["error"]
    return str(document["error"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/models/penguins/jobs", "jobs/job0"),
        ("/v2/models/penguins/versions/1/jobs", "jobs/job0"),
        ("/v2/models/penguins/jobs/", "job0"),
    ],
)
def test_a_job_says_where_to_upload_and_where_to_ask(post: Callable[..., Response], path: str, status: str) -> None:
    response = post(path=path)

    assert response.status == 201
    assert json.loads(response.body) == {
        "id": "job0",
        "model": "penguins",
        "version": "1",
        "state": "waiting",
        "status": status,
        "upload": {
            "url": "https://s3.example/signed",
            "method": "PUT",
            "headers": {"Content-Type": "text/csv"},
            "expires": "2026-11-25T12:15:00Z",
        },
    }
    assert response.headers["location"] == status, "relative, so that it holds below a stage"
    assert response.headers["cache-control"] == "no-store"
    assert (response.outcome.model, response.outcome.version) == ("penguins", "1")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", JobRequest("input.csv", "text/csv", {})),
        ({}, JobRequest("input.csv", "text/csv", {})),
        ({"format": None, "compression": None, "options": None}, JobRequest("input.csv", "text/csv", {})),
        ({"format": "csv", "compression": "gzip"}, JobRequest("input.csv.gz", "application/gzip", {})),
        ({"format": "jsonl"}, JobRequest("input.jsonl", "application/x-ndjson", {})),
        ({"format": "jsonl", "compression": "zstd"}, JobRequest("input.jsonl.zst", "application/zstd", {})),
        ({"format": "parquet"}, JobRequest("input.parquet", "application/vnd.apache.parquet", {})),
        (
            {"options": {"delimiter": ";", "header": True, "join": False, "id": 1, "reject-threshold": 0.05}},
            JobRequest(
                "input.csv",
                "text/csv",
                {"delimiter": ";", "header": "true", "join": "false", "id": "1", "reject-threshold": "0.05"},
            ),
        ),
        (
            {"options": {"header": 1.0, "join": 0.0, "id": 2.0, "reject-threshold": 1.0}},
            JobRequest("input.csv", "text/csv", {"header": "1", "join": "0", "id": "2", "reject-threshold": "1"}),
        ),
        (
            {"options": {"delimiter": "\t", "id": " bird ", "reject-threshold": "5%", "join": None}},
            JobRequest("input.csv", "text/csv", {"delimiter": "tab", "id": "bird", "reject-threshold": "5%"}),
        ),
    ],
)
def test_what_is_asked_for(post: Callable[..., Response], kept: Kept, body: Any, expected: JobRequest) -> None:
    assert post(body).status == 201
    assert kept.asked == {"job0": ("somebody", "penguins", "1", expected)}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "the body is an array; expected a JSON object"),
        (b"{", "the body is not valid JSON"),
        (b'{"format": "csv", "format": "jsonl"}', "format"),
        ({"content_type": "csv"}, "unknown member 'content_type'; expected 'format', 'compression', 'options'"),
        ({"format": "xlsx"}, "format is 'xlsx'; expected one of 'csv', 'jsonl', 'parquet'"),
        ({"format": ["csv"]}, "format is ['csv']; expected one of 'csv', 'jsonl', 'parquet'"),
        ({"compression": "br"}, "compression is 'br'; expected one of 'gzip', 'zstd'"),
        ({"format": "parquet", "compression": "gzip"}, "Parquet is packed within; expected none"),
        ({"options": ["join"]}, "options is an array; expected an object"),
        ({"options": {"delimeter": ";"}}, "unknown option 'delimeter'; expected delimiter, header, id, join, reject-"),
        ({"options": {"reject_threshold": 1}}, "unknown option 'reject_threshold'"),
        ({"options": {"header": "perhaps"}}, "option header is 'perhaps'; expected true or false"),
        ({"options": {"header": {}}}, "option 'header' is an object; expected a string, a number or a boolean"),
        ({"options": {"delimiter": "::"}}, "option delimiter is '::'; expected one character"),
        ({"options": {"delimiter": " "}}, "option delimiter is ''; expected one character"),
        ({"options": {"reject-threshold": 2}}, "option reject-threshold is '2'; expected a share of the rows"),
        ({"options": {"id": "año"}}, "option id is 'año'; expected at most 1,024 characters, all of them ASCII"),
        ({"options": {"id": "a\r\nx-amz-acl: public-read"}}, "all of them ASCII: it travels in a header"),
        ({"options": {"id": "x" * 1025}}, "expected at most 1,024 characters"),
    ],
)
def test_what_cannot_be_done_is_refused(post: Callable[..., Response], kept: Kept, body: Any, words: str) -> None:
    response = post(body)

    assert response.status == 400
    assert words in message(response)
    assert len(message(response)) < 400
    assert kept.asked == {}


def test_a_body_that_says_it_is_a_file_is_refused(post: Callable[..., Response], kept: Kept) -> None:
    response = post(b"island\n", content_type="text/csv")

    assert response.status == 415
    assert kept.asked == {}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v2/models/pinguins/jobs", "there is no model 'pinguins'"),
        ("/v2/models/penguins/versions/9/jobs", "version"),
        ("/v2/models/..%2f/jobs", "there is no model"),
    ],
)
def test_a_model_that_is_not_there_gets_no_job(
    post: Callable[..., Response], kept: Kept, path: str, words: str
) -> None:
    response = post(path=path)

    assert response.status == 404
    assert words in message(response)
    assert kept.asked == {}


def test_a_model_that_is_not_ready_gets_no_job(
    add_model: Callable[..., Path], repository: ModelRepository, kept: Kept
) -> None:
    (add_model() / "model.onnx").write_bytes(b"not a model")
    service = InferenceService(repository, jobs=lambda: kept)

    response = service.handle(Request("POST", "/v2/models/m/jobs", id="request-1"))

    assert response.status == 500
    assert "is not ready" in message(response)
    assert kept.asked == {}


def test_the_status_is_its_callers_alone(service: InferenceService, post: Callable[..., Response]) -> None:
    post()
    mine = get(service, "/v2/models/penguins/jobs/job0")
    by_version = get(service, "/v2/models/penguins/versions/1/jobs/job0")
    another = get(service, "/v2/models/penguins/jobs/job0", caller="somebody else")
    nobody = get(service, "/v2/models/penguins/jobs/job0", caller="")

    assert mine.status == by_version.status == 200
    assert json.loads(mine.body) == {"id": "job0", "model": "penguins", "version": "1", "state": "waiting"}
    assert mine.headers["cache-control"] == "no-store"
    assert another.status == nobody.status == 404
    assert message(another) == message(nobody) == "there is no job 'job0' of model 'penguins'"


@pytest.mark.parametrize(
    "path", ["/v2/models/penguins/jobs/job1", "/v2/models/bears/jobs/job0", "/v2/models/penguins/versions/2/jobs/job0"]
)
def test_another_job_model_or_version_is_not_found(
    service: InferenceService, post: Callable[..., Response], path: str
) -> None:
    post()

    assert get(service, path).status == 404


def test_methods_are_told(service: InferenceService) -> None:
    assert get(service, "/v2/models/penguins/jobs").headers["allow"] == "POST"
    assert get(service, "/v2/models/penguins/jobs/job0", method="DELETE").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(("method", "path"), [("POST", "jobs"), ("GET", "jobs/kx3qmvbe2ufzwyo4hr6sn7dlai")])
def test_without_a_scorer_of_files_there_are_no_jobs(root: Path, method: str, path: str) -> None:
    service = InferenceService(ModelRepository(root / "layers" / "models"))

    response = get(service, f"/v2/models/penguins/{path}", method=method)

    assert response.status == 501
    assert message(response).startswith("jobs are not set up here: nobody scores files for this service.")


def test_what_is_too_large_is_told_of_jobs_where_there_are_any(root: Path, service: InferenceService) -> None:
    packed = zlib.compress(bytes(2 * 1024 * 1024))
    without = InferenceService(ModelRepository(root / "layers" / "models"))

    def answer(service: InferenceService) -> Response:
        return service.handle(
            Request("POST", "/v2/models/penguins/infer", {"content-encoding": "deflate"}, packed, "request-1")
        )

    assert answer(service).status == answer(without).status == 413
    way_round = ", or have a file of them scored: POST /v2/models/MODEL/jobs"
    assert message(answer(service)) == message(answer(without)) + way_round
    assert message(answer(without)).endswith("send fewer rows in a request")


def test_nothing_of_it_is_loaded_before_it_is_asked_for(root: Path) -> None:
    """With jobs set up as the template does; and reading what is asked for takes no package of the tables layer."""
    code = """
import sys
import app
mine = {"despliegue.http.job_store", "despliegue.http.job_request", "despliegue.aws.jobs", "despliegue.scoring"}
print(sorted((mine | {"arro3.core", "boto3", "botocore.session", "_hashlib"}) & set(sys.modules)))
sys.modules["arro3"] = sys.modules["backports"] = None
from despliegue.http import Request
from despliegue.http.job_request import read_job_request
print(read_job_request(Request("POST", "", {}, b'{"options": {"join": false}}')).options)
"""
    environment = {
        "PYTHONPATH": f"{root / 'functions' / 'predict'}:{root / 'layers' / 'serving' / 'python'}",
        "DESPLIEGUE_MODELS": str(root / "layers" / "models"),
        "DESPLIEGUE_INBOX_BUCKET": "inbox",
        "DESPLIEGUE_RESULTS_BUCKET": "results",
        "POWERTOOLS_METRICS_NAMESPACE": "Despliegue",
        "POWERTOOLS_SERVICE_NAME": "predict",
    }

    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n{'join': 'false'}\n"
