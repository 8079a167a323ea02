"""`despliegue add`: from a file to a version that serves, or to one clear line and nothing left behind."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.svm import SVC

from despliegue.errors import DespliegueError
from despliegue.http import InferenceService, Request
from despliegue.models import ModelRepository
from despliegue_cli.convert import Converted
from despliegue_cli.convert.messages import ConversionError, RefusesEveryRow
from despliegue_cli.convert.originals import predict
from despliegue_cli.packages import add as adding
from despliegue_cli.packages.add import Options, add, model_name
from despliegue_cli.packages.repository_changes import set_default

type Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `despliegue add` on an empty repository."""

    def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "despliegue"), "add", *map(str, arguments)]
        command += ["--models", str(tmp_path / "models")]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    return call


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """An ONNX file, which takes no time to add."""
    graph = '<ir_version: 10, opset_import: ["": 21]> g (float[N, 2] x) => (float[N, 2] y) { y = Neg(x) }'
    onnx.save(onnx.parser.parse_model(graph), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


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


def test_versions_count_up_and_without_a_sample_it_says_so(run: Run, net: Path, tmp_path: Path) -> None:
    first, second = run(net), run(net)

    assert "net 1" in first.stdout
    assert f"next       despliegue serve --models {tmp_path / 'models'}\n" in first.stdout
    assert "net 2" in second.stdout
    assert "without --sample FILE nobody knows" in second.stdout
    assert "verification" not in json.loads((tmp_path / "models" / "net" / "2" / "manifest.json").read_bytes())


def test_a_package_that_differs_is_refused_and_leaves_nothing(
    run: Run, saved: Callable[..., Path], people: Any, tmp_path: Path
) -> None:
    # ONNX's support vectors are float32: with numbers this large and unscaled, decisions near the border turn.
    draw = np.random.default_rng(0)
    rows = draw.normal(1e6, 1, (600, 2))
    estimator = SVC(kernel="linear").fit(rows, np.where(rows.sum(axis=1) > 2e6, "yes", "no"))
    lines = "\n".join(f"{a!r},{b!r}" for a, b in rows.tolist())
    (tmp_path / "rows.csv").write_text(f"a,b\n{lines}\n")

    done = run(saved(estimator, "svc.joblib"), "--trust", "--sample", tmp_path / "rows.csv")

    assert done.returncode == 1
    first, *worst, last = done.stderr.splitlines()
    assert "the package differs from its original on 600 rows of the sample" in first
    assert len(worst) == 5
    assert all(re.match(r"  row .*: label expected '(yes|no)', came '(yes|no)'$", line) for line in worst)
    assert "--accept-difference" in last
    assert not (tmp_path / "models" / "svc").exists()

    taken = run(tmp_path / "svc.joblib", "--trust", "--sample", tmp_path / "rows.csv", "--accept-difference")

    assert taken.returncode == 0, taken.stderr
    assert "you accepted that" in taken.stdout
    manifest = json.loads((tmp_path / "models" / "svc" / "1" / "manifest.json").read_bytes())
    assert manifest["verification"]["accepted"]
    assert manifest["verification"]["labels"] > 0
    verify = [str(Path(sys.executable).parent / "despliegue"), "verify", "svc", "--models", str(tmp_path / "models")]
    assert subprocess.run(verify, check=False).returncode == 0, "it predicts what was accepted"


def test_a_pickle_needs_the_users_word(run: Run, saved: Callable[..., Path], people: Any, tmp_path: Path) -> None:
    done = run(saved(people.pipeline(), "churn.joblib"))

    assert done.returncode == 1
    assert "add --trust" in done.stderr
    assert not (tmp_path / "models" / "churn").exists()


def test_an_unsafe_name_and_a_version_that_is_there_are_refused(run: Run, net: Path) -> None:
    assert "expected letters" in run(net, "--name", "../net").stderr
    assert run(net, "--version", "7").returncode == 0
    assert "is there already" in run(net, "--version", "7").stderr


@pytest.mark.usefixtures("convert_here")
def test_what_a_person_wrote_is_in_nothing_that_is_deployed(saved: Callable[..., Path], tmp_path: Path) -> None:
    wrote = "Ana Pérez, DNI 12345678Z, llama mañana"
    texts = [f"persona {number} dice algo malo" for number in range(50)] * 2 + [wrote] * 60
    pd.DataFrame({"text": texts}).to_csv(tmp_path / "texts.csv", index=False)
    estimator = make_pipeline(TfidfVectorizer(vocabulary=["malo", "dice"]), LogisticRegression())
    path = saved(estimator.fit(texts, [text == wrote for text in texts] * np.array(1)), "complaints.joblib")

    added = add(path, tmp_path / "models", Options(sample=tmp_path / "texts.csv", trust=True, measure=False))

    assert added.proof is not None
    assert json.loads((added.folder / "manifest.json").read_bytes())["example"] == {"text": [["text"]]}
    for file in filter(Path.is_file, added.folder.iterdir()):
        assert "Ana Pérez" not in file.read_bytes().decode(errors="replace"), file.name


def test_the_call_names_the_version_where_another_one_is_the_default(net: Path, tmp_path: Path) -> None:
    models, options = tmp_path / "models", Options(measure=False)

    first = add(net, models, options)
    set_default(models, "net", "1")
    second = add(net, models, options)

    assert "/models/net:predict" in first.call or "/models/net/infer" in first.call
    assert "/models/net/versions/2" in second.call


def interrupt(*arguments: object) -> tuple[Path, ...]:
    raise KeyboardInterrupt


def refuse(*arguments: object) -> tuple[Path, ...]:
    raise PermissionError(13, "Permission denied", "events")


@pytest.mark.parametrize(
    ("events", "said"), [(interrupt, "net 1 was added, but an interrupt"), (refuse, "events: Permission denied")]
)
def test_what_ends_it_after_the_version_is_there_says_that_it_is(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: Any, said: str
) -> None:
    monkeypatch.setattr(adding, "write_events", events)

    with pytest.raises(DespliegueError, match=said):
        add(net, tmp_path / "models", Options(measure=False))
    assert ModelRepository(tmp_path / "models").index() == {"net": ["1"]}


def test_a_name_that_is_not_in_utf_8_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DespliegueError, match="is not in UTF-8"):
        add(tmp_path / os.fsdecode(b"r\xe9.onnx"), tmp_path / "models")


