"""`despliegue console`: finds a stack (in moto's CloudFormation), serves the page, passes calls on with credentials."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    type OpenPage = Callable[..., Page]

KEY = "only-for-this-test-and-long"
DESPLIEGUE = Path(sys.executable).parent / "despliegue"
REGION = "eu-west-1"


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, str]]:
    """The environment of an AWS that moto plays."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "secret-of-this-test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    server.stop()


def client(aws: dict[str, str], service: Literal["apigateway", "cloudformation"]) -> Any:
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=aws["AWS_ENDPOINT_URL"],
        aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
    )


def deploy(aws: dict[str, str], name: str, **outputs: str) -> None:
    """A stack with those outputs."""
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {key: {"Value": value} for key, value in outputs.items()},
    }
    client(aws, "cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))


@contextmanager
def console(aws: dict[str, str], stack: str) -> Iterator[str]:
    """A running `despliegue console`: where it answers."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command: list[str | Path] = [DESPLIEGUE, "console", "--stack", stack, "--region", REGION, "--port", str(port)]
    with subprocess.Popen(command, env=aws, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline(), process.stdout.readline()]
        assert process.stderr is not None
        assert printed[1] == f"http://127.0.0.1:{port}/docs\n", process.stderr.read()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
            assert process.stderr.read() == ""


def run(aws: dict[str, str], *options: str) -> str:
    """What is said of a console that does not start."""
    done = subprocess.run(
        [DESPLIEGUE, "console", *options], env=aws, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    return done.stderr


@pytest.fixture(scope="module")
def deployed(
    root: Path, aws: dict[str, str], serve_models: Callable[..., AbstractContextManager[str]]
) -> Iterator[str]:
    """`despliegue serve --api-key`, which a stack called `ours` says is its API; the key is API Gateway's."""
    with serve_models(root / "layers/models", "--api-key", KEY) as url:
        # moto's CloudFormation makes no API keys.
        key = client(aws, "apigateway").create_api_key(name="first", enabled=True, value=KEY)
        deploy(aws, "ours", ApiUrl=url, ApiKeyId=key["id"])
        yield url


@pytest.fixture(scope="module")
def ours(aws: dict[str, str], deployed: str) -> Iterator[str]:
    """The console of the stack `ours`."""
    with console(aws, "ours") as url:
        yield url


def test_the_page_predicts_without_a_key_typed_and_shows_the_deployed_address(
    open_page: OpenPage, ours: str, deployed: str
) -> None:
    page = open_page(ours, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="penguins").click()
    page.get_by_role("heading", name="penguins", level=1).wait_for()
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#result .bars").wait_for()

    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied").wait_for()
    call = page.evaluate("navigator.clipboard.readText()")
    assert f"{deployed}/v1/models/penguins:predict" in call
    assert '"x-api-key: $KEY"' in call
    done = subprocess.run(["bash", "-c", call], env=os.environ | {"KEY": KEY}, capture_output=True, check=True)
    assert json.loads(done.stdout)["predictions"][0]["label"] == "Adelie"
    assert KEY not in page.content()


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1:1"},
        {"host": "localhost.evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v2/models"), ("POST", "/v2/repository/index"), ("GET", "/docs")]
)
def test_other_sites_are_refused(ours: str, headers: dict[str, str], method: str, path: str) -> None:
    reply = httpx.request(method, f"{ours}{path}", headers=headers)

    assert reply.status_code == 403
    assert list(reply.json()) == ["error"]


def test_its_own_page_and_a_terminal_are_answered(ours: str) -> None:
    port = ours.rpartition(":")[2]
    for headers in ({}, {"host": f"localhost:{port}", "origin": f"http://localhost:{port}"}, {"origin": ours}):
        assert httpx.get(f"{ours}/v2/models", headers=headers).json() == {"models": ["breast-cancer", "penguins"]}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/docs", 200),
        ("GET", "/v2/health/live", 200),
        ("HEAD", "/v2/health/live", 200),
        ("GET", "/elsewhere", 404),
        ("GET", "/v2/../../latest/meta-data", 404),
        ("GET", "//evil.example/v2/models", 404),
        ("GET", "/v2/models/penguins/infer", 405),
        ("DELETE", "/v2/models", 501),
    ],
)
def test_only_the_apis_own_paths_are_passed_on(ours: str, method: str, path: str, status: int) -> None:
    host, port = ours.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:  # httpx would tidy the path up
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        reply = b"".join(iter(lambda: connection.recv(65536), b""))

    assert reply.split()[1] == str(status).encode()


