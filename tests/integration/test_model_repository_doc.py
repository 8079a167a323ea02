"""What docs/model-repository.md says is so: its commands are run, against git, openssl, make and moto's S3."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import joblib
import orjson
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer
from sklearn.linear_model import LogisticRegression

from despliegue.errors import ModelNotReady
from despliegue.models import Manifest, ModelRepository
from despliegue.models.manifest import FORMAT
from despliegue_cli.convert import TIME_LIMIT_S
from despliegue_cli.packages.signing import SIGNATURE, sign

BIN = Path(sys.executable).parent
BUCKETS = {"MODELS_BUCKET": "packages-of-the-guide", "EVIDENCE_BUCKET": "evidence-of-the-guide"}
USED = ("Makefile", "pyproject.toml", "requirements", "layers/models", ".gitignore")

type Shell = Callable[..., str]


def section(guide: str, title: str) -> str:
    return re.split(r"^## ", guide.split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]


def commands(guide: str, title: str, kind: str = "sh") -> list[str]:
    """The blocks of a section."""
    return re.findall(rf"```{kind}\n(.*?)```", section(guide, title), re.DOTALL)


def in_repository(models: Path) -> set[str]:
    return {path.relative_to(models).as_posix() for path in models.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def guide(root: Path) -> str:
    return (root / "docs" / "model-repository.md").read_text()


@pytest.fixture
def checkout(root: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes a folder with what a checkout has of models and set-up, its virtual environment being the tests' own."""
    listed = subprocess.run(["git", "ls-files", "-z", *USED], cwd=root, capture_output=True, text=True, check=True)

    def make() -> Path:
        folder = tmp_path / f"checkout-{len(list(tmp_path.glob('checkout-*')))}"
        for name in filter(None, listed.stdout.split("\0")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
        (folder / ".venv" / "bin").mkdir(parents=True)
        for name in ("despliegue", "aws"):
            (folder / ".venv" / "bin" / name).symlink_to(BIN / name)
        # Building and deploying are other tests'; here it counts that they are called.
        (folder / ".venv" / "bin" / "sam").write_text('#!/bin/sh\necho "sam $*" >> sam.log\n')
        (folder / ".venv" / "bin" / "sam").chmod(0o755)
        for name in ("serve", "dev"):
            (folder / ".venv" / name).touch()
            os.utime(folder / ".venv" / name, (time.time() + 86400,) * 2)  # newer than the pins: nothing is installed
        return folder

    return make


@pytest.fixture
def sandbox(checkout: Callable[[], Path]) -> Path:
    """A checkout with versions 1 and 2 of a model `churn`, with evidence of people's data."""
    folder = checkout()
    for version in ("1", "2"):
        package = folder / "layers" / "models" / "churn" / version
        shutil.copytree(folder / "layers" / "models" / "penguins" / "1", package)
        (package / "private").mkdir()
        (package / "private" / "profile.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def cloud() -> Iterator[dict[str, str]]:
    """What points the AWS command at moto's S3, which has the guide's buckets."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    for name in BUCKETS.values():
        client.create_bucket(Bucket=name)
    client.close()
    yield variables
    server.stop()


@pytest.fixture
def shell(tmp_path: Path, cloud: dict[str, str]) -> Shell:
    """Runs lines as a shell that stops at the first failure; gives what they print."""

    def run(lines: str, folder: Path, code: int = 0) -> str:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "AWS_"))},
            **cloud,
            **BUCKETS,
            "HOME": str(tmp_path),
            "PATH": f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "GIT_CONFIG_NOSYSTEM": "1",
            **{
                f"GIT_{who}_{what}": "someone@example.com"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
        }
        done = subprocess.run(["bash", "-ec", lines], cwd=folder, env=environment, capture_output=True, text=True)
        printed = done.stdout + done.stderr
        assert done.returncode == code, printed
        assert "Traceback" not in printed
        return printed

    return run


def test_the_guide_lists_every_key_of_the_manifest(guide: str, root: Path) -> None:
    schema = orjson.loads((root / "docs" / "manifest.schema.json").read_bytes())

    assert re.findall(r"^\| `(\w+)` \|", section(guide, "The manifest"), re.MULTILINE) == list(schema["properties"])


def test_a_default_is_chosen_and_versions_are_removed(guide: str, sandbox: Path, shell: Shell) -> None:
    (block,) = commands(guide, "Versions and the default")
    chosen, highest, remove_one, remove_all = block.splitlines()
    models = sandbox / "layers" / "models"

    shell(chosen, sandbox)
    assert ModelRepository(models).default_version("churn") == "1"
    shell(highest, sandbox)
    assert ModelRepository(models).default_version("churn") == "2"
    shell(remove_one, sandbox)
    assert ModelRepository(models).versions("churn") == ["1"]
    shell(remove_all, sandbox)
    assert not (models / "churn").exists()
    assert list(ModelRepository(models).index()) == ["breast-cancer", "penguins"]


def test_packages_are_verified(guide: str, sandbox: Path, shell: Shell) -> None:
    (block,) = commands(guide, "Verify")
    shell(block, sandbox)

    model = sandbox / "layers" / "models" / "churn" / "2" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)

    assert "model.onnx" in shell(block.splitlines()[-1], sandbox, code=1)


def test_packages_are_signed_and_a_changed_one_is_refused(guide: str, sandbox: Path, shell: Shell) -> None:
    keys, use = commands(guide, "Sign")
    add, sign_one, verify_all = use.splitlines()
    rows = pd.DataFrame({"age": [20.0, 30, 40, 50] * 10, "visits": [1.0, 5, 2, 8] * 10})
    rows.to_csv(sandbox / "customers.csv", index=False)
    joblib.dump(LogisticRegression().fit(rows, rows["visits"].gt(4).astype(int)), sandbox / "churn.joblib")
    models = sandbox / "layers" / "models"

    shell(keys, sandbox)
    shell(add, sandbox)
    assert (models / "churn" / "3" / SIGNATURE).is_file()
    shell(sign_one, sandbox)
    assert "is not signed" in shell(verify_all, sandbox, code=1), "version 2 and the examples"

    for name, versions in ModelRepository(models).index().items():
        for version in versions:
            sign(models / name / version, sandbox / "release.pem")
    shell(verify_all, sandbox)
    (models / "churn" / "3" / "extra.bin").write_bytes(b"")
    assert "extra.bin" in shell(verify_all, sandbox, code=1)


def test_the_time_that_a_pickle_has_is_what_the_guide_says(guide: str) -> None:
    assert TIME_LIMIT_S == 5 * 60
    assert "killed after five minutes" in section(guide, "What `--trust` means")


def test_models_are_kept_out_of_git_and_the_rest_is_not(guide: str, sandbox: Path, shell: Shell) -> None:
    (lines,) = commands(guide, "Keep models out of git", "gitignore")
    (sandbox / "events" / "models" / "churn" / "1").mkdir(parents=True)
    (sandbox / "events" / "models" / "churn" / "1" / "predict.json").write_text("{}")
    with (sandbox / ".gitignore").open("a") as file:
        file.write(lines)

    known = shell("git init -q -b main && git add --all && git ls-files", sandbox).splitlines()

    assert "layers/models/Makefile" in known
    assert "layers/models/penguins/1/model.onnx" in known
    assert "layers/models/breast-cancer/1/manifest.json" in known
    assert [name for name in known if "churn" in name or "private" in name] == []


def test_packages_go_to_s3_and_into_the_layer_of_a_fresh_checkout(
    guide: str, sandbox: Path, checkout: Callable[[], Path], shell: Shell
) -> None:
    push, remove_one = commands(guide, "Push packages to S3")
    pull, pull_private = commands(guide, "Pull packages from S3 in CI")
    for block in commands(guide, "Sign")[:1]:
        shell(block, sandbox)
    models = sandbox / "layers" / "models"
    for name, versions in ModelRepository(models).index().items():
        for version in versions:
            sign(models / name / version, sandbox / "release.pem")

    shell(push, sandbox)
    shell(remove_one, sandbox)
    fresh = checkout()
    shutil.copy(sandbox / "release.pub", fresh)
    shell(pull, fresh)

    pulled = fresh / "layers" / "models"
    expected = {name for name in in_repository(models) if "/private/" not in name and not name.startswith("churn/1/")}
    assert in_repository(pulled) == expected
    assert (pulled / "churn" / "2" / SIGNATURE).is_file()
    assert (fresh / "sam.log").read_text().splitlines() == [
        "sam build",
        "sam deploy --no-confirm-changeset --no-fail-on-empty-changeset",
    ]

    shell(pull_private, fresh)
    assert in_repository(pulled) == expected | {"churn/2/private/profile.json"}
    shell("make -C layers/models build-ModelsLayer ARTIFACTS_DIR=$PWD/layer", fresh)
    assert {name for name in in_repository(fresh / "layer" / "models") if name.startswith("churn")} == {
        "churn/2/model.onnx",
        "churn/2/manifest.json",
    }


def test_a_package_that_was_pushed_in_part_stops_the_deployment(
    guide: str, sandbox: Path, checkout: Callable[[], Path], shell: Shell, cloud: dict[str, str]
) -> None:
    pull = commands(guide, "Pull packages from S3 in CI")[0].replace(" --public-key release.pub", "")
    model = sandbox / "layers" / "models" / "churn" / "2" / "manifest.json"
    half = "aws s3 rm --recursive s3://$MODELS_BUCKET && aws s3 cp {0} s3://$MODELS_BUCKET/models/late/1/manifest.json"
    other = "aws s3 cp {0} s3://$MODELS_BUCKET/models/late/1/model.onnx"
    shell(f"{half} && {other}".format(model), sandbox)

    fresh = checkout()
    assert "late" in shell(pull, fresh, code=1)
    assert not (fresh / "sam.log").exists()


def test_a_new_release_is_pulled_under_the_models(
    guide: str, sandbox: Path, checkout: Callable[[], Path], shell: Shell
) -> None:
    (upgrade,) = commands(guide, "Upgrade Despliegue under your models")
    (lines,) = commands(guide, "Keep models out of git", "gitignore")
    upstream = checkout()
    shell("git init -q -b main && git add --all && git commit -qm first", upstream)
    shell(f"git init -q -b main && git remote add upstream {upstream} && git fetch -q upstream", sandbox)
    shell("git reset -q upstream/main", sandbox)
    with (sandbox / ".gitignore").open("a") as file:
        file.write(lines)
    shell("git commit -qam 'Keep models out'", sandbox)
    (upstream / "CHANGELOG.md").write_text("A new release")
    shell("git add CHANGELOG.md && git commit -qm second", upstream)
    before = in_repository(sandbox / "layers" / "models")

    shell(upgrade, sandbox)

    assert (sandbox / "CHANGELOG.md").read_text() == "A new release"
    assert in_repository(sandbox / "layers" / "models") == before
    assert shell("git status --porcelain", sandbox) == ""


def test_a_package_of_a_later_format_is_refused_as_the_guide_says(guide: str, sandbox: Path) -> None:
    package = sandbox / "layers" / "models" / "churn" / "2"
    document = orjson.loads((package / "manifest.json").read_bytes())
    (package / "manifest.json").write_bytes(orjson.dumps({**document, "format": FORMAT + 1}))

    with pytest.raises(ModelNotReady) as refused:
        Manifest.read(package)

    assert str(refused.value) in section(guide, "Upgrade Despliegue under your models")
    assert ModelRepository(package.parent.parent).get("penguins").version == "1"
