"""Jobs as deployed: the API's handler, a presigned upload over HTTP, the score function on its event, the results."""

from __future__ import annotations

import gzip
import importlib.util
import json
import logging
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest

from despliegue.aws.jobs import POSTED, RESULT_TIME, UPLOAD_TIME, S3Jobs
from despliegue.errors import JobNotFound
from despliegue.http.job_store import JobRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CSV = JobRequest("input.csv", "text/csv", {})
KEY = re.compile(r"penguins@1/jobs/[0-9a-f]{32}/[a-z2-7]{26}/input\.csv")


class Api:
    """`functions/predict/app.py`, called as API Gateway does by a customer's key.

    Args:
        app: the module.
        load_event: reads a sample event.
    """

    def __init__(self, app: Any, load_event: Callable[[str], dict[str, Any]]) -> None:
        self._app = app
        self._load = load_event

    def call(self, event: dict[str, Any], path: str, key: str) -> tuple[int, Any]:
        event["pathParameters"] = {"proxy": path}
        event["requestContext"]["identity"]["apiKeyId"] = key
        reply = self._app.handler(event, SimpleNamespace(aws_request_id="lambda-request-1"))
        return reply["statusCode"], json.loads(reply["body"])

    def post(self, body: Any = None, model: str = "penguins", key: str = "customer-1") -> dict[str, Any]:
        """Ask for a job, which succeeds."""
        event = self._load("rest-jobs") | {"body": json.dumps(body) if body else "", "isBase64Encoded": False}
        status, posted = self.call(event, f"v2/models/{model}/jobs", key)
        assert status == 201, posted
        found: dict[str, Any] = posted
        return found

    def get(self, job: str, model: str = "penguins", key: str = "customer-1") -> tuple[int, Any]:
        return self.call(self._load("rest-job"), f"v2/models/{model}/jobs/{job}", key)

    def state(self, posted: dict[str, Any]) -> dict[str, Any]:
        """How far a job is."""
        status, found = self.get(posted["id"])
        assert status == 200, found
        state: dict[str, Any] = found
        return state


