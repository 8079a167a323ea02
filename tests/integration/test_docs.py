"""What docs/scoring-files.md says is so."""

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_the_guides_commands_work(guide: str, root: Path, tmp_path: Path) -> None:
    (commands,) = re.findall(r"```sh\n(.*?)```", section(guide, "On your machine"), re.DOTALL)
    shutil.copytree(root / "examples", tmp_path / "examples")
    birds = (root / "examples" / "birds.csv").read_bytes()
    (tmp_path / "big.csv").write_bytes(birds)
    (tmp_path / "birds.csv.gz").write_bytes(gzip.compress(birds))
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "DESPLIEGUE_MODELS": str(root / "layers" / "models"),
    }

    scored = []
    for command in commands.splitlines():
        subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, check=True, capture_output=True)
        scored.append((tmp_path / "scored.csv").read_bytes())

    assert len(scored) == 3
    assert len(set(scored)) == 1, "files, workers and pipes give the same"
    assert (tmp_path / "scored.csv.report.json").is_file()


def test_the_guides_outputs_and_parameters_are_in_the_template(guide: str, root: Path) -> None:
    template = (root / "template.yaml").read_text()

    for name in ("InboxBucketName", "ResultsBucketName", "NotificationTopicArn", "InboxKmsKeyArn"):
        assert name in guide
        assert f"  {name}:\n" in template
