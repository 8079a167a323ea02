"""moto's AWS over HTTP with a place to break it, and the real handlers."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote_plus

import boto3
import httpx
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "penguins/birds.csv"


class Call(NamedTuple):
    """A call to S3 as its server sees it."""

    method: str
    bucket: str
    key: str
    query: str


class BreakableServer(ThreadedMotoServer):
    """moto's server, to be broken.

    Attributes:
        rules: each sees a call before moto does, and may refuse it with a status.
        losses: where one says so, moto does what is asked, but the answer is lost: a 503 comes instead.
        calls: all so far.
    """

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 0, verbose=False)
        self.rules: list[Callable[[Call], int | None]] = []
        self.losses: list[Callable[[Call], bool]] = []
        self.calls: deque[Call] = deque()

    def _server_entry(self) -> None:
        moto = DomainDispatcherApplication(create_backend_app)

        def answer(environ: dict[str, Any], start_response: Any) -> Any:
            request = Request(environ)
            bucket, _, key = request.path.lstrip("/").partition("/")
            call = Call(request.method, bucket, key, request.query_string.decode())
            self.calls.append(call)
            for rule in list(self.rules):
                if status := rule(call):
                    request.get_data()  # a client that is cut off while it sends reports something else
                    return refusal(status)(environ, start_response)
            if any(loss(call) for loss in self.losses):
                Response.from_app(moto, environ, buffered=True)
                return refusal(503)(environ, start_response)
            return moto(environ, start_response)

        self._server = make_server(self._ip_address, self._port, answer, True, request_handler=MotoRequestHandler)
        self._server_ready_event.set()
        self._server.serve_forever()


def refusal(status: int) -> Response:
    """S3's answer to a call that it refuses."""
    code = {403: "AccessDenied", 503: "SlowDown"}[status]
    return Response(f"<Error><Code>{code}</Code></Error>", status, mimetype="application/xml")


@dataclass
class Aws:
    """Buckets and queues, as the template makes them, empty at the beginning of each test."""

    server: BreakableServer
    s3: Any
    sqs: Any
    sns: Any
    load: Callable[[str], dict[str, Any]]
    queues: dict[str, str] = field(default_factory=dict)

    def put(self, body: bytes, key: str = KEY, **metadata: str) -> str:
        """Put an object into the inbox; its ETag."""
        options = {f"despliegue-{name.replace('_', '-')}": text for name, text in metadata.items()}
        return str(self.s3.put_object(Bucket="inbox", Key=key, Body=body, Metadata=options)["ETag"]).strip('"')

    def notification(self, key: str = KEY, etag: str = "", size: int = 1, sequencer: str = "") -> dict[str, Any]:
        """S3's notification of an object."""
        event = self.load("s3-put")
        item = {"key": quote_plus(key, safe="/"), "eTag": etag, "size": size, "sequencer": sequencer}
        event["Records"][0]["s3"]["object"] = item
        return event

    def message(self, *bodies: Any, count: int = 1) -> dict[str, Any]:
        """Messages of SQS around them; `count` is the try."""
        (template,) = self.load("sqs-s3")["Records"]
        records = []
        for number, body in enumerate(bodies):
            attributes = template["attributes"] | {"ApproximateReceiveCount": str(count)}
            text = body if isinstance(body, str) else json.dumps(body)
            records.append(template | {"messageId": f"m-{number}", "body": text, "attributes": attributes})
        return {"Records": records}

    def result(self, ending: str, key: str = KEY) -> bytes:
        body: bytes = self.s3.get_object(Bucket="results", Key=f"{key}.{ending}")["Body"].read()
        return body

    def report(self, key: str = KEY) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.result("report.json", key))
        return report

    def results(self) -> dict[str, str]:
        """The ETags of all results but what lies in `_jobs/`, by key."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="results")
        found = [item for page in pages for item in page.get("Contents", ())]
        return {item["Key"]: item["ETag"].strip('"') for item in found if not item["Key"].startswith("_jobs/")}

    def uploads(self) -> list[str]:
        """The keys of all open uploads."""
        return [item["Key"] for item in self.s3.list_multipart_uploads(Bucket="results").get("Uploads", ())]

    def clear_results(self) -> None:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket="results"):
            for item in page.get("Contents", ()):
                self.s3.delete_object(Bucket="results", Key=item["Key"])

    def notices(self, queue: str = "notices") -> list[dict[str, Any]]:
        """What EventBridge delivered since the last call."""
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.queues[queue]).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queues[queue], ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture(scope="session")
def server() -> Iterator[BreakableServer]:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = BreakableServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def environment(server: BreakableServer, root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the template and Lambda set, also set here."""
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "DESPLIEGUE_AWS_ENDPOINT": f"http://{host}:{port}",
        "DESPLIEGUE_EVENT_BUS": "default",
        "DESPLIEGUE_INBOX_BUCKET": "inbox",
        "DESPLIEGUE_MODELS": str(root / "layers" / "models"),
        "DESPLIEGUE_RESULTS_BUCKET": "results",
        "MALLOC_ARENA_MAX": "1",
        "POWERTOOLS_METRICS_NAMESPACE": "Despliegue",
        "POWERTOOLS_SERVICE_NAME": "score",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.fixture
