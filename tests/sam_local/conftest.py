"""The stack as `sam local` runs it: built, its function in a Docker container.

Nothing is faked, except the base image where no registry can be reached (`.ci/lambda-image`).
"""

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
FUNCTION = "PredictFunction"
START_TIMEOUT_S = 180

type Command = list[str | Path]


@pytest.fixture(scope="session", autouse=True)
def docker(require: Callable[[bool, str], None]) -> None:
    """Docker is there, or these tests are skipped; under REQUIRE_ALL=1 they fail instead."""
    try:
        found = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=30)
        reason = found.stderr.strip().splitlines()[-1:] if found.returncode else []
    except (FileNotFoundError, subprocess.TimeoutExpired) as missing:
        reason = [str(missing)]
    require(not reason, f"`sam local` needs Docker: {''.join(reason)}")


@pytest.fixture(scope="session")
def sam_environment() -> dict[str, str]:
    """An environment in which `sam` says nothing to AWS: made-up credentials, and an STS that refuses at once."""
    return os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_EC2_METADATA_DISABLED": "true",
        # `sam local` asks STS for the account id, and retries for 9 s, before each start.
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    }


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, sam_environment: dict[str, str]) -> Path:
    """The template that `sam build` leaves, the code and layers beside it."""
    folder = tmp_path_factory.mktemp("sam")
    command: Command = [BIN / "sam", "build", "--build-dir", folder / "build", "--cache-dir", folder / "cache"]
    done = subprocess.run(command, cwd=ROOT, env=sam_environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder / "build" / "template.yaml"


def as_response(envelope: Mapping[str, Any]) -> httpx.Response:
    """What API Gateway would send for the function's reply, in either payload version."""
    assert "statusCode" in envelope, envelope
    body = envelope.get("body") or ""
    content = base64.b64decode(body) if envelope.get("isBase64Encoded") else body.encode()
    headers = [(name, value) for name, values in envelope.get("multiValueHeaders", {}).items() for value in values]
    headers += [(name, value) for name, value in envelope.get("headers", {}).items()]
    return httpx.Response(envelope["statusCode"], headers=headers, content=content)


@pytest.fixture(scope="session")
def invoke(built: Path, sam_environment: dict[str, str]) -> Callable[[Path], httpx.Response]:
    """`sam local invoke` with an event file: a container of its own, so a cold start, each time."""

    def invoke_function(event: Path) -> httpx.Response:
        command: Command = [BIN / "sam", "local", "invoke", FUNCTION, "-t", built, "-e", event, "--skip-pull-image"]
        done = subprocess.run(command, env=sam_environment, capture_output=True, text=True, timeout=START_TIMEOUT_S)
        assert done.returncode == 0, done.stderr
        return as_response(json.loads(done.stdout))

    return invoke_function


@pytest.fixture(scope="session")
def start_api(built: Path, sam_environment: dict[str, str]) -> Iterator[str]:
    """The base URL of a running `sam local start-api`."""
    with sam_local("start-api", built, sam_environment) as url:
        yield url


@pytest.fixture(scope="session")
def start_lambda(built: Path, sam_environment: dict[str, str]) -> Iterator[Callable[[Path], httpx.Response]]:
    """Invokes an event file in the one warm container of a running `sam local start-lambda`."""
    with sam_local("start-lambda", built, sam_environment) as url, httpx.Client(timeout=60) as client:

        def invoke_warm(event: Path) -> httpx.Response:
            reply = client.post(f"{url}/2015-03-31/functions/{FUNCTION}/invocations", content=event.read_bytes())
            return as_response(reply.raise_for_status().json())

        yield invoke_warm


@contextmanager
def sam_local(command: str, template: Path, environment: dict[str, str]) -> Iterator[str]:
    """Runs one of sam's servers with its container started beforehand, until the caller is done with its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = template.parent.parent / f"{command}.log"
    # Layers of a template make sam rebuild the image at every invocation, unless its container is kept (sam-cli #9255).
    options = ["--skip-pull-image", "--warm-containers", "EAGER", "--no-watch", "--port", str(port)]
    with (
        log.open("w") as output,
        subprocess.Popen(
            [BIN / "sam", "local", command, "-t", template, *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as server,
    ):
        try:
            wait_for(port, server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            # SIGTERM, at which sam removes its containers. SIGINT would be ignored where CI runs in the background.
            server.terminate()
            server.wait(timeout=60)


def wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"`sam local` did not start:\n{log.read_text()[-4000:]}")