def test_a_body_that_says_no_length_or_too_much_is_refused(ours: str) -> None:
    assert httpx.post(f"{ours}/v2/repository/index", content=iter([b"{}"])).status_code == 411
    reply = httpx.post(f"{ours}/v2/repository/index", content=b" " * (10 * 1024 * 1024 + 1))
    assert (reply.status_code, "API Gateway takes" in reply.text) == (413, True)


def test_packed_replies_and_errors_come_through(ours: str) -> None:
    document = httpx.get(f"{ours}/openapi.json", headers={"accept-encoding": "gzip"})
    again = httpx.get(
        f"{ours}/openapi.json", headers={"accept-encoding": "gzip", "if-none-match": document.headers["etag"]}
    )
    refused = httpx.post(f"{ours}/v1/models/penguins:predict", content=b"{")

    assert document.json()["openapi"].startswith("3.1")
    assert document.headers["content-encoding"] == "gzip"
    assert (again.status_code, again.content) == (304, b"")
    assert (refused.status_code, list(refused.json())) == (400, ["error"])


def test_where_callers_must_sign_requests_are_signed(aws: dict[str, str]) -> None:
    seen: list[dict[str, str]] = []

    class Signed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Signed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        deploy(aws, "signed", ApiUrl=f"http://127.0.0.1:{port}/live")
        with console(aws, "signed") as url:
            assert httpx.get(f"{url}/v2/models/penguins", headers={"accept": "application/json"}).status_code == 200
        server.shutdown()

    [request] = seen
    assert request["path"] == "/live/v2/models/penguins"
    assert re.match(
        rf"AWS4-HMAC-SHA256 Credential=someone/\d{{8}}/{REGION}/execute-api/aws4_request, SignedHeaders=[\w;-]*host",
        request["authorization"],
    )
    assert request["host"] == f"127.0.0.1:{port}"
    assert resigned(request, f"http://127.0.0.1:{port}/live/v2/models/penguins") == request["authorization"]


def resigned(request: dict[str, str], address: str) -> str:
    """The signature that botocore makes of what arrived, at the time that it says: it is over just these headers."""
    from datetime import datetime
    from unittest.mock import patch

    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    signed = re.search(r"SignedHeaders=([^,]*)", request["authorization"])
    assert signed is not None
    headers = {name: request[name] for name in signed[1].split(";")}
    made = AWSRequest("GET", address, headers=headers)
    when = datetime.strptime(request["x-amz-date"], "%Y%m%dT%H%M%SZ")
    with patch("botocore.auth.get_current_datetime", return_value=when):
        SigV4Auth(Credentials("someone", "secret-of-this-test"), "execute-api", REGION).add_auth(made)
    return str(made.headers["Authorization"])


def test_a_service_that_is_gone_is_a_502_in_our_form(aws: dict[str, str]) -> None:
    deploy(aws, "gone", ApiUrl="http://127.0.0.1:9")
    with console(aws, "gone") as url:
        reply = httpx.get(f"{url}/v2/models")

    assert reply.status_code == 502
    assert reply.json()["error"].startswith("http://127.0.0.1:9 does not answer: ")


def test_a_stack_that_is_not_there_or_is_another_is_one_clear_line(aws: dict[str, str]) -> None:
    deploy(aws, "another", Topic="arn")

    assert "nowhere" in run(aws, "--stack", "nowhere", "--region", REGION)
    assert "the stack another has no output ApiUrl" in run(aws, "--stack", "another", "--region", REGION)
    assert "region" in run(aws, "--stack", "ours")


def test_without_credentials_it_says_so(aws: dict[str, str], tmp_path: Path) -> None:
    bare = {name: value for name, value in aws.items() if "ACCESS_KEY" not in name} | {"HOME": str(tmp_path)}

    assert "credentials" in run(bare, "--stack", "ours", "--region", REGION).lower()


def test_a_port_that_is_taken_is_said(aws: dict[str, str], ours: str) -> None:
    port = ours.rpartition(":")[2]

    assert "--port takes another one" in run(aws, "--stack", "ours", "--region", REGION, "--port", port)
