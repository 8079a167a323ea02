"""ScoreFunction and ScoreFailedFunction: messages of files in, the messages that must come again out."""

import os
from typing import Any

from despliegue.aws.score import ScoreFunction
from despliegue.aws.settings import ScoreSettings

function = ScoreFunction.start(ScoreSettings.read(os.environ))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Score the files that `event` tells of; `context` is Lambda's."""
    return function.handle(event, context)


def failed(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Give up the files whose messages failed as often as their queue allows; `context` is Lambda's."""
    return function.fail(event, context)
