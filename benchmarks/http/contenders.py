"""The servers that are compared: how each is prepared, started and asked. Why so, each one's code in peers/ says."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.deployment import ROOT
from benchmarks.environments import environment
from benchmarks.http.forms import INSTANCES, MLFLOW_INPUTS, NO_BODY, SAME_BODY, V2_BINARY, V2_JSON, Form

PEERS = Path(__file__).parent / "peers"
OURS, FLOOR, BASELINE = "despliegue", "empty ASGI", "FastAPI"


class Command(NamedTuple):
    """How a server is started.

    Attributes:
        arguments: the program and what follows.
        folder: where it is started.
        variables: of its environment, on top of this process's.
    """

    arguments: list[str]
    folder: Path
    variables: dict[str, str]


class Contender(NamedTuple):
    """A server that is measured.

    Attributes:
        name: in the table.
        forms: how it is asked.
        command: given its environment, the model's folder as in a repository, scratch space and a port, how it is
            started. It prepares what the server needs.
        home: of its code and requirements in peers/; empty for ours.
        python: the version that it runs on.
    """

    name: str
    forms: tuple[Form, ...]
    command: Callable[[Path, Path, Path, int], Command]
    home: str = ""
    python: str = "3.13"

    def environment(self) -> Path:
        """Its virtual environment; ours is the one that runs this.

        Raises:
            NotInstalled: it cannot be made.
        """
        if not self.home:
            return Path(sys.prefix)
        folder = ROOT / "build/benchmarks/http" / self.home
        return environment(folder, PEERS / self.home / "requirements.in", self.python)


def _despliegue(environment: Path, model: Path, scratch: Path, port: int) -> Command:
    repository = scratch / "models"
    shutil.copytree(model, repository / "model/1", dirs_exist_ok=True)
    program = str(environment / "bin/despliegue")
    return Command([program, "serve", "--port", str(port), "--models", str(repository)], scratch, {})


def _uvicorn(environment: Path, model: Path, scratch: Path, port: int, home: str) -> Command:
    options = "--loop uvloop --http httptools --no-access-log --log-level warning --workers 1"
    program = [str(environment / "bin/uvicorn"), "server:app", "--host", "127.0.0.1", "--port", str(port)]
    return Command([*program, *options.split()], PEERS / home, {"MODEL": str(model / "model.onnx")})


def _script(environment: Path, model: Path, scratch: Path, port: int, home: str) -> Command:
    variables = {"MODEL": str(model / "model.onnx"), "PORT": str(port)}
    return Command([str(environment / "bin/python"), str(PEERS / home / "server.py")], scratch, variables)


def _bentoml(environment: Path, model: Path, scratch: Path, port: int) -> Command:
    variables = {"MODEL": str(model / "model.onnx"), "BENTOML_HOME": str(scratch), "BENTOML_DO_NOT_TRACK": "True"}
    program = [str(environment / "bin/bentoml"), "serve", "server:Predictor", "--host", "127.0.0.1"]
    return Command([*program, "--port", str(port), "--working-dir", str(PEERS / "bentoml")], scratch, variables)


def _mlflow(environment: Path, model: Path, scratch: Path, port: int) -> Command:
    saved = scratch / "model"
    variables = {"MODEL": str(model / "model.onnx"), "PATH": f"{environment / 'bin'}:{os.environ['PATH']}"}
    if not saved.exists():
        prepare = [str(environment / "bin/python"), str(PEERS / "mlflow/prepare.py"), str(saved)]
        subprocess.run(prepare, check=True, capture_output=True, env=os.environ | variables)
    options = f"models serve --model-uri {saved} --port {port} --env-manager local --workers 1"
    quiet = {"UVICORN_ACCESS_LOG": "False", "UVICORN_LOG_LEVEL": "warning", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return Command([str(environment / "bin/mlflow"), *options.split()], scratch, variables | quiet)


def _mlserver(environment: Path, model: Path, scratch: Path, port: int) -> Command:
    ports = {"MLSERVER_HTTP_PORT": port, "MLSERVER_GRPC_PORT": port + 1, "MLSERVER_METRICS_PORT": port + 2}
    variables = {"MODEL": str(model / "model.onnx"), "MLSERVER_METRICS_DIR": str(scratch)}
    variables |= {name: str(number) for name, number in ports.items()}
    return Command([str(environment / "bin/mlserver"), "start", str(PEERS / "mlserver")], scratch, variables)


def _of(
    home: str, command: Callable[[Path, Path, Path, int, str], Command]
) -> Callable[[Path, Path, Path, int], Command]:
    return lambda environment, model, scratch, port: command(environment, model, scratch, port, home)


CONTENDERS = (
    Contender(FLOOR, (NO_BODY, SAME_BODY), _of("empty", _uvicorn), home="fastapi"),
    Contender(OURS, (V2_JSON, V2_BINARY), _despliegue),
    Contender(BASELINE, (INSTANCES,), _of("fastapi", _uvicorn), home="fastapi"),
    Contender("MLServer", (V2_JSON,), _mlserver, home="mlserver", python="3.12"),  # 1.7 is for < 3.13
    Contender("KServe", (V2_JSON, V2_BINARY), _of("kserve", _script), home="kserve"),
    Contender("BentoML", (INSTANCES,), _bentoml, home="bentoml"),
    Contender("LitServe", (INSTANCES,), _of("litserve", _script), home="litserve"),
    Contender("MLflow", (MLFLOW_INPUTS,), _mlflow, home="mlflow"),
)