@pytest.fixture
def api(root: Path, aws: Any, load_event: Callable[[str], dict[str, Any]]) -> Api:
    logging.Logger.manager.loggerDict.pop("score", None)
    spec = importlib.util.spec_from_file_location("predict_app", root / "functions" / "predict" / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Api(module, load_event)


def upload(posted: dict[str, Any], body: bytes) -> httpx.Response:
    """What a third party does, with any HTTP client: no key, no SDK."""
    sent = posted["upload"]
    return httpx.request(sent["method"], sent["url"], headers=sent["headers"], content=body)


def key_of(posted: dict[str, Any]) -> str:
    """Of the object that an upload makes; the endpoint has the bucket in its path."""
    return unquote(urlsplit(posted["upload"]["url"]).path).removeprefix("/inbox/")


def score(aws: Any, function: Any, posted: dict[str, Any], sequencer: str = "") -> None:
    """Call the score function with the event of the upload."""
    key = key_of(posted)
    head = aws.s3.head_object(Bucket="inbox", Key=key)
    notice = aws.notification(key, head["ETag"].strip('"'), head["ContentLength"], sequencer)
    assert function.handle(aws.message(notice)) == {"batchItemFailures": []}


def test_a_file_is_uploaded_scored_and_fetched(aws: Any, function: Any, api: Api, birds: bytes) -> None:
    posted = api.post()
    waiting = api.state(posted)
    assert upload(posted, birds).status_code == 200
    running = api.state(posted)
    score(aws, function, posted)
    done = api.state(posted)

    names = {"id": posted["id"], "model": "penguins", "version": "1"}
    assert waiting == names | {"state": "waiting"}
    assert running == names | {"state": "running"}
    assert done.items() >= (names | {"state": "done", "rows": {"read": 12, "scored": 11, "rejected": 1}}).items()
    assert set(done) == {*names, "state", "rows", "results"}
    results = {kind: httpx.get(done["results"][kind]) for kind in ("scored", "rejects", "report")}
    assert {reply.status_code for reply in results.values()} == {200}
    assert (
        results["scored"]
        .text.splitlines()[0]
        .endswith(",label,probability_Adelie,probability_Chinstrap,probability_Gentoo")
    )
    assert len(results["scored"].text.splitlines()) == 12
    assert results["scored"].headers["content-type"].startswith("text/csv")
    assert json.loads(results["rejects"].text)["field"] == "body_mass_g"
    assert results["report"].json()["rows"] == done["rows"]
    assert KEY.fullmatch(key_of(posted))
    assert aws.report(key_of(posted))["status"] == "scored"


def test_options_and_packing_go_with_the_upload(aws: Any, function: Any, api: Api, birds: bytes) -> None:
    body = gzip.compress(birds.replace(b",", b";"))
    posted = api.post({"compression": "gzip", "options": {"delimiter": ";", "join": False, "reject-threshold": 0.5}})

    assert posted["upload"]["headers"] == {
        "Content-Type": "application/gzip",
        "If-None-Match": "*",
        "x-amz-meta-despliegue-delimiter": ";",
        "x-amz-meta-despliegue-join": "false",
        "x-amz-meta-despliegue-reject-threshold": "0.5",
    }
    assert upload(posted, body).status_code == 200
    score(aws, function, posted)
    done = api.state(posted)

    assert (done["state"], done["rows"]["scored"]) == ("done", 11)
    report = httpx.get(done["results"]["report"]).json()
    assert report["options"] | {"reject_threshold": 0.5, "join": False} == report["options"]
    scored = gzip.decompress(httpx.get(done["results"]["scored"]).content)
    assert scored.startswith(b"label;probability_Adelie;")


def test_a_sample_event_of_a_version_works_too(aws: Any, api: Api, load_event: Callable[[str], dict[str, Any]]) -> None:
    status, posted = api.call(load_event("rest-version-jobs"), "v2/models/penguins/versions/1/jobs", "customer-1")
    asked = api.call(load_event("rest-version-job"), f"v2/models/penguins/versions/1/jobs/{posted['id']}", "customer-1")

    assert status == 201
    assert asked == (200, {"id": posted["id"], "model": "penguins", "version": "1", "state": "waiting"})


def test_another_customers_job_is_as_good_as_none(aws: Any, function: Any, api: Api, birds: bytes) -> None:
    posted = api.post()
    upload(posted, birds)
    score(aws, function, posted)
    calls = len(aws.server.calls)

    unknown, others = api.get("a" * 26), api.get(posted["id"], key="customer-2")

    assert unknown[0] == others[0] == 404
    assert unknown[1]["error"].replace("a" * 26, posted["id"]) == others[1]["error"]
    assert {call.method for call in list(aws.server.calls)[calls:]} == {"GET"}
    assert api.get(posted["id"], model="breast-cancer")[0] == 404
    assert api.get(posted["id"])[0] == 200


@pytest.mark.parametrize("job", ["..", "../../customer", "", "A" * 26, "a" * 25, "a" * 27, "_api_jobs", "a" * 25 + "/"])
def test_an_id_that_none_can_have_is_not_looked_for(aws: Any, job: str) -> None:
    jobs = S3Jobs(aws.s3, "inbox", "results")

    with pytest.raises(JobNotFound):
        jobs.find("customer-1", "penguins", "1", job)
    assert not aws.server.calls


def test_ids_and_owners_are_told_apart_by_what_cannot_be_guessed(aws: Any) -> None:
    jobs = S3Jobs(aws.s3, "inbox", "results")

    posted = [jobs.create(caller, "penguins", "1", CSV) for caller in ("customer-1", "customer-1", "customer-2", "")]

    paths = [urlsplit(each.upload.url).path.split("/") for each in posted]
    owners = [path[-3] for path in paths]
    assert len({each.id for each in posted}) == 4
    assert owners[0] == owners[1]
    assert len(set(owners)) == 3
    assert not any("customer" in each.upload.url for each in posted)


def test_two_jobs_at_once_do_not_meet(aws: Any, function: Any, api: Api, birds: bytes, fewer: bytes) -> None:
    first, second = api.post(), api.post()
    upload(second, fewer)
    upload(first, birds)
    score(aws, function, second)
    states = api.state(first)["state"], api.state(second)["state"]
    score(aws, function, first)

    assert states == ("running", "done")
    assert [api.state(each)["rows"]["read"] for each in (first, second)] == [12, 2]


def test_a_job_is_one_upload(aws: Any, function: Any, api: Api, birds: bytes, fewer: bytes) -> None:
    posted = api.post()
    upload(posted, birds)
    score(aws, function, posted)

    again = upload(posted, fewer)

    assert again.status_code == 412
    assert api.state(posted)["rows"]["read"] == 12


def test_what_the_inboxs_owner_puts_in_its_place_is_a_new_result(
    aws: Any, function: Any, api: Api, birds: bytes, fewer: bytes
) -> None:
    posted = api.post()
    upload(posted, birds)
    score(aws, function, posted, sequencer="01")
    aws.put(fewer, key_of(posted))
    score(aws, function, posted, sequencer="02")

    assert api.state(posted)["rows"]["read"] == 2


def test_a_job_whose_file_never_comes_expires(aws: Any, birds: bytes) -> None:
    now = datetime.now(UTC)
    jobs = S3Jobs(aws.s3, "inbox", "results")
    posted = jobs.create("customer-1", "penguins", "1", CSV)

    def state(after: timedelta) -> str:
        later = S3Jobs(aws.s3, "inbox", "results", clock=lambda: now + after)
        return later.find("customer-1", "penguins", None, posted.id).state

    assert state(UPLOAD_TIME - timedelta(seconds=2)) == "waiting"
    assert state(UPLOAD_TIME + timedelta(seconds=2)) == "expired"
    sent = posted.upload
    assert httpx.put(sent.url, headers=sent.headers, content=birds).status_code == 200
    assert state(UPLOAD_TIME + timedelta(seconds=2)) == "running", "an upload that began in time may take longer"


def test_a_file_of_nothing_but_rejects_fails_with_the_reason(aws: Any, function: Any, api: Api, birds: bytes) -> None:
    posted = api.post()
    header = birds.splitlines(keepends=True)[0]
    upload(posted, header + 12 * b"1,Adelie,Torgersen,long,18.7,181,3750,male\n")
    score(aws, function, posted)
    failed = api.state(posted)

    assert failed["state"] == "failed"
    assert failed["code"] == "TooManyRejects"
    assert failed["rows"] == {"read": 12, "scored": 0, "rejected": 12}
    assert "rejected" in failed["error"]
    assert set(failed["results"]) == {"rejects", "report", "expires"}
    assert len(httpx.get(failed["results"]["rejects"]).text.splitlines()) == 12


def test_a_file_that_is_no_table_fails_with_the_reason(aws: Any, function: Any, api: Api) -> None:
    posted = api.post({"format": "parquet"})
    upload(posted, b"PAR1, but not really")
    score(aws, function, posted)
    failed = api.state(posted)

    assert (failed["state"], failed["code"]) == ("failed", "UnscorableFile")
    assert "Parquet" in failed["error"]
    assert set(failed["results"]) == {"report", "expires"}


def test_a_file_that_was_given_up_has_failed(aws: Any, function: Any, api: Api, birds: bytes) -> None:
    posted = api.post()
    upload(posted, birds)
    key = key_of(posted)
    head = aws.s3.head_object(Bucket="inbox", Key=key)
    function.fail(aws.message(aws.notification(key, head["ETag"].strip('"'), head["ContentLength"])))

    failed = api.state(posted)

    assert (failed["state"], failed["code"]) == ("failed", "GivenUp")
    assert failed["error"].startswith("gave up: every try failed")


def test_until_the_results_have_their_names_it_is_running(aws: Any, function: Any, api: Api, birds: bytes) -> None:
    posted = api.post()
    upload(posted, birds)
    score(aws, function, posted)
    scored = f"{key_of(posted)}.scored.csv"
    body = aws.s3.get_object(Bucket="results", Key=scored)["Body"].read()

    aws.s3.put_object(Bucket="results", Key=scored, Body=b"an older one")
    overwritten = api.state(posted)
    aws.s3.delete_object(Bucket="results", Key=scored)
    missing = api.state(posted)
    later = S3Jobs(aws.s3, "inbox", "results", clock=lambda: datetime.now(UTC) + timedelta(days=2))
    deleted = later.find("customer-1", "penguins", "1", posted["id"])
    aws.s3.put_object(Bucket="results", Key=scored, Body=body)

    assert (overwritten["state"], missing["state"], deleted.state) == ("running", "running", "expired")
    assert api.state(posted)["state"] == "done"


def test_what_is_remembered_of_a_job_is_no_file_to_be_scored(aws: Any, api: Api) -> None:
    api.post()

    assert aws.s3.list_objects_v2(Bucket="inbox")["KeyCount"] == 0
    [(key, etag)] = aws.results().items()
    assert key.startswith(POSTED)
    assert etag == "d41d8cd98f00b204e9800998ecf8427e", "it is empty"


def test_where_s3_fails_the_caller_reads_no_more_than_a_request_id(aws: Any, api: Api) -> None:
    aws.server.rules.append(lambda call: 403)

    status, reply = api.get("a" * 26)

    assert status == 500
    assert reply["error"].startswith("internal error; request id ")


def test_the_api_needs_no_package_of_the_tables_layer(root: Path, environment: dict[str, str], aws: Any) -> None:
    code = """
import json, sys
sys.modules["arro3"] = sys.modules["backports"] = None
import app
context = type("Context", (), {"aws_request_id": "1"})
posted = json.loads(app.handler(json.load(open("events/predict/rest-jobs.json")), context)["body"])
event = json.load(open("events/predict/rest-job.json"))
event["pathParameters"]["proxy"] = f"v2/models/penguins/jobs/{posted['id']}"
print(json.loads(app.handler(event, context)["body"])["state"], file=sys.stderr)
"""
    paths = f"{root / 'functions' / 'predict'}:{root / 'layers' / 'serving' / 'python'}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment | {"PYTHONPATH": paths}, capture_output=True, text=True
    )

    assert done.stderr == "waiting\n"


def test_results_open_for_an_hour(aws: Any, function: Any, api: Api, birds: bytes) -> None:
    posted = api.post()
    upload(posted, birds)
    score(aws, function, posted)

    results = api.state(posted)["results"]

    left = datetime.fromisoformat(results.pop("expires")) - datetime.now(UTC)
    assert RESULT_TIME - timedelta(seconds=60) < left <= RESULT_TIME
    for url in results.values():
        query = parse_qs(urlsplit(url).query)
        assert query["X-Amz-Expires"] == ["3600"]
        assert query["X-Amz-SignedHeaders"] == ["host"]
