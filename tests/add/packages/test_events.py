"""Sample events: the real handlers answer each, and they go when the version goes."""

import importlib.util
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import httpx
import onnx
import onnx.parser
import pytest
from moto.server import ThreadedMotoServer

from despliegue.errors import DespliegueError
from despliegue.models import ModelRepository
from despliegue_cli.packages.description.calls import Calls, calls
from despliegue_cli.packages.description.events import remove_events, write_events
from despliegue_cli.packages.description.public_example import example

type Write = Callable[[str], dict[str, Path]]

GRAPHS = {
    # Of each kind of input one; V1 and files have no form for the first two.
    "image": "g (float[N, 3, 8, 8] image) => (float[N, 3, 1, 1] y) { y = GlobalAveragePool(image) }",
    "total": "g (float[N, 1] x) => (float y) { y = ReduceSum <keepdims = 0> (x) }",
    "integers": "g (int64[N] n) => (float[N] y) { y = Cast <to = 1> (n) }",
    "booleans": "g (bool[N, 1] is_member) => (float[N, 1] y) { y = Cast <to = 1> (is_member) }",
    "strings": "g (string[N] city) => (string[N] y) { y = Identity(city) }",
}


@pytest.fixture
def stack(root: Path, tmp_path: Path) -> Path:
    """A copy of the repository as far as events go: the template, its events, and models."""
    shutil.copy(root / "template.yaml", tmp_path)
    shutil.copytree(root / "events", tmp_path / "events", ignore=shutil.ignore_patterns("models"))
    shutil.copytree(root / "layers" / "models", tmp_path / "layers" / "models")
    for name, graph in GRAPHS.items():
        folder = tmp_path / "layers" / "models" / name / "1"
        folder.mkdir(parents=True)
        onnx.save(onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> {graph}'), folder / "model.onnx")
    return tmp_path


@pytest.fixture
def write(stack: Path) -> Write:
    """Writes the events of a model; gives their paths by name."""

    def call(name: str) -> dict[str, Path]:
        model = ModelRepository(stack / "layers" / "models").get(name)
        found = model.manifest.example or example(model, None)
        paths = write_events(stack / "layers" / "models", name, "1", calls(model, model.manifest, found))
        assert all(path.parent == stack / "events" / "models" / name / "1" for path in paths)
        return {path.stem: path for path in paths if path.suffix == ".json"}

    return call


@pytest.fixture
def start(root: Path, stack: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Imports a function's `app.py` anew, in the environment that the template sets."""

    def load(function: str, **environment: str) -> ModuleType:
        settings = {
            "DESPLIEGUE_MODELS": str(stack / "layers" / "models"),
            "POWERTOOLS_METRICS_NAMESPACE": "Despliegue",
            "POWERTOOLS_SERVICE_NAME": function,
        }
        for name, value in (settings | environment).items():
            monkeypatch.setenv(name, value)
        # Python keeps a logger by its name, and this one would go on writing to an earlier test's output.
        logging.Logger.manager.loggerDict.pop(function, None)
        spec = importlib.util.spec_from_file_location("app", root / "functions" / function / "app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def s3() -> Iterator[Any]:
    """An S3 client, and the two buckets."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3", "eu-west-1", endpoint_url=f"http://{host}:{port}", aws_access_key_id="none", aws_secret_access_key="none"
    )
    for bucket in ("inbox", "results"):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    yield client
    client.close()
    # moto keeps what it holds for all of the process, and other tests' buckets have the same names.
    httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()
    server.stop()


def load(path: Path) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(path.read_bytes())
    return event


def test_the_predict_function_answers_every_request(write: Write, start: Callable[..., ModuleType]) -> None:
    events = {name: write(name) for name in ("penguins", "breast-cancer", *GRAPHS)}
    handler = start("predict").handler

    for name, paths in events.items():
        both = {"infer"} if name in ("image", "total") else {"infer", "predict"}
        assert set(paths) - {"score"} == both, name
        for kind in both:
            event = load(paths[kind])
            assert event["isBase64Encoded"], "as the template's BinaryMediaTypes make it"
            reply = handler(event, SimpleNamespace(aws_request_id="r"))
            assert reply["statusCode"] == 200, (name, kind, reply["body"])


def test_the_score_function_scores_the_file_that_its_event_tells_of(
    write: Write, start: Callable[..., ModuleType], s3: Any
) -> None:
    paths = write("penguins")
    key = "penguins@1/example.csv"
    s3.put_object(Bucket="inbox", Key=key, Body=(paths["score"].parent / "example.csv").read_bytes())
    app = start(
        "score",
        AWS_ACCESS_KEY_ID="none",
        AWS_SECRET_ACCESS_KEY="none",
        AWS_DEFAULT_REGION="eu-west-1",
        DESPLIEGUE_AWS_ENDPOINT=s3.meta.endpoint_url,
        DESPLIEGUE_EVENT_BUS="",
        DESPLIEGUE_INBOX_BUCKET="inbox",
        DESPLIEGUE_RESULTS_BUCKET="results",
    )

    reply = app.handler(load(paths["score"]), SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000))

    assert reply == {"batchItemFailures": []}
    report = json.loads(s3.get_object(Bucket="results", Key=f"{key}.report.json")["Body"].read())
    assert (report["status"], report["rows"]["scored"], report["model"]["version"]) == ("scored", 1, "1")


def test_what_gives_no_table_has_no_event_for_files(write: Write) -> None:
    assert "score" in write("booleans")
    assert "score" not in write("image")
    assert "score" not in write("total")


def test_without_a_template_or_an_example_nothing_is_written(stack: Path, write: Write) -> None:
    models = stack / "layers" / "models"

    assert write_events(models, "penguins", "1", Calls()) == ()
    (stack / "template.yaml").unlink()
    assert write("penguins") == {}
    assert not (stack / "events" / "models").exists()


def test_a_repository_behind_a_link_gets_the_events_of_the_template_above_it(stack: Path, write: Write) -> None:
    models = stack / "layers" / "models"
    models.rename(stack / "elsewhere")
    models.symlink_to(stack / "elsewhere")

    assert write("penguins")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"requestContext": 1}'])
def test_an_event_of_another_form_is_named(stack: Path, write: Write, content: str) -> None:
    (stack / "events" / "predict" / "rest-infer.json").write_text(content)

    with pytest.raises(DespliegueError, match=r"rest-infer\.json is no longer an event"):
        write("penguins")
    assert not (stack / "events" / "models").exists()


def test_a_template_without_our_events_gets_none(stack: Path, write: Write) -> None:
    shutil.rmtree(stack / "events")

    assert write("penguins") == {}
    assert not (stack / "events").exists()


def test_the_same_model_gives_the_same_bytes(write: Write) -> None:
    first = {kind: path.read_bytes() for kind, path in write("penguins").items()}

    assert {kind: path.read_bytes() for kind, path in write("penguins").items()} == first


def test_events_go_with_their_version_and_no_other(stack: Path, write: Write) -> None:
    models, events = stack / "layers" / "models", stack / "events"
    write("penguins")
    shutil.copytree(events / "models" / "penguins" / "1", events / "models" / "penguins" / "2")

    remove_events(models, "penguins", "1")
    assert [path.name for path in (events / "models" / "penguins").iterdir()] == ["2"]
    remove_events(models, "penguins", "2")
    remove_events(models, "penguins", "3")

    assert not (events / "models").exists()
    assert (events / "predict" / "rest-infer.json").exists()
