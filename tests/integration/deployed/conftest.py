"""A deployed stack as moto plays it over HTTP: CloudFormation's outputs, API Gateway's keys and usage plans."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

type Run = Callable[..., subprocess.CompletedProcess[str]]
REGION = "eu-west-1"
ACCOUNT = Path(__file__).with_name("account.py")
END_OF_BLOCK = "--- end of block ---"
NO_VALUES = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}


class Server(ThreadedMotoServer):
    """moto's server, with what it lacks (usage) and a call that it may be told to refuse.

    Attributes:
        refused: a method and path that answers 429; None for none.
        asked: the queries for usage.
        calls: every call's method and path.
        used: what the queries for usage are answered, a list for each page: requests and what was left, day by day.
    """

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 0, verbose=False)
        self.refused: str | None = None
        self.asked: list[dict[str, str]] = []
        self.calls: list[tuple[str, str]] = []
        self.used: list[list[tuple[int, int]]] = []

    def _server_entry(self) -> None:
        moto = DomainDispatcherApplication(create_backend_app)

        def answer(environ: dict[str, Any], start_response: Any) -> Any:
            request = Request(environ)
            self.calls.append((request.method, request.path))
            if self.refused and re.fullmatch(self.refused, f"{request.method} {request.path}"):
                request.get_data()
                refusal = Response('{"message": "Too Many Requests"}', 400, mimetype="application/json")
                refusal.headers["x-amzn-errortype"] = "LimitExceededException"
                return refusal(environ, start_response)
            if found := re.fullmatch(r"/usageplans/(\w+)/usage", request.path):
                return self._usage(found[1], request)(environ, start_response)
            return moto(environ, start_response)

        self._server = make_server(self._ip_address, self._port, answer, True, request_handler=MotoRequestHandler)
        self._server_ready_event.set()
        self._server.serve_forever()

    def _usage(self, plan: str, request: Request) -> Response:
        """Usage in the form of API Gateway's API reference, GetUsage; the pages are numbered."""
        self.asked.append(request.args.to_dict())
        key, page = request.args["keyId"], int(request.args.get("position", "0"))
        body = {"usagePlanId": plan, "values": {key: self.used[page]}}
        if page + 1 < len(self.used):
            body["position"] = str(page + 1)
        return Response(json.dumps(body), 200, mimetype="application/json")


@dataclass
class Aws:
    """moto, empty at the beginning of each test but for the stack `birds` and what it has."""

    server: Server
    gateway: Any
    formation: Any
    environment: dict[str, str]
    plan: str = ""
    stages: list[dict[str, str]] = field(default_factory=list)

    def stack(self, name: str, mode: str = "ApiKey", **outputs: str) -> None:
        parameters = {"AuthMode": mode, "RateLimit": "50", "BurstLimit": "100"}
        template = {
            **NO_VALUES,
            "Parameters": {name: {"Type": "String"} for name in parameters},
            "Outputs": {output: {"Value": value} for output, value in outputs.items()},
        }
        self.formation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )

    def keys(self) -> dict[str, str]:
        return {key["name"]: key["id"] for key in self.gateway.get_api_keys()["items"]}

    def plans(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.gateway.get_usage_plans()["items"]
        return found


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def aws(server: Server) -> Aws:
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    httpx.post(f"{url}/moto-api/reset").raise_for_status()
    server.refused = None
    server.asked.clear()
    server.calls.clear()
    server.used = [[(1, 99), (2, 97)], [(11, 99), (12, 97)]]
    session = boto3.Session("testing", "testing", region_name=REGION)
    plain = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    environment = plain | {
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": "/nonexistent",
        "COLUMNS": "120",
        "NO_COLOR": "1",
    }
    gateway = session.client("apigateway", endpoint_url=url)
    found = Aws(server, gateway, session.client("cloudformation", endpoint_url=url), environment)
    api = found.gateway.create_rest_api(name="birds")["id"]
    root = found.gateway.get_resources(restApiId=api)["items"][0]["id"]
    found.gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    found.gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    found.gateway.create_deployment(restApiId=api, stageName="live")
    found.stages = [{"apiId": api, "stage": "live"}]
    found.plan = found.gateway.create_usage_plan(
        name="plan",
        apiStages=found.stages,
        throttle={"rateLimit": 50.0, "burstLimit": 100},
        quota={"limit": 100_000, "period": "DAY"},
    )["id"]
    found.stack("birds", UsagePlanId=found.plan)
    return found


@pytest.fixture
def run(aws: Aws) -> Run:
    """Runs `despliegue customer …`."""

    def call(*arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "despliegue"), "customer", *arguments]
        merged = aws.environment | environment
        environ = {name: text for name, text in merged.items() if text is not None}
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    return call


@pytest.fixture
def terminal(root: Path, aws: Aws, tmp_path: Path) -> Callable[[str], list[str]]:
    """Runs a guide's blocks one after another in one shell, which stops at the first failure; gives what each printed.

    It stands in a folder with what a clone has. The commands are the real ones, at an AWS that moto plays; those of
    `account.py` go as far as they can there. `make` only says what it would do.
    """
    folder = tmp_path / "clone"
    for name in ("Makefile", "pyproject.toml", "template.yaml", "samconfig.toml", "requirements", "examples"):
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        folder.mkdir(exist_ok=True)
        copy(root / name, folder / name)
    shutil.copytree(root / "layers" / "models", folder / "layers" / "models")
    tools = folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    (tools / "aws").symlink_to(Path(sys.executable).parent / "aws")
    for name, command in {
        "sam": f"{sys.executable} {ACCOUNT} sam",
        "despliegue": f"{sys.executable} {ACCOUNT} despliegue",
        "make": "/usr/bin/env -u MAKEFLAGS PATH=/usr/bin:/bin make --dry-run",
    }.items():
        (tools / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (tools / name).chmod(0o755)

    def run(*blocks: str) -> list[str]:
        script = "".join(f"{block}\necho {END_OF_BLOCK}\n" for block in blocks)
        environment = {**aws.environment, "HOME": str(tmp_path), "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.split(f"{END_OF_BLOCK}\n")[:-1]

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the terminal stands."""
    return tmp_path / "clone"
