"""Programs that know the API from its OpenAPI document alone, against `despliegue serve`: a tester, a made client."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    type Serve = Callable[..., Any]
    type Require = Callable[[bool, str], None]

KEY = "a-key"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def run(folder: Path, module: str, call: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command by its module's function: where its script lies depends on how it was installed."""
    code = f"import sys; sys.argv[0] = {call!r}; from {module} import {call}; {call}()"
    path = os.pathsep.join(filter(None, [str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("path", ["openapi.json", "v2/models/penguins/versions/1/openapi.json"])
def test_schemathesis_finds_nothing(serve: Serve, models: Path, tmp_path: Path, require: Require, path: str) -> None:
    require(find_spec("schemathesis") is not None, "schemathesis is not installed")
    served = serve(models, "--api-key", KEY)

    done = run(
        tmp_path,
        "schemathesis.cli",
        "schemathesis",
        *("--config-file", str(CONFIGURATION), "run", f"{served.url}/{path}", "--header", f"x-api-key: {KEY}"),
        *("--checks", "all", "--max-examples", "8", "--seed", "6", "--continue-on-failure"),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout


@pytest.fixture
def made_client(serve: Serve, models: Path, tmp_path: Path, require: Require, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client that openapi-python-client made of the penguins' document, as a package; and the service's address."""
    require(find_spec("openapi_python_client") is not None, "openapi-python-client is not installed")
    served = serve(models, "--api-key", KEY)
    address = f"{served.url}/v2/models/penguins/openapi.json"
    document = httpx.get(address, headers={"x-api-key": KEY}).raise_for_status().json()
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    options = ("--path", "openapi.json", "--output-path", "penguins_client", "--meta", "none")
    done = run(tmp_path, "openapi_python_client.cli", "app", "generate", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stdout + done.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module("penguins_client"), urljoin(address, document["servers"][0]["url"]), document


def test_a_client_made_of_the_document_predicts(made_client: Any) -> None:
    package, address, document = made_client
    models = importlib.import_module("penguins_client.models")
    infer, predict, metadata, ready = (
        importlib.import_module(f"penguins_client.api.penguins.{name}")
        for name in ("infer", "predict", "metadata", "ready")
    )
    known = {"base_url": address.rstrip("/"), "prefix": "", "auth_header_name": "x-api-key"}
    bird = models.Record(island="Biscoe", bill_length_mm=46.1, flipper_length_mm=215, body_mass_g=5000, sex=None)
    infer_content = document["paths"]["/v2/models/penguins/infer"]["post"]["requestBody"]["content"]
    example = infer_content["application/json"]["examples"]["example"]["value"]

    with package.AuthenticatedClient(token=KEY, **known) as client:
        [prediction] = predict.sync(client=client, body=models.PredictRequest(instances=[bird])).predictions
        label, probabilities = infer.sync(client=client, body=models.InferRequest.from_dict(example)).outputs
        labels = metadata.sync(client=client).parameters.labels
        is_ready = ready.sync(client=client).ready
        refused = predict.sync(client=client, body=models.PredictRequest(instances=[models.Record(sex=5)]))
    with package.AuthenticatedClient(token="wrong", **known) as client:
        stranger = ready.sync(client=client)

    assert prediction.label == "Gentoo"
    assert prediction.probabilities.gentoo > 0.9
    assert (label.data, probabilities.shape) == (["Adelie"], [1, 3])
    assert (labels, is_ready) == (["Adelie", "Chinstrap", "Gentoo"], True)
    assert refused.error == "row 0: feature 'sex' is 5; expected a string or null"
    assert "x-api-key" in stranger.error
