"""What docs/images.md says is so: from the training script to an answer, over `despliegue serve`."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from tests.integration import guides

from despliegue.models import Model, SessionSettings

if TYPE_CHECKING:
    from collections.abc import Callable

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def guide() -> str:
    return guides.read("images")


@pytest.fixture(scope="module")
def folder(root: Path, guide: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the guide's script and `add` were run."""
    made = tmp_path_factory.mktemp("images")
    install, script = guides.code(guide, "sh")[0].splitlines()
    add, serve = guides.code(guide, "sh")[1].splitlines()
    assert install == ".venv/bin/pip install -e '.[sklearn,images]'"
    assert serve == ".venv/bin/despliegue serve"
    script = script.replace("examples/", f"{root}/examples/")
    said = ""
    for command in (script, f"{add} --models models"):
        line = command.replace(".venv/bin", str(BIN))
        done = subprocess.run(["bash", "-c", line], cwd=made, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said += done.stdout
    (made / "said").write_text(said)
    return made


@pytest.fixture
def url(serve: Callable[..., Any], folder: Path) -> str:
    address: str = serve(folder / "models").url
    return address


def test_the_script_and_add_say_what_the_guide_shows(guide: str, folder: Path) -> None:
    said = (folder / "said").read_text()

    [wrote] = guides.code(guide, "text")
    assert said.startswith(wrote)
    (unproven,) = re.findall(r"`(proved .*?)`", guide)
    assert unproven in said.splitlines()
    call, _ = guides.transcript(guides.code(guide, "console")[0])
    assert said.splitlines()[-1] == call.replace("digits.png", "photo.png")


def test_the_guides_calls_print_what_it_shows(guide: str, folder: Path, url: str) -> None:
    for command, output in map(guides.transcript, guides.code(guide, "console")):
        done = subprocess.run(
            ["bash", "-c", command.replace("http://127.0.0.1:8080", url)], cwd=folder, capture_output=True, text=True
        )
        assert guides.rounded(done.stdout).strip() == guides.rounded(output).strip(), command


def test_whatever_is_sent_the_server_answers_the_next_request(root: Path, folder: Path, url: str) -> None:
    images = root / "tests" / "images"
    digit = (folder / "digits.png").read_bytes()
    address = f"{url}/models/digits/invocations"

    with httpx.Client(headers={"content-type": "image/png"}, timeout=60) as client:
        for sent in [path.read_bytes() for path in sorted(images.iterdir())] + [digit[:200], b"", b"\xff\xd8\xff\xd9"]:
            reply = client.post(address, content=sent)
            assert reply.status_code in (200, 400), reply.text
            assert reply.status_code == 200 or list(reply.json()) == ["error"]
            assert client.post(address, content=digit).json()["predictions"][0]["label"] == 2
        wrong = client.post(address, content=digit, headers={"content-type": "application/json"})
    assert wrong.status_code == 415


def test_what_is_no_image_for_it_is_refused_as_the_guide_says(guide: str, root: Path, url: str) -> None:
    gif = (root / "tests" / "images" / "picture.gif").read_bytes()
    (said,) = re.findall(r"400: `(.*?)`", guide)

    def ask(content: bytes, media_type: str) -> httpx.Response:
        address = f"{url}/models/digits/invocations"
        return httpx.post(address, content=content, headers={"content-type": media_type}, timeout=60)

    as_an_image = ask(gif, "image/png")
    assert (as_an_image.status_code, as_an_image.json()["error"]) == (400, said)
    for content in (b"a text", b""):
        assert ask(content, "image/jpeg").status_code == 400
    for media_type in ("image/gif", "text/plain", "application/json", "text/csv"):
        assert f"`{media_type}`" in guide or media_type.endswith(("json", "csv"))
        assert ask(gif, media_type).status_code == 415


def test_what_serve_prints_to_paste_sends_an_image(serve: Callable[..., Any], folder: Path) -> None:
    served = serve(folder / "models")
    digit = (folder / "digits.png").rename(folder / "photo.png")
    try:
        done = subprocess.run(["bash", "-c", served.curl], cwd=folder, capture_output=True, text=True, check=True)
    finally:
        digit.rename(folder / "digits.png")

    assert json.loads(done.stdout)["predictions"][0]["label"] == 2


def test_inspect_tells_what_the_input_is(folder: Path) -> None:
    command = [str(BIN / "despliegue"), "inspect", "digits", "--models", str(folder / "models")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "image  UINT8 [?]  image/jpeg or image/png" in done.stdout


def test_a_file_of_rows_is_refused_in_words(folder: Path, root: Path) -> None:
    birds = root / "examples" / "birds.csv"
    command = ["score", "--model", "digits", str(birds), "out.csv", "--models", str(folder / "models")]
    line = [str(BIN / "despliegue"), *command]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "model 'digits' takes an image a request; files of rows are not scored with it" in done.stdout
    assert not (folder / "out.csv").exists()


def test_the_model_reads_handwriting(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the classifier does on pixels that it never saw, though its graph gets them as PNG."""
    monkeypatch.syspath_prepend(root / "examples")
    digits = importlib.import_module("digits")
    model = Model.load(folder / "models" / "digits" / "1", "digits", "1", SessionSettings())
    _, pixels, _, known = digits.split()
    files = [digits.picture(each) for each in pixels]
    images = np.stack([np.frombuffer(file.ljust(max(map(len, files)), b"\0"), np.uint8) for file in files])

    [labels] = model.run({"image": images}, ["label"])

    assert (labels == known).mean() > 0.95
