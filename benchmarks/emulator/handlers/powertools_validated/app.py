"""Powertools as in `powertools`, with its data validation: pydantic checks the request and the reply."""

import os
from typing import Any

import numpy as np
import onnxruntime
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

app = APIGatewayRestResolver(enable_validation=True)
logger = Logger()
metrics = Metrics()

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])


class Rows(BaseModel):
    """The request."""

    instances: list[list[float]]


class Predictions(BaseModel):
    """The reply."""

    label: list[int] | list[str]
    probabilities: list[list[float]]


@app.post("/predict")
def predict(rows: Rows) -> Predictions:
    """The predictions."""
    label, probabilities = session.run(None, {"input": np.array(rows.instances, dtype=np.float32)})
    metrics.add_metric(name="Rows", unit=MetricUnit.Count, value=len(rows.instances))
    return Predictions(label=label.tolist(), probabilities=probabilities.tolist())


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The reply."""
    return app.resolve(event, context)
