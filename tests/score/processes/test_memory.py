"""Objects are streamed: what a process holds does not grow with them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.score.conftest import Aws
    from tests.score.processes.conftest import Worker

KEY = "penguins/birds.csv"
MEGABYTES = 1000 if os.environ.get("SOAK") == "1" else 200
MOST = (150 - 45) * 1024 * 1024
"""Of the budget of 150 MiB, what is the process's own: the rest is the libraries' files."""


@pytest.fixture
def s3_elsewhere(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """moto in a process of its own: it holds objects whole."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    monkeypatch.setenv("DESPLIEGUE_AWS_ENDPOINT", f"http://127.0.0.1:{port}")
    s3: Any = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}")
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            s3.list_buckets()
            break
        except EndpointConnectionError:
            time.sleep(0.1)
    for bucket in ("inbox", "results"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    yield s3
    s3.close()
    process.terminate()
    process.wait()


def put(s3: Any, block: bytes, megabytes: int) -> int:
    """Put a file of so many megabytes, made of one header and a block many times; its rows."""
    header, _, rows = block.partition(b"\n")
    times = megabytes * 1_000_000 // len(rows)
    upload = s3.create_multipart_upload(Bucket="inbox", Key=KEY, Metadata={"despliegue-join": "false"})
    name = {"Bucket": "inbox", "Key": KEY, "UploadId": upload["UploadId"]}
    parts = []
    for number in range(1, times + 1):
        body = header + b"\n" + rows if number == 1 else rows
        reply = s3.upload_part(**name, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": reply["ETag"]})
    s3.complete_multipart_upload(**name, MultipartUpload={"Parts": parts})
    return times * rows.count(b"\n")


def test_memory_is_bounded_and_does_not_grow_with_the_file(
    aws: Aws, s3_elsewhere: Any, new_worker: Callable[[], Worker], many: Callable[[int, int], bytes]
) -> None:
    block = many(30_000, 250)
    worker = new_worker()
    peaks = []
    for megabytes in (100, MEGABYTES):
        rows = put(s3_elsewhere, block, megabytes)
        peaks.append(worker.run(aws.message(aws.notification()))["peak"])
        report = json.loads(s3_elsewhere.get_object(Bucket="results", Key=f"{KEY}.report.json")["Body"].read())
        assert report["rows"]["read"] == rows
        assert report["status"] == "scored"

    assert peaks[-1] <= MOST, peaks
    assert peaks[-1] - peaks[0] < 15_000_000, peaks