def test_an_original_that_refuses_every_row_is_told_from_one_that_breaks(
    saved: Callable[..., Path], converted: Callable[..., Converted]
) -> None:
    frame = pd.DataFrame({"city": ["León", "Ávila"] * 20})
    estimator = make_pipeline(OrdinalEncoder(), LogisticRegression()).fit(frame, [0, 1] * 20)
    found = converted(saved(estimator), trust=True)

    with pytest.raises(RefusesEveryRow, match="refuses every row"):
        found.predict({"city": np.array(["Oz", "Narnia"], object)})
    assert not (found.folder.parent / "request.msgpack").exists(), "the rows do not lie about once they are read"
    Path(found._request.path).write_bytes(b"no longer a pickle")
    with pytest.raises(ConversionError) as broken:
        found.predict({"city": np.array(["León"], object)})
    assert not isinstance(broken.value, RefusesEveryRow)


class Hungry:
    """An original that has no memory for even one row."""

    def predict(self, columns: Any) -> Any:
        raise MemoryError


def test_an_original_without_memory_for_one_row_refuses_nothing() -> None:
    with pytest.raises(MemoryError):
        predict(Hungry(), {"a": np.zeros(4)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "unverified"), [(RefusesEveryRow("no"), True), (ConversionError("took longer than 300 s"), False)]
)
def test_only_an_original_that_refuses_every_made_up_row_is_left_unproven(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: ConversionError, unverified: bool
) -> None:
    def fail(converted: Converted, columns: Any) -> Any:
        raise error

    monkeypatch.setattr(Converted, "predict", fail)

    if unverified:
        assert add(net, tmp_path / "models", Options(measure=False)).proof is None
    else:
        with pytest.raises(ConversionError, match="took longer"):
            add(net, tmp_path / "models", Options(measure=False))
        assert not (tmp_path / "models" / "net").exists()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("churn.joblib", "churn"),
        ("reseñas de Málaga.joblib.gz", "resenas-de-Malaga"),
        ("v1.2.PKL", "v1.2"),
        ("模型.onnx", "model"),
    ],
)
def test_a_files_name_becomes_a_models(file: str, name: str) -> None:
    assert model_name(Path(file)) == name
