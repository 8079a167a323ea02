"""What `despliegue add` leaves and what its options do, as a user sees it."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pandas as pd
import pytest
from onnx import helper, numpy_helper
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.add.conftest import converting_here

from despliegue.models import Model, SessionSettings
from despliegue.models.folder import PRIVATE
from despliegue_cli.packages.add import Options, add

BIN = Path(sys.executable).parent

type Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(root: Path, tmp_path: Path) -> Path:
    """A folder like a clone: a template, the sample events, a repository without models."""
    folder = tmp_path / "project"
    (folder / "layers" / "models").mkdir(parents=True)
    shutil.copy2(root / "template.yaml", folder)
    shutil.copytree(root / "events", folder / "events", ignore=shutil.ignore_patterns("models"))
    return folder


@pytest.fixture
def command(project: Path) -> Command:
    """Runs `despliegue` there."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / "despliegue", *map(str, arguments)],
            cwd=project,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_it_leaves_a_package_and_sample_events_and_remove_takes_both(
    command: Command, project: Path, saved: Callable[..., Path], people: Any, tmp_path: Path
) -> None:
    frame = people.rows().assign(answer=people.answers(people.rows()))
    frame.to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "use.md").write_text("## Intended use\n\nTo call people who may leave.\n")
    keys = ("ecparam -name prime256v1 -genkey -noout -out key.pem", "ec -in key.pem -pubout -out key.pub")
    for line in keys:
        subprocess.run(["openssl", *line.split()], cwd=tmp_path, check=True, capture_output=True)

    added = command(
        "add", saved(people.pipeline(), "churn.joblib"), "--trust", "--sample", tmp_path / "people.csv",
        "--card", tmp_path / "use.md", "--sign", tmp_path / "key.pem", "--description", "Who may leave", "--json",
    )  # fmt: skip

    assert added.returncode == 0, added.stderr
    folder = project / "layers" / "models" / "churn" / "1"
    assert tree(folder) == [
        ".model.sig", "MODEL_CARD.md", "manifest.json", "model.onnx",
        "private/examples.json", "private/improvements.json", "private/profile.json",
    ]  # fmt: skip
    assert tree(project / "events" / "models") == [
        f"churn/1/{name}" for name in ("example.csv", "infer.json", "predict.json", "score.json")
    ]
    assert "To call people who may leave." in (folder / "MODEL_CARD.md").read_text()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["verification"]["rows"] == len(frame)
    assert (manifest["format"], manifest["description"]) == (1, "Who may leave")
    report = json.loads(added.stdout)
    assert any(step["kept"] for step in report["improvements"]["steps"])
    assert report["improvements"]["after"]["load_ms"] > 0

    assert "signature in order" in command("verify", "churn", "--public-key", tmp_path / "key.pub").stdout
    shutil.rmtree(folder / PRIVATE)
    assert "no examples to replay" in command("verify", "--all").stdout
    assert command("remove", "churn@1").stdout == "removed  churn 1\n"
    assert not (folder.parent).exists()
    assert tree(project / "events" / "models") == []


def test_nothing_of_whoever_exported_it_is_in_what_is_deployed(command: Command, project: Path, tmp_path: Path) -> None:
    table = helper.make_tensor("table", onnx.TensorProto.INT64, [4_000], range(4_000))
    kind = onnx.TensorProto.INT64
    x, y = (helper.make_tensor_value_info(name, kind, ["N"]) for name in "xy")
    gather = helper.make_node("Gather", ["table", "x"], ["y"], doc_string=f'File "{tmp_path}/train.py", line 3')
    model = helper.make_model(
        helper.make_graph([gather], "g", [x], [y], [table]), opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    )
    model.metadata_props.add(key="data", value=f"{tmp_path}/train.csv")
    onnx.save(model, tmp_path / "net.onnx")

    added = command("add", tmp_path / "net.onnx")

    assert added.returncode == 0, added.stderr
    for path in (project / "layers" / "models" / "net" / "1").rglob("*"):
        assert path.is_dir() or str(tmp_path).encode() not in path.read_bytes(), path


def test_without_a_template_no_events_are_written(command: Command, project: Path, tmp_path: Path) -> None:
    (project / "template.yaml").unlink()
    graph = '<ir_version: 10, opset_import: ["": 21]> g (float[N, 2] x) => (float[N, 2] y) { y = Neg(x) }'
    onnx.save(onnx.parser.parse_model(graph), tmp_path / "net.onnx")

    added = command("add", tmp_path / "net.onnx", "--json")

    assert json.loads(added.stdout)["events"] == []
    assert not (project / "events" / "models").exists()


