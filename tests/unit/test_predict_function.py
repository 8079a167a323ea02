"""The Lambda function as its runtime calls it: events in, envelopes, metrics and logs out."""

import importlib.util
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import onnx
import onnx.parser
import pytest
from aws_lambda_powertools import Metrics

type LoadEvent = Callable[[str], dict[str, Any]]
type Start = Callable[..., ModuleType]

CONTEXT = SimpleNamespace(aws_request_id="lambda-request-1")


@pytest.fixture
def start(root: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Imports `functions/predict/app.py` anew, in the environment that the template sets."""

    def load(**environment: str) -> ModuleType:
        settings = {
            "DESPLIEGUE_MODELS": str(root / "layers" / "models"),
            "DESPLIEGUE_PRELOAD": "breast-cancer",
            "POWERTOOLS_METRICS_NAMESPACE": "Despliegue",
            "POWERTOOLS_SERVICE_NAME": "predict",
            **environment,
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        # Python keeps a logger by its name, and this one would go on writing to an earlier test's output.
        logging.Logger.manager.loggerDict.pop("predict", None)
        spec = importlib.util.spec_from_file_location("app", root / "functions" / "predict" / "app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """The JSON lines that the function wrote since the last call."""

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return read


@pytest.fixture
def snapshot_hooks() -> Iterator[ModuleType]:
    """Lambda's own hook library, with nothing registered."""
    import snapshot_restore_py

    yield snapshot_restore_py
    snapshot_restore_py.get_before_snapshot().clear()
    snapshot_restore_py.get_after_restore().clear()


def test_a_prediction(start: Start, load_event: LoadEvent) -> None:
    envelope = start().handler(load_event("rest-infer"), CONTEXT)

    reply = json.loads(envelope["body"])
    assert envelope["statusCode"] == 200
    assert reply["id"] == "patient-1"
    assert reply["outputs"][0]["data"] == ["malignant"]
    assert reply["outputs"][1]["data"][1] > 0.99


def test_each_request_writes_one_line_with_its_metrics(
    start: Start, load_event: LoadEvent, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    handler = start().handler
    event = load_event("rest-infer")
    event["headers"]["X-Correlation-Id"] = "order-7"

    handler(event, CONTEXT)
    handler(load_event("rest-models"), CONTEXT)

    infer, listing = lines()
    (directive,) = infer["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Despliegue"
    assert directive["Dimensions"] == [["model", "version", "service"]]
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "Rows": "Count",
        "Errors": "Count",
        "ColdStart": "Count",
        "Latency": "Milliseconds",
    }
    assert (infer["model"], infer["version"], infer["service"]) == ("breast-cancer", "1", "predict")
    assert (infer["Rows"], infer["Errors"], infer["ColdStart"]) == ([1.0], [0.0], [1.0])
    assert 0 < infer["Latency"][0] < 10_000
    assert (infer["request_id"], infer["correlation_id"], infer["cold_start"]) == ("lambda-request-1", "order-7", True)
    assert (listing["cold_start"], listing["status"]) == (False, 200)
    assert listing["correlation_id"] == "6f1d5c1e-8e8b-4d3c-9d6f-2b8a4c0e7f11", (
        "API Gateway's id, where the caller has none"
    )
    assert "model" not in listing
    assert "ColdStart" not in listing


def test_its_metrics_are_declared_as_powertools_would(
    start: Start, load_event: LoadEvent, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    start().handler(load_event("rest-infer"), CONTEXT)

    (line,) = lines()
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    theirs = Metrics(namespace="Despliegue", service="predict").provider.serialize_metric_set(
        {metric["Name"]: metric | {"Value": line[metric["Name"]]} for metric in directive["Metrics"]},
        {name: line[name] for name in directive["Dimensions"][0]},
        {},
    )
    assert theirs["_aws"]["CloudWatchMetrics"] == [directive]
    assert line | theirs | {"_aws": line["_aws"]} == line


def test_a_refused_request_is_logged_by_code_and_name_and_never_by_value(
    start: Start, load_event: LoadEvent, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    envelope = start().handler(load_event("invalid-value"), CONTEXT)

    metrics, log = lines()
    assert envelope["statusCode"] == 400
    assert "17.99" in envelope["body"]
    assert metrics["Errors"] == [0.0], "the caller's mistakes are no errors of the service"
    assert (log["level"], log["error"], log["subject"]) == ("INFO", "InvalidRequest", "input")
    assert (log["request_id"], log["cold_start"]) == ("lambda-request-1", True)
    assert "17.99" not in json.dumps([metrics, log])


def test_a_fault_of_ours_is_logged_with_its_traceback_and_counted(
    start: Start,
    load_event: LoadEvent,
    lines: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def mistake(repository: object) -> None:
        raise KeyError("a caller's value")

    app = start()
    monkeypatch.setattr(type(app.function.service.repository), "index", mistake)

    envelope = app.handler(load_event("rest-models"), CONTEXT)

    metrics, log = lines()
    assert envelope["statusCode"] == 500
    assert json.loads(envelope["body"]) == {"error": "internal error; request id 6f1d5c1e-8e8b-4d3c-9d6f-2b8a4c0e7f11"}
    assert metrics["Errors"] == [1.0]
    assert log["level"] == "ERROR"
    assert log["exception"] == "KeyError"
    assert "in list_models" in log["traceback"]
    assert "KeyError: " not in log["traceback"], "an exception's words may quote a value"
    assert log["api_request_id"] in envelope["body"], "what the caller is told can be found in the logs"


@pytest.mark.parametrize("name", ["not-an-api-event", "invalid-base64"])
def test_an_event_that_cannot_be_read_is_400(start: Start, load_event: LoadEvent, name: str) -> None:
    envelope = start().handler(load_event(name), CONTEXT)

    assert envelope["statusCode"] == 400
    assert list(json.loads(envelope["body"])) == ["error"]


@pytest.mark.parametrize(
    "change",
    [
        {"headers": None},
        {"headers": {"content-type": None, "x-correlation-id": None}},
        {"headers": ["content-type"]},
        {"body": "\ud800", "isBase64Encoded": False},
        {"body": 5},
        {"pathParameters": "x"},
        {"pathParameters": None, "path": 5},
        {"requestContext": None},
        {"requestContext": {"http": None}},
        {"requestContext": {"http": {}}, "httpMethod": None},
        {"requestContext": {"requestId": 5}},
    ],
)
def test_an_event_of_any_form_gets_an_answer(start: Start, load_event: LoadEvent, change: dict[str, Any]) -> None:
    envelope = start().handler(load_event("rest-infer") | change, CONTEXT)

    assert set(json.loads(envelope["body"])) in ({"error"}, {"model_name", "model_version", "id", "outputs"})


@pytest.mark.parametrize("event", [None, [], "x", 3])
def test_an_event_that_is_no_object_is_400(start: Start, event: Any) -> None:
    assert start().handler(event, CONTEXT)["statusCode"] == 400


def test_a_reply_over_lambdas_limit_is_413(
    start: Start, load_event: LoadEvent, lines: Callable[[], list[dict[str, Any]]], tmp_path: Path
) -> None:
    folder = tmp_path / "wide" / "1"
    folder.mkdir(parents=True)
    onnx.save(
        onnx.parser.parse_model("""
            <ir_version: 10, opset_import: ["": 21]>
            g (int64[1] n) => (float[?] y)
            { y = ConstantOfShape <value = float[1] {0.125}> (n) }
        """),
        folder / "model.onnx",
    )
    event = load_event("rest-infer-plain")
    event["pathParameters"]["proxy"] = "v2/models/wide/infer"
    event["body"] = '{"inputs": [{"name": "n", "shape": [1], "datatype": "INT64", "data": [2000000]}]}'

    envelope = start(DESPLIEGUE_MODELS=str(tmp_path), DESPLIEGUE_PRELOAD="").handler(event, CONTEXT)

    assert envelope["statusCode"] == 413
    assert "over the 6,291,556 (6 MB) that Lambda returns" in json.loads(envelope["body"])["error"]
    metrics, log = lines()
    assert metrics["model"] == log["model"] == "wide", "it is known which model it was"
    assert log["error"] == "PayloadTooLarge"


def test_the_only_model_is_loaded_at_init_and_several_only_by_name(start: Start, tmp_path: Path, root: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / name / "1"
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes((root / "layers/models/breast-cancer/1/model.onnx").read_bytes())

    def loaded(**environment: str) -> list[str]:
        repository = start(DESPLIEGUE_MODELS=str(tmp_path), **environment).function.service.repository
        return [f"{model.name}@{model.version}" for model in repository.loaded()]

    assert loaded(DESPLIEGUE_PRELOAD="") == []
    assert loaded(DESPLIEGUE_PRELOAD=" b@1 ,") == ["b@1"]
    (tmp_path / "a" / "1" / "model.onnx").unlink()
    assert loaded(DESPLIEGUE_PRELOAD="") == ["b@1"]


def test_a_model_that_cannot_be_loaded_at_init_is_logged_and_not_fatal(
    start: Start, load_event: LoadEvent, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    app = start(DESPLIEGUE_PRELOAD="lung-cancer")

    (log,) = lines()
    assert (log["level"], log["message"]) == ("WARNING", "model not loaded at init")
    assert log["problem"].startswith("lung-cancer: there is no model")
    assert app.handler(load_event("rest-infer"), CONTEXT)["statusCode"] == 200


def test_threads_are_the_vcpus_that_the_memory_buys(start: Start) -> None:
    def threads(megabytes: str) -> int:
        app = start(AWS_LAMBDA_FUNCTION_MEMORY_SIZE=megabytes)
        count: int = app.function.service.repository._settings.threads
        return count

    assert [threads(size) for size in ("128", "1769", "3537", "3538", "10240")] == [1, 1, 1, 2, 5]


@pytest.mark.parametrize(("auth", "security"), [("ApiKey", [{"apiKey": []}]), ("Iam", [{"sigv4": []}]), ("", None)])
def test_the_documents_tell_what_the_template_asks_for(
    start: Start, load_event: LoadEvent, auth: str, security: Any
) -> None:
    for name in ("rest-openapi", "http-model-openapi"):
        envelope = start(DESPLIEGUE_AUTH=auth).handler(load_event(name), CONTEXT)

        assert envelope["statusCode"] == 200
        assert json.loads(envelope["body"]).get("security") == security


def test_a_snapshot_holds_the_core_warm_but_counts_nothing(
    start: Start,
    load_event: LoadEvent,
    lines: Callable[[], list[dict[str, Any]]],
    snapshot_hooks: ModuleType,
) -> None:
    app = start(AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
    ((before, _, _),) = snapshot_hooks.get_before_snapshot()
    ((after, _, _),) = snapshot_hooks.get_after_restore()

    before()
    assert lines() == [], "nothing was counted"
    after()
    stats = load_event("http-model-stats")
    counted = json.loads(app.handler(stats, CONTEXT)["body"])["model_stats"]
    assert counted[0]["inference_count"] == 0
    lines()
    after()
    app.handler(load_event("rest-infer"), CONTEXT)
    app.handler(load_event("rest-infer"), CONTEXT)
    assert [line["cold_start"] for line in lines()] == [True, False]

    after()
    app.handler(load_event("rest-infer"), CONTEXT)

    (restored,) = lines()
    assert (restored["cold_start"], restored["ColdStart"], restored["Rows"]) == (True, [1.0], [1.0])


def test_a_bfloat16_model_is_warmed_in_binary(
    start: Start, lines: Callable[[], list[dict[str, Any]]], snapshot_hooks: ModuleType, tmp_path: Path
) -> None:
    folder = tmp_path / "brain" / "1"
    folder.mkdir(parents=True)
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (bfloat16[N] x) => (bfloat16[N] y) { y = Identity(x) }
    """)
    onnx.save(model, folder / "model.onnx")
    start(AWS_LAMBDA_INITIALIZATION_TYPE="snap-start", DESPLIEGUE_MODELS=str(tmp_path), DESPLIEGUE_PRELOAD="brain")
    ((before, _, _),) = snapshot_hooks.get_before_snapshot()

    before()

    assert lines() == [], "no warm-up failed"


def test_a_failing_warm_up_is_logged_and_not_fatal(
    start: Start, lines: Callable[[], list[dict[str, Any]]], snapshot_hooks: ModuleType, tmp_path: Path
) -> None:
    folder = tmp_path / "picky" / "1"
    folder.mkdir(parents=True)
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (float[N] x) => (float[?, ?] y)
        { shape = Constant <value = int64[2] {3, 3}> ()  y = Reshape(x, shape) }
    """)
    onnx.save(model, folder / "model.onnx")
    start(AWS_LAMBDA_INITIALIZATION_TYPE="snap-start", DESPLIEGUE_MODELS=str(tmp_path), DESPLIEGUE_PRELOAD="picky")
    ((before, _, _),) = snapshot_hooks.get_before_snapshot()

    before()

    (log,) = lines()
    assert (log["level"], log["message"], log["model"], log["status"]) == ("WARNING", "warm-up failed", "picky", 500)


def test_the_http_path_imports_nothing_heavy_and_reads_no_clock(root: Path) -> None:
    """boto3, pydantic and the X-Ray SDK cost more than everything else together, Powertools a tenth of a cold start."""
    code = """
import sys, time
def watched(clock):
    def read(*arguments):
        caller = sys._getframe(1).f_code.co_filename
        assert "despliegue" not in caller and "predict" not in caller, f"{caller} reads a clock at import"
        return clock(*arguments)
    return read
for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter"):
    setattr(time, name, watched(getattr(time, name)))
import app
app.handler
heavy = {"aws_lambda_powertools", "boto3", "botocore", "pydantic", "aws_xray_sdk", "requests", "urllib3"}
print(sorted(heavy & set(sys.modules)))
"""
    environment = {
        "PYTHONPATH": f"{root / 'functions' / 'predict'}:{root / 'layers' / 'serving' / 'python'}",
        "DESPLIEGUE_MODELS": str(root / "layers" / "models"),
        "POWERTOOLS_METRICS_NAMESPACE": "Despliegue",
        "POWERTOOLS_SERVICE_NAME": "predict",
    }

    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
