"""The addresses of uploads as AWS would get them: the region's own, with all signed that must be sent."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.session import Session
from moto import mock_aws

from despliegue.aws.jobs import UPLOAD_TIME, open_jobs
from despliegue.http.job_store import JobRequest


@pytest.mark.parametrize(
    ("region", "bucket", "host", "path"),
    [
        ("eu-west-1", "an-inbox", "an-inbox.s3.eu-west-1.amazonaws.com", "/"),
        ("us-east-1", "an-inbox", "an-inbox.s3.us-east-1.amazonaws.com", "/"),
        ("cn-north-1", "an-inbox", "an-inbox.s3.cn-north-1.amazonaws.com.cn", "/"),
        ("eu-west-1", "an.inbox", "s3.eu-west-1.amazonaws.com", "/an.inbox/"),
    ],
)
@mock_aws
def test_in_aws_addresses_are_of_the_region_and_sign_all_that_must_be_sent(
    region: str, bucket: str, host: str, path: str
) -> None:
    session = Session({"region": (None, None, region, None)})
    session.set_credentials("AKIAEXAMPLE", "secret", "session-token")
    jobs = open_jobs(bucket, "the-results", session=session)
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3: Any = session.create_client("s3")
    s3.create_bucket(Bucket="the-results", **place)

    before = datetime.now(UTC).replace(microsecond=0)
    posted = jobs.create("customer-1", "penguins", "1", JobRequest("input.csv", "text/csv", {"id": "a name"}))

    url, headers = urlsplit(posted.upload.url), posted.upload.headers
    query = {name: value for name, [value] in parse_qs(url.query, strict_parsing=True).items()}
    assert (url.scheme, url.netloc) == ("https", host)
    assert url.path.startswith(f"{path}penguins%401/jobs/")
    assert headers == {"Content-Type": "text/csv", "If-None-Match": "*", "x-amz-meta-despliegue-id": "a name"}
    assert query["X-Amz-SignedHeaders"].split(";") == sorted(["host", *map(str.lower, headers)])
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-Expires"] == "900"
    assert re.fullmatch(rf"AKIAEXAMPLE/\d{{8}}/{region}/s3/aws4_request", query["X-Amz-Credential"])
    assert query["X-Amz-Security-Token"] == "session-token"
    signed = {"Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Security-Token", "Signature"}
    assert set(query) == {f"X-Amz-{name}" for name in signed}, "no checksum of nothing, and no secret"
    assert datetime.fromisoformat(posted.upload.expires) - before - UPLOAD_TIME < timedelta(seconds=30)
