"""An image in a real Lambda container, with the operators of the images layer."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.sam_local.conftest import BIN, FUNCTION, ROOT, START_TIMEOUT_S, as_response

if TYPE_CHECKING:
    from pathlib import Path

    import httpx


@pytest.fixture(scope="module")
def digits(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the built stack with the example of images as its only model."""
    folder = tmp_path_factory.mktemp("digits")
    subprocess.run([sys.executable, ROOT / "examples" / "digits.py"], cwd=folder, check=True, capture_output=True)
    stack = shutil.copytree(built.parent, folder / "build")
    # sam names its image by the layers' logical ids alone: a layer of another content under the same name would be
    # exchanged for the example models' by whichever test builds its image between this one's build and its start.
    template = stack / "template.yaml"
    template.write_text(template.read_text().replace("ModelsLayer", "DigitsLayer"))
    models = (stack / "ModelsLayer").rename(stack / "DigitsLayer") / "models"
    shutil.rmtree(models)
    (models / "digits" / "1").mkdir(parents=True)
    shutil.copy(folder / "digits.onnx", models / "digits" / "1" / "model.onnx")
    return folder


def test_a_photo_is_answered_in_lambda_and_bytes_that_are_none_are_refused(
    digits: Path, sam_environment: dict[str, str], load_event: Any
) -> None:
    event = load_event("rest-model-invocations")
    path = "/models/digits/invocations"
    event |= {"path": path, "pathParameters": {"proxy": path[1:]}, "isBase64Encoded": True}
    event["headers"]["Content-Type"] = "image/png"
    event["multiValueHeaders"]["Content-Type"] = ["image/png"]

    def invoke(body: bytes) -> httpx.Response:
        (digits / "event.json").write_text(json.dumps(event | {"body": base64.b64encode(body).decode()}))
        command: list[str | Path] = [BIN / "sam", "local", "invoke", FUNCTION, "-t", digits / "build" / "template.yaml"]
        command += ["-e", digits / "event.json", "--skip-pull-image"]
        done = subprocess.run(command, env=sam_environment, capture_output=True, text=True, timeout=START_TIMEOUT_S)
        assert done.returncode == 0, done.stderr
        return as_response(json.loads(done.stdout))

    answered = invoke((digits / "digits.png").read_bytes())
    refused = invoke(b"\xff\xd8\xff\xc0\0\x0b\x08\0\x08\0\x08\x01\x01\x11\0\xff\xd9")

    assert answered.status_code == 200, answered.text
    assert answered.json()["predictions"][0]["label"] == 2
    assert refused.status_code == 400
    assert "damaged" in refused.json()["error"]
