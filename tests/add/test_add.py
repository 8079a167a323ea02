"""`despliegue add`: from a file to a version that serves, or to one clear line and nothing left behind."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.svm import SVC

from despliegue.http import InferenceService, Request
from despliegue.models import ModelRepository

type Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `despliegue add` on an empty repository."""

    def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "despliegue"), "add", *map(str, arguments)]
        command += ["--models", str(tmp_path / "models")]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    return call


def test_a_pipeline_is_added_proven_and_served(
    run: Run, saved: Callable[..., Path], people: Any, tmp_path: Path
) -> None:
    frame = people.rows()
    estimator = people.pipeline()
    frame.to_csv(tmp_path / "people.csv", index=False)

    done = run(saved(estimator, "churn.joblib"), "--trust", "--sample", tmp_path / "people.csv", "--json")

    assert done.returncode == 0, done.stderr
    added = json.loads(done.stdout)
    assert (added["name"], added["version"], added["proof"]["labels"]) == ("churn", "1", 0)
    assert added["proof"]["difference"] < 1e-9
    service = InferenceService(ModelRepository(tmp_path / "models"))
    records = json.loads(frame.head(50).to_json(orient="records"))
    body = json.dumps({"instances": records}).encode()
    reply = service.handle(Request("POST", "/v1/models/churn:predict", {}, body, "1"))
    predictions = json.loads(reply.body)["predictions"]
    assert [each["label"] for each in predictions] == estimator.predict(frame.head(50)).tolist()
    given = [[each["probabilities"][label] for label in estimator.classes_] for each in predictions]
    np.testing.assert_allclose(given, estimator.predict_proba(frame.head(50)), atol=1e-6)


def test_versions_count_up_and_without_a_sample_it_says_so(
    run: Run, saved: Callable[..., Path], people: Any, tmp_path: Path
) -> None:
    path = saved(people.pipeline(), "churn.joblib")

    first, second = run(path, "--trust"), run(path, "--trust")

    assert "churn 1" in first.stdout
    assert "churn 2" in second.stdout
    assert "without --sample FILE nobody knows" in second.stdout
    assert "verification" not in json.loads((tmp_path / "models" / "churn" / "2" / "manifest.json").read_bytes())


def test_a_package_that_differs_is_refused_and_leaves_nothing(
    run: Run, saved: Callable[..., Path], people: Any, tmp_path: Path
) -> None:
    # ONNX's support vectors are float32: with numbers this large and unscaled, decisions near the border turn.
    draw = np.random.default_rng(0)
    rows = draw.normal(1e6, 1, (600, 2))
    estimator = SVC(kernel="linear").fit(rows, (rows.sum(axis=1) > 2e6).astype(int))
    lines = "\n".join(f"{a!r},{b!r}" for a, b in rows.tolist())
    (tmp_path / "rows.csv").write_text(f"a,b\n{lines}\n")

    done = run(saved(estimator, "svc.joblib"), "--trust", "--sample", tmp_path / "rows.csv")

    assert done.returncode == 1
    first, *worst, last = done.stderr.splitlines()
    assert "the package differs from its original on 600 rows of the sample" in first
    assert len(worst) == 5
    assert all(re.match(r"  row .*: label expected [01], came [01]$", line) for line in worst)
    assert "--accept-difference" in last
    assert not (tmp_path / "models" / "svc").exists()

    taken = run(tmp_path / "svc.joblib", "--trust", "--sample", tmp_path / "rows.csv", "--accept-difference")

    assert taken.returncode == 0, taken.stderr
    assert "you accepted that" in taken.stdout
    manifest = json.loads((tmp_path / "models" / "svc" / "1" / "manifest.json").read_bytes())
    assert manifest["verification"]["accepted"]
    assert manifest["verification"]["labels"] > 0


def test_a_pickle_needs_the_users_word(run: Run, saved: Callable[..., Path], people: Any, tmp_path: Path) -> None:
    done = run(saved(people.pipeline(), "churn.joblib"))

    assert done.returncode == 1
    assert "add --trust" in done.stderr
    assert not (tmp_path / "models" / "churn").exists()


def test_an_unsafe_name_and_a_version_that_is_there_are_refused(
    run: Run, saved: Callable[..., Path], people: Any
) -> None:
    path = saved(people.pipeline(), "churn.joblib")

    assert "expected letters" in run(path, "--trust", "--name", "../churn").stderr
    assert run(path, "--trust", "--version", "7").returncode == 0
    assert "is there already" in run(path, "--trust", "--version", "7").stderr
