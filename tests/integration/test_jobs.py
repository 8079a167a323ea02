"""Jobs through `despliegue serve --inbox`: with HTTP clients alone, and as docs/large-files.md shows them."""

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration import guides

from despliegue.asgi import Limits
from despliegue.http.job_request import read_job_request
from despliegue.http.messages import Request

WAIT_SECONDS = 60
KEY = {"x-api-key": "a-key"}

type Serve = Callable[..., Any]


@pytest.fixture
def birds(root: Path) -> bytes:
    return (root / "examples" / "birds.csv").read_bytes()


@pytest.fixture(scope="module")
def guide() -> str:
    return guides.read("large-files")


def post(url: str, body: Any = None, **headers: str) -> dict[str, Any]:
    reply = httpx.post(f"{url}/v2/models/penguins/jobs", json=body, headers=headers, timeout=WAIT_SECONDS)
    assert reply.status_code == 201, reply.text
    posted: dict[str, Any] = reply.json()
    assert reply.headers["location"] == posted["status"]
    return posted


def upload(posted: dict[str, Any], body: bytes) -> None:
    sent = posted["upload"]
    httpx.request(sent["method"], sent["url"], headers=sent["headers"], content=body).raise_for_status()


def settled(url: str, posted: dict[str, Any], **headers: str) -> dict[str, Any]:
    """The status once the job is over."""
    deadline = time.monotonic() + WAIT_SECONDS
    asked = httpx.URL(f"{url}/v2/models/penguins/jobs").join(posted["status"])
    while (found := httpx.get(asked, headers=headers, timeout=WAIT_SECONDS).raise_for_status().json())["state"] in (
        "waiting",
        "running",
    ):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    state: dict[str, Any] = found
    return state


def test_two_jobs_go_all_the_way_with_no_key_beyond_the_api(serve: Serve, models: Path, birds: bytes) -> None:
    url = serve(models, "--inbox", "--api-key", KEY["x-api-key"]).url
    refused = httpx.post(f"{url}/v2/models/penguins/jobs", timeout=WAIT_SECONDS)
    first, second = post(url, **KEY), post(url, {"options": {"join": False}}, **KEY)
    waiting = httpx.get(f"{url}/v2/models/penguins/jobs/{first['id']}", headers=KEY).json()
    upload(second, birds)
    upload(first, birds)
    done = [settled(url, posted, **KEY) for posted in (first, second)]

    assert refused.status_code == 403
    assert waiting["state"] == "waiting"
    assert [each["state"] for each in done] == ["done", "done"]
    assert [each["rows"] for each in done] == 2 * [{"read": 12, "scored": 11, "rejected": 1}]
    scored, alone = (httpx.get(each["results"]["scored"]).text for each in done)
    assert scored.startswith("id,species,island,")
    assert alone.startswith("label,probability_Adelie,")
    assert [line.split(",")[8] for line in scored.splitlines()] == [line.split(",")[0] for line in alone.splitlines()]


def test_a_file_that_cannot_be_scored_fails_with_the_reason(serve: Serve, models: Path) -> None:
    url = serve(models, "--inbox").url
    posted = post(url)
    upload(posted, b"wings\n2\n")
    failed = settled(url, posted)

    assert failed["state"] == "failed"
    assert failed["code"] == "UnscorableFile"
    assert httpx.get(failed["results"]["report"]).json()["error"] == failed["error"]


def test_without_an_inbox_there_are_no_jobs(serve: Serve, models: Path) -> None:
    reply = httpx.post(f"{serve(models).url}/v2/models/penguins/jobs", timeout=WAIT_SECONDS)

    assert reply.status_code == 501
    assert "`despliegue serve --inbox`" in reply.json()["error"]


def test_a_body_too_large_is_told_of_jobs(serve: Serve, models: Path) -> None:
    served = serve(models, "--inbox")
    body = b" " * (Limits().body_bytes + 1)

    reply = httpx.post(f"{served.url}/v2/models/penguins/infer", content=body, timeout=WAIT_SECONDS)

    assert reply.status_code == 413
    assert reply.json()["error"].endswith("or have a file of them scored: POST /v2/models/MODEL/jobs")


