"""The built layers are all that the function needs: it runs with them on sys.path and no site-packages at all."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.template.built.conftest import Project

EVERY_PACKAGE = """
import json, sys
import numpy, onnxruntime, orjson, pybase64, simdjson
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
rows = numpy.array(simdjson.Parser().parse(b"[1.5, 2.5]").as_buffer(of_type="d"))
rows = numpy.frombuffer(simdjson.Parser().parse(b"[1.5, 2.5]").as_buffer(of_type="d")).astype("f4").reshape(1, 2)
[doubled] = session.run(None, {"x": rows})
Logger(service="test").info("a line")
metrics = Metrics(namespace="Despliegue", service="test")
metrics.add_metric("Rows", MetricUnit.Count, 1)
metrics.flush_metrics()
reply = orjson.dumps(doubled, option=orjson.OPT_SERIALIZE_NUMPY)
print(pybase64.b64encode(reply).decode())
"""

ITS_HANDLER = """
import app, json
body = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.5, 2.5]}]}
event = {
    "httpMethod": "POST", "path": "/v2/models/toy/infer", "headers": {}, "multiValueHeaders": {},
    "requestContext": {"requestId": "r", "stage": "live", "path": "/live/v2/models/toy/infer"},
    "body": json.dumps(body), "isBase64Encoded": False,
}
class Context:
    aws_request_id = "an-id"
print(json.dumps(app.handler(event, Context())))
"""


EVERY_TABLE_PACKAGE = """
import io
from backports import zstd
from arro3.io import infer_csv_schema, read_csv, read_parquet, write_parquet

text = zstd.decompress(zstd.compress(b"x,y\\n1.5,a\\n2.5,b\\n"))
table = read_csv(io.BytesIO(text), infer_csv_schema(io.BytesIO(text), has_header=True), has_header=True).read_all()
written = io.BytesIO()
write_parquet(table, written)
written.seek(0)
print(read_parquet(written).read_all().column("x").to_pylist())
"""

ITS_SCORE_HANDLERS = """
import app, json, sys
class Context:
    aws_request_id = "an-id"
    invoked_function_arn = function_name = "ScoreFunction"
    memory_limit_in_mb = 1769
    def get_remaining_time_in_millis(self):
        return 900_000
message = {"messageId": "a-message", "eventSource": "aws:sqs", "body": "not a notification", "attributes": {}}
print(json.dumps(app.handler(json.loads(sys.argv[1]), Context())))
print(json.dumps(app.handler({"Records": [message]}, Context())))
print(json.dumps(app.failed({"Records": [message]}, Context())))
"""

LAYERS = {
    "PredictFunction": ["RuntimeLayer", "ImagesLayer", "ServingLayer"],
    "ScoreFunction": ["RuntimeLayer", "TablesLayer", "ServingLayer"],
}
# What Lambda's runtime brings beside the layers.
OF_THE_RUNTIME = ["boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3"]


def parts(project: Project, function: str) -> list[Path]:
    """Where the function and what is in its layers is imported from."""
    return [project.built(function), *(project.built(name) / "python" for name in LAYERS[function])]


def run_in(folders: Sequence[Path], code: str, *arguments: str, **environment: str) -> list[str]:
    """What `code` prints where only the standard library and what is in `folders` can be imported."""
    code = f"import sys; sys.path[:0] = {[str(folder) for folder in folders]!r}\n{code}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", code, *arguments],
        env={"ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "a start that prints is a line of log on every cold start"
    return done.stdout.splitlines()


def test_every_package_works_out_of_the_trimmed_layer(this_machine: Project) -> None:
    model = this_machine.built("ModelsLayer") / "models/toy/1/model.onnx"
    log, metrics, reply = run_in(parts(this_machine, "PredictFunction"), EVERY_PACKAGE, str(model))
    assert json.loads(log)["message"] == "a line"
    assert json.loads(metrics)["Rows"] == [1.0]
    assert reply == "W1szLjAsNS4wXV0="  # [[3.0,5.0]]


def test_the_function_answers_out_of_its_layers(this_machine: Project) -> None:
    lines = run_in(
        parts(this_machine, "PredictFunction"), ITS_HANDLER, **declared_environment(this_machine, "PredictFunction")
    )
    reply = json.loads(lines[-1])
    assert reply["statusCode"] == 200, reply
    assert json.loads(reply["body"])["outputs"][0]["data"] == [3.0, 5.0]


def test_every_package_works_out_of_the_tables_layer(this_machine: Project) -> None:
    assert run_in(parts(this_machine, "ScoreFunction"), EVERY_TABLE_PACKAGE) == ["[1.5, 2.5]"]


def test_the_score_functions_answer_out_of_their_layers(root: Path, this_machine: Project, tmp_path: Path) -> None:
    for name in OF_THE_RUNTIME:
        (tmp_path / name).symlink_to(Path(sysconfig.get_path("purelib")) / name)
    lines = run_in(
        [*parts(this_machine, "ScoreFunction"), tmp_path],
        ITS_SCORE_HANDLERS,
        (root / "events/score/s3-test-event.json").read_text(),
        DESPLIEGUE_RESULTS_BUCKET="results",
        AWS_DEFAULT_REGION="eu-west-1",
        **declared_environment(this_machine, "ScoreFunction"),
    )
    replies = [reply for line in lines if not {"level", "_aws"} & set(reply := json.loads(line))]
    handed_back = {"batchItemFailures": [{"itemIdentifier": "a-message"}]}
    assert replies == [{"reports": []}, handed_back, handed_back]


def declared_environment(project: Project, function: str) -> dict[str, str]:
    """The template's own variables, with the models' folder where this machine has it."""
    expanded = project.expand((project.folder / "template.yaml").read_text(), {})
    variables: dict[str, Any] = expanded["Resources"][function]["Properties"]["Environment"]["Variables"]
    return {name: value for name, value in variables.items() if isinstance(value, str)} | {
        "DESPLIEGUE_MODELS": str(project.built("ModelsLayer") / "models"),
        "POWERTOOLS_SERVICE_NAME": "the-stack",
    }
