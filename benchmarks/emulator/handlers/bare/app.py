"""The naive handler without boto3: the least that is written by hand."""

import base64
import json
import os
from typing import Any

import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The predictions."""
    body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"]
    rows = np.array(json.loads(body)["instances"], dtype=np.float32)
    label, probabilities = session.run(None, {"input": rows})
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"label": label.tolist(), "probabilities": probabilities.tolist()}),
    }
