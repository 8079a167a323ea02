"""The inbox's queues, as the store makes them and the poller reads them."""

from typing import Final

from despliegue_cli.inbox import REGION

ACCOUNT: Final = "123456789012"
"""moto's."""
SCORE: Final = "ScoreQueue"
FAILED: Final = "ScoreFailedQueue"
DEAD_LETTER: Final = "ScoreDeadLetterQueue"
NOTICE: Final = "NoticeQueue"
"""Where EventBridge puts what the function says of each file: only here, for the poller to print."""


def arn(queue: str) -> str:
    """A queue's ARN."""
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"


def url(endpoint: str, queue: str) -> str:
    """Where a queue is."""
    return f"{endpoint}/{ACCOUNT}/{queue}"