def load_score_event(root: Path) -> Callable[[str], dict[str, Any]]:
    """Reads `events/score/NAME.json`."""

    def load(name: str) -> dict[str, Any]:
        event: dict[str, Any] = json.loads((root / "events" / "score" / f"{name}.json").read_bytes())
        return event

    return load


@pytest.fixture(scope="session")
def clients(server: BreakableServer) -> Iterator[dict[str, Any]]:
    """The tests' own clients; making one takes longer than most tests."""
    host, port = server.get_host_and_port()
    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="eu-west-1")
    names: tuple[Any, ...] = ("s3", "sqs", "events", "sns")
    clients: dict[str, Any] = {name: session.client(name, endpoint_url=f"http://{host}:{port}") for name in names}
    yield clients
    for client in clients.values():
        client.close()


@pytest.fixture
def aws(
    server: BreakableServer,
    clients: dict[str, Any],
    environment: dict[str, str],
    load_score_event: Callable[[str], dict[str, Any]],
) -> Iterator[Aws]:
    aws = Aws(server, clients["s3"], clients["sqs"], clients["sns"], load_score_event)
    for bucket in ("inbox", "results"):
        aws.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    aws.queues["notices"] = aws.sqs.create_queue(QueueName="notices")["QueueUrl"]
    target = {"Id": "1", "Arn": "arn:aws:sqs:eu-west-1:123456789012:notices"}
    clients["events"].put_rule(Name="notices", EventPattern=json.dumps({"source": ["despliegue"]}))
    clients["events"].put_targets(Rule="notices", Targets=[target])
    server.calls.clear()
    yield aws
    server.rules.clear()
    server.losses.clear()
    httpx.post(f"{environment['DESPLIEGUE_AWS_ENDPOINT']}/moto-api/reset").raise_for_status()


@dataclass
class Function:
    """`functions/score/app.py` with time as told."""

    app: Any
    seconds: float = 900

    def handle(self, event: dict[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = self.app.handler(event, self.context())
        return reply

    def fail(self, event: dict[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = self.app.failed(event, self.context())
        return reply

    def context(self) -> Any:
        return SimpleNamespace(get_remaining_time_in_millis=lambda: self.seconds * 1000)


@pytest.fixture
def start(root: Path, aws: Aws) -> Callable[[], Function]:
    """Imports `functions/score/app.py` anew, as a new instance of the function does."""

    def load() -> Function:
        # Python keeps a logger by its name, and this one would go on writing to an earlier test's output.
        logging.Logger.manager.loggerDict.pop("score", None)
        spec = importlib.util.spec_from_file_location("app", root / "functions" / "score" / "app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return Function(module)

    return load


@pytest.fixture
def function(start: Callable[[], Function]) -> Function:
    return start()


@pytest.fixture(scope="session")
def birds(root: Path) -> bytes:
    """The example file: twelve birds, one of them with a mass that is no number."""
    return (root / "examples" / "birds.csv").read_bytes()


@pytest.fixture(scope="session")
def fewer(birds: bytes) -> bytes:
    """The same file with only its first two birds."""
    return b"".join(birds.splitlines(keepends=True)[:3])


@pytest.fixture(scope="session")
def many() -> Callable[..., bytes]:
    """CSV of so many penguins, with a note of so many bytes each; one in ten thousand is rejected."""

    def make(rows: int, note: int = 1) -> bytes:
        lines = ["island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,note\n"]
        for row in range(rows):
            mass = "heavy" if row % 10_000 == 9_999 else 2700 + row % 3600
            numbers = f"{30 + row % 300 / 10},{13 + row % 80 / 10},{170 + row % 60},{mass}"
            lines.append(f"Biscoe,{numbers},female,{'n' * note}\n")
        return "".join(lines).encode()

    return make


@pytest.fixture(scope="session")
def several_parts(many: Callable[..., bytes]) -> bytes:
    """20,000 penguins, two of them rejected, in more than 16 MiB: what is scored is uploaded in four parts."""
    return many(20_000, 800)