def test_examples_are_only_published_on_the_owners_word(
    command: Command, project: Path, saved: Callable[..., Path], people: Any, tmp_path: Path
) -> None:
    frame = people.rows()
    frame.to_csv(tmp_path / "people.csv", index=False)
    path = saved(people.pipeline(), "churn.joblib")

    with converting_here():
        add(path, project / "layers/models", Options(sample=tmp_path / "people.csv", trust=True, measure=False))
    done = command("add", path, "--trust", "--sample", tmp_path / "people.csv", "--publish-examples")
    assert done.returncode == 0, done.stderr
    examples = [
        json.loads((project / f"layers/models/churn/{version}/manifest.json").read_bytes())["example"]
        for version in (1, 2)
    ]

    first = frame.iloc[0]["when"]
    assert examples[1]["when"] == [[first]]
    assert examples[0]["when"][0][0] not in frame["when"].to_list()
    assert examples[0]["city"][0][0] in frame["city"].to_list(), "a category of the model itself"


def test_a_network_is_quantised_and_says_what_that_changes(
    command: Command, project: Path, saved: Callable[..., Path], tmp_path: Path
) -> None:
    draw = np.random.default_rng(0)
    rows = pd.DataFrame(draw.normal(size=(800, 6)), columns=list("abcdef"))
    network = MLPClassifier((128, 128), max_iter=40, random_state=0, tol=0.01)
    estimator = make_pipeline(StandardScaler(), network).fit(rows, (rows.sum(axis=1) > 0).astype(int))
    rows.to_csv(tmp_path / "rows.csv", index=False)

    done = command(
        "add", saved(estimator, "net.joblib"), "--trust", "--sample", tmp_path / "rows.csv", "--quantize", "int8"
    )

    assert done.returncode == 0, done.stderr
    assert "proved     equal on 800 rows" in done.stdout, "the package before it"
    package = project / "layers/models/net/1"
    labels = Model.load(package, "net", "1", SessionSettings()).run({"input": rows.to_numpy()}, ["label"])[0]
    changed = (labels != estimator.predict(rows)).mean()
    assert f"quantized  int8, which changes, on 800 rows, label of {changed:.2%} of them" in done.stdout
    manifest = json.loads((package / "manifest.json").read_bytes())
    assert manifest["verification"].get("labels", 0) == changed * 800
    assert "made_up" not in manifest["verification"], "what is quantised is judged by the sample"
    report = json.loads((package / "private/improvements.json").read_bytes())
    assert report["after"]["size"] < report["before"]["size"] / 2
    assert "**It is quantised (int8)**" in (package / "MODEL_CARD.md").read_text()
    assert command("verify", "net").returncode == 0


def test_what_quantising_does_not_help_is_refused_and_nothing_is_left(
    command: Command, project: Path, saved: Callable[..., Path], people: Any
) -> None:
    done = command("add", saved(people.pipeline(), "churn.joblib"), "--trust", "--quantize", "int8")

    assert done.returncode == 1
    assert "has no MatMul, Gemm, Gather or Conv with large" in done.stderr
    assert tree(project / "layers" / "models") == []


def test_an_onnx_image_model_is_proven_on_an_npz(command: Command, project: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    weights = numpy_helper.from_array(draw.normal(size=(4, 3, 3, 3)).astype(np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["maps"]),
        helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["scores"]),
    ]
    image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, 8, 8])
    scores = helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, [1, 4])
    graph = helper.make_graph(nodes, "g", [image], [scores], [weights])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), tmp_path / "net.onnx"
    )
    np.savez(tmp_path / "images.npz", image=draw.random((5, 3, 8, 8), np.float32))

    done = command("add", tmp_path / "net.onnx", "--sample", tmp_path / "images.npz")

    assert done.returncode == 0, done.stderr
    assert "repaired   " in done.stdout, "its batch was fixed"
    assert "5 rows of the sample" in done.stdout
    facts = json.loads(command("inspect", "net", "--json").stdout)
    assert facts["inputs"][0]["shape"] == [-1, 3, 8, 8]
    assert facts["proof"].startswith("as its original on 5 rows of a sample")


def test_ctrl_c_leaves_nothing_and_says_so(project: Path, saved: Callable[..., Path], people: Any) -> None:
    process = subprocess.Popen(
        [BIN / "despliegue", "add", saved(people.pipeline(), "churn.joblib"), "--trust"],
        cwd=project,
        stderr=subprocess.PIPE,
        text=True,
    )
    home = project / "layers" / "models" / "churn"
    while not home.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert said == "error: interrupted; nothing was added\n"
    assert process.returncode == 130
    assert tree(project / "layers" / "models") == []
    assert not home.exists()
