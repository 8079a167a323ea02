"""ScoreFunction in a real Lambda container, its S3 and EventBridge being moto's on this machine."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "events" / "score"
TIMEOUT_S = 180

type Invoke = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """moto where a container reaches it: at the address that Docker's bridge has on this machine."""
    bridge = subprocess.run(
        ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    gateway = next(ip_network(bridge.stdout.strip()).hosts())  # not every Docker names it
    server = ThreadedMotoServer(ip_address=str(gateway), port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    # moto keeps what it holds for all of the process, and other tests' buckets have the same names.
    httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()
    server.stop()


@pytest.fixture(scope="module")
def s3(endpoint: str) -> Iterator[Any]:
    """An S3 client, and the two buckets."""
    client = boto3.client(
        "s3", "eu-west-1", endpoint_url=endpoint, aws_access_key_id="none", aws_secret_access_key="none"
    )
    for bucket in ("inbox", "results"):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    yield client
    client.close()


@pytest.fixture
def invoke(built: Path, sam_environment: dict[str, str], endpoint: str, tmp_path: Path) -> Invoke:
    """`sam local invoke ScoreFunction`, or another function, with an event."""
    # `sam local` gives `!Ref ResultsBucket` as the resource's name, which is no bucket's; so with the inbox.
    variables = tmp_path / "env.json"
    buckets = {"DESPLIEGUE_INBOX_BUCKET": "inbox", "DESPLIEGUE_RESULTS_BUCKET": "results"}
    variables.write_text(json.dumps({"ScoreFunction": buckets, "PredictFunction": buckets}))

    def run(event: dict[str, Any], function: str = "ScoreFunction") -> dict[str, Any]:
        (tmp_path / "event.json").write_text(json.dumps(event))
        command: list[str | Path] = [
            Path(sys.executable).parent / "sam",
            "local",
            "invoke",
            function,
            "-t",
            built,
        ]
        command += ["-e", tmp_path / "event.json", "--env-vars", variables, "--skip-pull-image"]
        command += ["--parameter-overrides", f"S3EndpointUrl={endpoint}"]
        done = subprocess.run(command, env=sam_environment, capture_output=True, text=True, timeout=TIMEOUT_S)
        assert done.returncode == 0, done.stderr
        reply: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return reply

    return run


def test_a_file_named_in_a_sample_event_is_scored(s3: Any, invoke: Invoke) -> None:
    put = s3.put_object(Bucket="inbox", Key="penguins/birds.csv", Body=(ROOT / "examples" / "birds.csv").read_bytes())
    event = json.loads((EVENTS / "s3-put.json").read_text())
    event["Records"][0]["s3"]["object"]["eTag"] = put["ETag"].strip('"')

    reply = invoke(event)

    assert [(report["key"], report["status"]) for report in reply["reports"]] == [("penguins/birds.csv", "scored")]
    report = json.loads(s3.get_object(Bucket="results", Key="penguins/birds.csv.report.json")["Body"].read())
    scored = s3.get_object(Bucket="results", Key="penguins/birds.csv.scored.csv")["Body"].read()
    rejects = s3.get_object(Bucket="results", Key="penguins/birds.csv.rejects.jsonl")["Body"].read()
    assert report["rows"]["read"] == report["rows"]["scored"] + report["rows"]["rejected"] > 10
    assert len(scored.splitlines()) == 1 + report["rows"]["scored"]
    assert len(rejects.splitlines()) == report["rows"]["rejected"] == 1


def test_messages_of_the_queue_are_answered_one_by_one(s3: Any, invoke: Invoke) -> None:
    s3.put_object(Bucket="inbox", Key="penguins/birds.csv", Body=b"island\nBiscoe\n")
    event = json.loads((EVENTS / "sqs-s3.json").read_text())

    reply = invoke(event)

    assert reply == {"batchItemFailures": []}, "the file is another by now, which its own event tells of"


def test_a_job_of_the_api_is_scored(s3: Any, invoke: Invoke) -> None:
    """With no package of the tables layer in the API's container, and the botocore that the image has."""
    asks, looks = (
        json.loads((ROOT / "events" / "predict" / f"rest-{name}.json").read_text()) for name in ("jobs", "job")
    )
    posted = json.loads(invoke(asks | {"body": None}, "PredictFunction")["body"])
    upload = posted["upload"]
    body = (ROOT / "examples" / "birds.csv").read_bytes()
    httpx.put(upload["url"], headers=upload["headers"], content=body).raise_for_status()
    key = unquote(urlsplit(upload["url"]).path).removeprefix("/inbox/")
    event = json.loads((EVENTS / "s3-put.json").read_text())
    event["Records"][0]["s3"]["object"] |= {
        "key": quote(key),
        "eTag": s3.head_object(Bucket="inbox", Key=key)["ETag"][1:-1],
    }
    invoke(event)

    looks["pathParameters"]["proxy"] = f"v2/models/penguins/jobs/{posted['id']}"
    done = json.loads(invoke(looks, "PredictFunction")["body"])

    assert (done["state"], done["rows"]) == ("done", {"read": 12, "scored": 11, "rejected": 1})
    assert httpx.get(done["results"]["scored"]).text.startswith("id,species,island,")
