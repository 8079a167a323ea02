"""The built layers are all that the function needs: it runs with them on sys.path and no site-packages at all."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def run_in_layers(project: Project, code: str, *arguments: str, **environment: str) -> list[str]:
    """What `code` prints where only the standard library, the layers and the function's folder can be imported."""
    folders = [
        project.built("PredictFunction"),
        *(project.built(name) / "python" for name in ("RuntimeLayer", "ServingLayer")),
    ]
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
    log, metrics, reply = run_in_layers(this_machine, EVERY_PACKAGE, str(model))
    assert json.loads(log)["message"] == "a line"
    assert json.loads(metrics)["Rows"] == [1.0]
    assert reply == "W1szLjAsNS4wXV0="  # [[3.0,5.0]]


def test_the_function_answers_out_of_its_layers(this_machine: Project) -> None:
    lines = run_in_layers(this_machine, ITS_HANDLER, **declared_environment(this_machine))
    reply = json.loads(lines[-1])
    assert reply["statusCode"] == 200, reply
    assert json.loads(reply["body"])["outputs"][0]["data"] == [3.0, 5.0]


def declared_environment(project: Project) -> dict[str, str]:
    """The template's own variables, with the models' folder where this machine has it."""
    expanded = project.expand((project.folder / "template.yaml").read_text(), {})
    variables: dict[str, Any] = expanded["Resources"]["PredictFunction"]["Properties"]["Environment"]["Variables"]
    return {name: value for name, value in variables.items() if isinstance(value, str)} | {
        "DESPLIEGUE_MODELS": str(project.built("ModelsLayer") / "models"),
        "POWERTOOLS_SERVICE_NAME": "the-stack",
    }
