"""Copies of the project, `sam build` and `sam package` on them, and moto's S3 to package to."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

BUCKET = "packages"
FEW_PACKAGES = {"runtime": {"flatbuffers", "msgspec"}, "tables": {"backports-zstd"}}


@dataclass(frozen=True)
class Project:
    """A copy of what `sam build` reads, in a folder of its own, with one small model in place of the repository's."""

    folder: Path
    environment: Mapping[str, str]
    expand: Callable[[str, Mapping[str, str]], dict[str, Any]]

    @property
    def layers(self) -> Path:
        return self.folder / "layers"

    @property
    def model(self) -> Path:
        return self.layers / "models/toy/1/model.onnx"

    def built(self, name: str) -> Path:
        """The folder of a built layer or function."""
        return self.folder / ".aws-sam/build" / name

    def keep_few_packages(self) -> None:
        """Leave two of the layers one or two small packages each: to build and package them takes half the time."""
        for layer, kept in FEW_PACKAGES.items():
            path = self.layers / layer / "requirements.txt"
            pins = re.split(r"^(?=[\w-]+==)", path.read_text(), flags=re.MULTILINE)
            few = [pin for pin in pins if pin.partition("==")[0] in kept]
            assert len(few) == len(kept)
            path.write_text("".join(few))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=dict(self.environment), capture_output=True, text=True, check=False
        )

    def sam(self, *arguments: str) -> None:
        done = self.run("sam", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def build(self, *arguments: str) -> None:
        """`sam build`, as samconfig.toml says."""
        self.sam("build", *arguments)

    def make_bucket(self) -> None:
        """Make the bucket, if it is not there: moto's state is one for a process, and other tests reset it."""
        with closing(
            boto3.client(
                "s3",
                region_name="us-east-1",  # where a bucket may be made again
                endpoint_url=self.environment["AWS_ENDPOINT_URL"],
                aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            )
        ) as client:
            client.create_bucket(Bucket=BUCKET)

    def package(self) -> dict[str, Any]:
        """Build, package to S3, and expand what CloudFormation would be given."""
        self.build()
        self.make_bucket()
        self.sam("package", "--s3-bucket", BUCKET, "--no-progressbar", "--output-template-file", "packaged.yaml")
        return self.expand((self.folder / "packaged.yaml").read_text(), {})


@pytest.fixture(scope="session")
def load_project(
    tool_environment: dict[str, str],
    s3_environment: dict[str, str],
    expand: Callable[[str, Mapping[str, str]], dict[str, Any]],
) -> Callable[[Path], Project]:
    """`load_project(folder)`: the copy that is or will be there."""
    return lambda folder: Project(folder, tool_environment | s3_environment, expand)


@pytest.fixture(scope="session")
def new_project(root: Path, load_project: Callable[[Path], Project], toy_model: bytes) -> Callable[[Path], Project]:
    """`new_project(folder)`: a fresh copy there."""

    def copy(folder: Path) -> Project:
        folder.mkdir(parents=True)
        for name in (".python-version", "template.yaml", "samconfig.toml"):
            shutil.copy(root / name, folder / name)
        for name in ("functions", "layers/runtime", "layers/tables", "layers/images", "layers/serving"):
            shutil.copytree(root / name, folder / name)
        project = load_project(folder)
        project.model.parent.mkdir(parents=True)
        project.model.write_bytes(toy_model)
        shutil.copy(root / "layers/models/Makefile", project.layers / "models")
        return project

    return copy


@pytest.fixture(scope="session")
def toy_model() -> bytes:
    """An ONNX model that doubles its input."""
    from onnx import TensorProto, helper

    numbers = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "double", numbers[:1], numbers[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    serialised: bytes = model.SerializeToString()
    return serialised


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[dict[str, str]]:
    """Environment variables that point AWS clients at moto's S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    server.stop()


@pytest.fixture(scope="session")
def builds(
    new_project: Callable[[Path], Project],
    load_project: Callable[[Path], Project],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Project]:
    """The project built for each architecture, once for all of xdist's workers. Tests only look at these."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    made = {}
    with (folder / "built.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for architecture, arguments in {"x86_64": [], "arm64": ["--config-env", "arm64"]}.items():
            project = load_project(folder / "built" / architecture)
            made[architecture] = project
            if project.built("template.yaml").exists():
                continue
            new_project(project.folder)
            for beside in ("toy/private/examples.json", "other/manifest.json", "other/2/weights.bin", "README.md"):
                path = project.layers / "models" / beside
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("{}")
            project.build(*arguments)
    return made


@pytest.fixture(scope="session")
def this_machine(builds: dict[str, Project]) -> Project:
    """The build that this machine can run."""
    import platform

    assert sys.platform == "linux", "the layers are for Linux only"
    return builds[{"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]]
