"""Powertools' resolver, Logger and Metrics, put together as its documentation has it, without its Tracer.

A metrics line for each request and a log line for none that succeeds, as ours.
"""

import os
from typing import Any

import numpy as np
import onnxruntime
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

app = APIGatewayRestResolver()
logger = Logger()
metrics = Metrics()

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])


@app.post("/predict")
def predict() -> dict[str, Any]:
    """The predictions."""
    rows = np.array(app.current_event.json_body["instances"], dtype=np.float32)
    label, probabilities = session.run(None, {"input": rows})
    metrics.add_metric(name="Rows", unit=MetricUnit.Count, value=len(rows))
    return {"label": label.tolist(), "probabilities": probabilities.tolist()}


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The reply."""
    return app.resolve(event, context)
