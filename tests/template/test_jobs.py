"""Jobs of the API: what its addresses may open, which is what its role may do, and where its files lie."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from botocore.session import Session
from moto import mock_aws

from despliegue.aws.jobs import open_jobs
from despliegue.http.job_store import JobRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    type Deploy = Callable[..., dict[str, Any]]

INBOX, RESULTS = "${InboxBucket.Arn}", "${ResultsBucket.Arn}"
FOLDER = "penguins@1/jobs/0123456789abcdef0123456789abcdef/abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def statements(deploy: Deploy) -> list[dict[str, Any]]:
    """Those of the API's role that are about S3."""
    [policy] = deploy()["Resources"]["PredictRole"]["Properties"]["Policies"]
    return [each for each in policy["PolicyDocument"]["Statement"] if each["Action"][:3] == "s3:"]


def allowed(statements: list[dict[str, Any]], action: str, bucket: str, key: str) -> bool:
    """Whether an object may be touched, or, for a list, what begins with `key` may be asked for."""
    for each in statements:
        resource = each["Resource"].get("Fn::Sub") or f"${{{each['Resource']['Fn::GetAtt'][0]}.Arn}}"
        if each["Action"] != action:
            continue
        if action == "s3:ListBucket":
            prefixes = each["Condition"]["StringLike"]["s3:prefix"]
            patterns = prefixes if isinstance(prefixes, list) else [prefixes]
            if resource == bucket and any(fnmatchcase(key, pattern) for pattern in patterns):
                return True
        elif fnmatchcase(f"{bucket}/{key}", resource):
            return True
    return False


@mock_aws
def test_what_the_api_does_is_allowed(statements: list[dict[str, Any]]) -> None:
    session = Session({"region": (None, None, "us-east-1", None)})
    session.set_credentials("key", "secret")
    s3: Any = session.create_client("s3")
    for bucket in ("the-inbox", "the-results"):
        s3.create_bucket(Bucket=bucket)
    jobs = open_jobs("the-inbox", "the-results", session=session)
    done: set[tuple[str, str]] = set()

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        key = unquote(params["url_path"]).lstrip("/") if model.name == "PutObject" else params["query_string"]["prefix"]
        done.add((model.name, key))

    jobs._s3.meta.events.register("before-call.s3", note)
    posted = jobs.create("customer-1", "penguins", "1", JobRequest("input.csv.gz", "application/gzip", {}))
    jobs.find("customer-1", "penguins", None, posted.id)
    signed = unquote(urlsplit(posted.upload.url).path).lstrip("/")

    written = [key for name, key in done if name == "PutObject"]
    listed = [key for name, key in done if name == "ListObjectsV2"]
    assert len(written) == 1
    assert len(listed) == 2, "the job and its results; in the inbox with the same prefix as the results"
    assert allowed(statements, "s3:PutObject", RESULTS, written[0].removeprefix("the-results/"))
    assert all(allowed(statements, "s3:ListBucket", RESULTS, key) for key in listed)
    assert allowed(statements, "s3:ListBucket", INBOX, signed.rpartition("/")[0] + "/")
    assert allowed(statements, "s3:PutObject", INBOX, signed)
    assert allowed(statements, "s3:GetObject", RESULTS, f"{signed}.scored.csv.gz")


@pytest.mark.parametrize(
    ("action", "bucket", "key"),
    [
        ("s3:PutObject", INBOX, "penguins/birds.csv"),
        ("s3:PutObject", INBOX, "penguins@1/birds.csv"),
        ("s3:PutObject", INBOX, "penguins/jobs/birds.csv"),
        ("s3:PutObject", RESULTS, f"{FOLDER}/input.csv.scored.csv"),
        ("s3:PutObject", RESULTS, "_jobs/0123/scored.csv"),
        ("s3:GetObject", INBOX, f"{FOLDER}/input.csv"),
        ("s3:GetObject", RESULTS, "penguins/birds.csv.scored.csv"),
        ("s3:GetObject", RESULTS, "_jobs/0123/scored.csv"),
        ("s3:DeleteObject", INBOX, f"{FOLDER}/input.csv"),
        ("s3:DeleteObject", RESULTS, f"{FOLDER}/input.csv.scored.csv"),
        ("s3:ListBucket", INBOX, ""),
        ("s3:ListBucket", INBOX, "penguins/"),
        ("s3:ListBucket", RESULTS, ""),
        ("s3:ListBucket", RESULTS, "_jobs/"),
    ],
)
def test_the_files_of_others_are_out_of_its_reach(
    statements: list[dict[str, Any]], action: str, bucket: str, key: str
) -> None:
    assert not allowed(statements, action, bucket, key)


def test_the_score_function_reads_what_the_api_lets_in(deploy: Deploy) -> None:
    for inbox in ("", "an-inbox"):
        deployed = deploy(InboxBucketName=inbox)["Resources"]
        variables = [
            deployed[f"{name}Function"]["Properties"]["Environment"]["Variables"] for name in ("Predict", "Score")
        ]
        for name in ("DESPLIEGUE_INBOX_BUCKET", "DESPLIEGUE_RESULTS_BUCKET", "DESPLIEGUE_AWS_ENDPOINT"):
            assert variables[0][name] == variables[1][name]


def test_an_inbox_with_a_key_of_its_own_takes_uploads(deploy: Deploy) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    [policy] = deploy(InboxBucketName="an-inbox", InboxKmsKeyArn=key)["Resources"]["PredictRole"]["Properties"][
        "Policies"
    ]
    by_sid = {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}

    assert (by_sid["EncryptFilesOfJobs"]["Action"], by_sid["EncryptFilesOfJobs"]["Resource"]) == (
        "kms:GenerateDataKey",
        key,
    )
    assert by_sid["TakeFilesOfJobs"]["Resource"] == "arn:aws:s3:::an-inbox/*@*/jobs/*"


def test_what_is_too_large_for_the_api_is_told_of_jobs(deploy: Deploy) -> None:
    body = deploy()["Resources"]["Api"]["Properties"]["Body"]
    for kind in ("REQUEST_TOO_LARGE", "INTEGRATION_TIMEOUT"):
        template = body["x-amazon-apigateway-gateway-responses"][kind]["responseTemplates"]["application/json"]
        assert re.search(
            r"fewer rows in a request, or have a file of them scored: POST /v2/models/MODEL/jobs\b", template
        )