def test_neither_credentials_nor_proxies_of_the_user_are_used(
    serve: Serve, models: Path, birds: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_PROFILE": "mine",
        "AWS_ACCESS_KEY_ID": "AKIAMINE",
        "AWS_SECRET_ACCESS_KEY": "mine",
        "AWS_SESSION_TOKEN": "mine",
        "AWS_REGION": "eu-north-1",
        "AWS_DEFAULT_REGION": "eu-north-1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    url = serve(models, "--inbox").url
    monkeypatch.delenv("HTTP_PROXY")  # httpx, here, would take it

    posted = post(url)
    upload(posted, birds)

    assert "X-Amz-Credential=inbox%2F" in posted["upload"]["url"]
    assert not re.search("MINE|mine|eu-north", posted["upload"]["url"])
    assert settled(url, posted)["state"] == "done"


def scores(guide: str, language: str) -> str:
    """The guide's program in a language, which does not wait as long for the next look."""
    *_, program = guides.code(guide, language)
    return program.replace("sleep 5", "sleep 0.1").replace("sleep(5)", "sleep(0.1)")


@pytest.fixture
def jobs_url(guide: str, serve: Serve, models: Path) -> str:
    """Of the server that the guide says to start."""
    url: str = serve(models, *guides.serve_options(guide)).url
    return url


@pytest.mark.parametrize(("language", "columns"), [("sh", "id,island,"), ("python", "id,label,probability_Adelie,")])
def test_the_guide_goes_from_its_file_to_the_results(
    language: str, columns: str, guide: str, jobs_url: str, tmp_path: Path, require: Callable[[bool, str], None]
) -> None:
    require(shutil.which("jq") is not None, "the guide's commands need jq")
    setup, make_file, _ = guides.code(guide, "sh")
    assert setup == guides.SETUP
    guides.run("sh", make_file, jobs_url, tmp_path).check_returncode()
    program = scores(guide, language)

    done = guides.run(language, program, jobs_url, tmp_path)

    assert done.returncode == 0, done.stderr
    assert guides.lines(done.stdout) == guides.shown(program)
    assert (tmp_path / "scored.csv").read_text().startswith(columns)


@pytest.mark.parametrize("language", ["sh", "python"])
def test_the_guides_programs_end_with_the_reason_of_a_failed_job(
    language: str, guide: str, jobs_url: str, tmp_path: Path, require: Callable[[bool, str], None]
) -> None:
    require(shutil.which("jq") is not None, "the guide's commands need jq")
    (tmp_path / "birds.csv").write_text("id,wings\n1,2\n")

    done = guides.run(language, scores(guide, language), jobs_url, tmp_path)

    assert done.returncode == 1
    assert re.match("failed: .*island", done.stderr), done.stderr
    assert not (tmp_path / "scored.csv").exists()


def test_the_guides_commands_end_with_the_services_words_where_no_jobs_are_taken(
    guide: str, serve: Serve, models: Path, tmp_path: Path
) -> None:
    url = serve(models, "--api-key", guides.KEY).url

    done = guides.run("sh", scores(guide, "sh"), url, tmp_path)

    assert done.returncode == 1
    assert "jobs are not set up here" in done.stderr


def test_the_guide_lists_what_there_is(guide: str, root: Path) -> None:
    rows = {match[1]: match[2] for match in re.finditer(r"^\| `(\w+)` \| (.*?) \|", guide, re.MULTILINE)}
    template = (root / "template.yaml").read_text()

    for member in ("format", "compression"):
        for value in re.findall(r"`([a-z]+)`", rows[member]):
            read_job_request(Request("POST", "", {}, json.dumps({member: value}).encode()))
    for name in ("QuotaLimit", "InboxExpirationDays", "ResultsExpirationDays", "InboxBucketName", "InboxKmsKeyArn"):
        assert f"`{name}`" in guide
        assert f"  {name}:\n" in template
    store = (root / "layers/serving/python/despliegue/http/job_store.py").read_text()
    states = re.search(r"^type State = Literal\[(.*)\]$", store, re.MULTILINE)
    assert states is not None
    assert set(re.findall(r'"(\w+)"', states[1])) == set(rows) - {"format", "compression", "options"}
