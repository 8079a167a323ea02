"""What docs/scoring-files.md says is so."""

import gzip
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration import guides

from despliegue.errors import UnscorableFile
from despliegue.scoring import Options

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def guide(root: Path) -> str:
    return (root / "docs" / "scoring-files.md").read_text()


def section(guide: str, title: str) -> str:
    return re.split(r"^## ", guide.split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]


def test_the_guide_lists_every_option_with_its_flag(guide: str) -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \|", section(guide, "Options"), re.MULTILINE)
    listed = {name: re.findall(r"`(--[a-z-]+)`", flags) for name, flags in rows}
    shown = subprocess.run(
        [BIN / "despliegue", "score", "--help"],
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    with pytest.raises(UnscorableFile) as refused:
        Options.read({"no such option": ""})
    assert str(refused.value).endswith(f"expected {', '.join(listed)}")
    assert all(re.search(rf"{flag}\b", shown.stdout) for flags in listed.values() for flag in flags), shown.stdout


def environment(root: Path, **more: str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "DESPLIEGUE_MODELS": str(root / "layers" / "models"),
        **more,
    }


@pytest.fixture
def folder(root: Path, tmp_path: Path) -> Path:
    """Where the guide's commands are run."""
    shutil.copytree(root / "examples", tmp_path / "examples")
    return tmp_path


def test_the_guides_commands_print_what_it_shows(guide: str, root: Path, folder: Path) -> None:
    shown = list(map(guides.transcript, guides.code(section(guide, "On your machine"), "console")))
    assert len(shown) == 3

    for command, output in shown:
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=environment(root), check=True, capture_output=True, text=True
        )
        assert guides.rounded(done.stdout) == guides.rounded(output), command


def test_the_guides_commands_work(guide: str, root: Path, folder: Path) -> None:
    path, commands = guides.code(section(guide, "On your machine"), "sh")
    assert path == 'export PATH="$PWD/.venv/bin:$PATH"\n'
    birds = (root / "examples" / "birds.csv").read_bytes()
    (folder / "big.csv").write_bytes(birds)
    (folder / "birds.csv.gz").write_bytes(gzip.compress(birds))

    scored = []
    for command in commands.splitlines():
        subprocess.run(["bash", "-c", command], cwd=folder, env=environment(root), check=True, capture_output=True)
        scored.append((folder / "scored.csv").read_bytes())

    assert len(scored) == 2
    assert len(set(scored)) == 1, "files, workers and pipes give the same"
    assert (folder / "scored.csv.report.json").is_file()


def test_the_guides_bucket_and_options_work(
    guide: str, root: Path, folder: Path, serve: Callable[..., Any], models: Path
) -> None:
    """In the inbox of `despliegue serve`, which is S3 to the AWS command."""
    served = serve(models, "--inbox")
    (port,) = {match[1] for line in served.lines if (match := re.search(r":(\d+)/inbox/", line))}
    url = f"http://127.0.0.1:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}
    account = environment(root, AWS_ENDPOINT_URL=url, INBOX="inbox", RESULTS="results", HOME=str(folder), **keys)
    drop, *fetch = guides.code(section(guide, "In your account"), "sh")[0].splitlines()
    command, with_metadata, with_header = guides.code(section(guide, "Options"), "sh")[0].splitlines()

    def run(line: str) -> str:
        line = line.replace("http://127.0.0.1:8081", url)
        done = subprocess.run(["bash", "-c", line], cwd=folder, env=account, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    for line in (drop, with_metadata, with_header, command):
        run(line)
    deadline = time.monotonic() + 60
    while sum("rows scored" in line for line in served.lines) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    listed, scored = map(run, fetch)
    labels, alone = (run(f"aws s3 cp s3://results/penguins/{name}.csv.scored.csv -") for name in ("labels", "alone"))

    assert all(f"birds.csv.{kind}" in listed for kind in ("scored.csv", "rejects.jsonl", "report.json"))
    assert scored.splitlines()[1].startswith("1,Adelie,Torgersen,39.1,18.7,181,3750,male,Adelie,")
    assert labels == (folder / "labels.csv").read_text(), "metadata and flags say the same"
    assert labels.splitlines()[0].startswith("id,label,")
    assert alone.splitlines()[0].startswith("label,")


def test_the_guides_outputs_and_parameters_are_in_the_template(guide: str, root: Path) -> None:
    template = (root / "template.yaml").read_text()

    for name in ("InboxBucketName", "ResultsBucketName", "NotificationTopicArn", "InboxKmsKeyArn"):
        assert name in guide
        assert f"  {name}:\n" in template
