"""Programs that know the API from its OpenAPI document alone, against `despliegue serve`: a tester, a made client."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import time
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
OPTIONS = ("--api-key", KEY, "--default-model", "penguins", "--inbox")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
FORMATS = Path(__file__).with_name("schemathesis_formats.py")
WAIT_SECONDS = 60


@pytest.fixture
def models(models: Path) -> Path:
    """The repository's own models, one of them with a card: so that there is an operation of each kind."""
    (models / "penguins" / "1" / "MODEL_CARD.md").write_text("# Penguins\n")
    return models


def run(folder: Path, module: str, call: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command by its module's function: where its script lies depends on how it was installed."""
    code = f"import sys; sys.argv[0] = {call!r}; from {module} import {call}; {call}()"
    path = os.pathsep.join(filter(None, [str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PATH": path,
            "PYTHONPATH": str(FORMATS.parent),
            "SCHEMATHESIS_HOOKS": FORMATS.stem,
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.parametrize("path", ["openapi.json", "v2/models/penguins/versions/1/openapi.json"])
def test_schemathesis_finds_nothing(serve: Serve, models: Path, tmp_path: Path, require: Require, path: str) -> None:
    require(find_spec("schemathesis") is not None, "schemathesis is not installed")
    served = serve(models, *OPTIONS)

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
    served = serve(models, *OPTIONS)
    address = f"{served.url}/v2/models/penguins/openapi.json"
    document = httpx.get(address, headers={"x-api-key": KEY}).raise_for_status().json()
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    options = ("--path", "openapi.json", "--output-path", "penguins_client", "--meta", "none")
    done = run(tmp_path, "openapi_python_client.cli", "app", "generate", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    warnings = re.findall(r"^WARNING .*\n\n(.*)", done.stdout + done.stderr, re.MULTILINE)
    kinds = ("text/csv", "application/jsonlines", "application/vnd.apache.parquet")
    assert warnings == [f"Unsupported content type {kind}" for kind in kinds], "it knows these bodies in JSON alone"
    for name in [name for name in sys.modules if name.partition(".")[0] == "penguins_client"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module("penguins_client"), urljoin(address, document["servers"][0]["url"]), document


def operation(name: str) -> Any:
    """The module of an operation."""
    return importlib.import_module(f"penguins_client.api.penguins.{name}")


def known(address: str) -> dict[str, str]:
    """What the client must be told of a service behind a key."""
    return {"base_url": address.rstrip("/"), "prefix": "", "auth_header_name": "x-api-key"}


def test_a_client_made_of_the_document_predicts(made_client: Any) -> None:
    package, address, document = made_client
    models = importlib.import_module("penguins_client.models")
    infer, predict, invoke, metadata, ready = map(operation, ("infer", "predict", "invoke", "metadata", "ready"))
    bird = models.Record(island="Biscoe", bill_length_mm=46.1, flipper_length_mm=215, body_mass_g=5000, sex=None)
    infer_content = document["paths"]["/v2/models/penguins/infer"]["post"]["requestBody"]["content"]
    example = infer_content["application/json"]["examples"]["example"]["value"]

    with package.AuthenticatedClient(token=KEY, **known(address)) as client:
        [prediction] = predict.sync(client=client, body=models.PredictRequest(instances=[bird])).predictions
        [invoked] = invoke.sync(client=client, body=models.DataframeRecords(dataframe_records=[bird])).predictions
        label, probabilities = infer.sync(client=client, body=models.InferRequest.from_dict(example)).outputs
        labels = metadata.sync(client=client).parameters.labels
        is_ready = ready.sync(client=client).ready
        refused = predict.sync(client=client, body=models.PredictRequest(instances=[models.Record(sex=5)]))
        card = operation("card").sync(client=client)
    with package.AuthenticatedClient(token="wrong", **known(address)) as client:
        stranger = ready.sync(client=client)

    assert prediction == invoked
    assert prediction.label == "Gentoo"
    assert prediction.probabilities.gentoo > 0.9
    assert (label.data, probabilities.shape) == (["Adelie"], [1, 3])
    assert (labels, is_ready) == (["Adelie", "Chinstrap", "Gentoo"], True)
    assert refused.error == "row 0: feature 'sex' is 5; expected a string or null"
    assert card == "# Penguins\n"
    assert "x-api-key" in stranger.error


def test_a_client_made_of_the_document_has_a_file_scored(made_client: Any, root: Path) -> None:
    package, address, _ = made_client
    models = importlib.import_module("penguins_client.models")
    create, status = map(operation, ("create_job", "job_status"))

    with package.AuthenticatedClient(token=KEY, **known(address)) as client:
        options = models.JobOptions(join=False, reject_threshold=0.5)
        created = create.sync(client=client, body=models.JobRequest(options=options))
        upload = created.upload
        headers = upload.headers.additional_properties
        birds = (root / "examples" / "birds.csv").read_bytes()
        httpx.request(upload.method, upload.url, headers=headers, content=birds).raise_for_status()
        deadline = time.monotonic() + WAIT_SECONDS
        while (found := status.sync(created.id, client=client)).state in ("waiting", "running"):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        stranger = status.sync("aaaaaaaaaaaaaaaaaaaaaaaaaa", client=client)

    assert found.state == "done", found
    assert (found.rows.read, found.rows.scored, found.rows.rejected) == (12, 11, 1)
    assert httpx.get(found.results.scored).text.startswith("label,probability_Adelie,")
    assert stranger.error == "there is no job 'aaaaaaaaaaaaaaaaaaaaaaaaaa' of model 'penguins'"
