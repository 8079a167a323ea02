"""PredictFunction: an API Gateway event in, an API Gateway reply out."""

import gc

gc.disable()  # what is made here stays: looking for garbage in it would take a twentieth of the cold start

import os
from typing import Any

from despliegue.aws.predict import PredictFunction
from despliegue.aws.settings import Settings

function = PredictFunction.start(Settings.read(os.environ))

gc.freeze()
gc.enable()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request; `context` is Lambda's."""
    return function.reply(event, context.aws_request_id)
