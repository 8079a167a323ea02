"""The empty handler with the two imports that none can do without: the limit of a cold start."""

from typing import Any

import numpy  # noqa: F401
import onnxruntime  # noqa: F401


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A reply without a prediction."""
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": "{}"}
