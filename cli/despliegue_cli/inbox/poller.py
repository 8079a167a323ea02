"""The inbox's poller: what Lambda's event source mapping does, then the function's own code.

A process of its own, `python -m despliegue_cli.inbox.poller PARENT`, with the environment that the function has in the
cloud.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, Final
from urllib.parse import quote, urlsplit

import boto3
import msgspec

from despliegue.aws.score import ScoreFunction
from despliegue.aws.score_events import read_created
from despliegue.aws.settings import ScoreSettings
from despliegue.models import ModelRepository
from despliegue_cli.inbox import REGION, RESULTS, answers, end_with_parent, queues

BATCH_SIZE: Final = 1
"""Messages in an event, as the template has it."""
FUNCTION_SECONDS: Final = 900.0
"""What a call may take, as in the template."""
WAIT_SECONDS: Final = 1
"""How long the queue is asked to wait for a message before the others have their turn."""

_log = logging.getLogger(__name__)

type Handler = Callable[[Mapping[str, Any], Any], dict[str, Any]]


class Context(msgspec.Struct):
    """As much of Lambda's context as the function may ask for.

    Attributes:
        deadline: `time.monotonic()` when the call must be over, in seconds.
    """

    deadline: float

    def get_remaining_time_in_millis(self) -> int:
        """The time left, in ms."""
        return max(0, int((self.deadline - time.monotonic()) * 1000))


class Poller:
    """Receives messages and hands them on, one batch after another.

    Args:
        settings: the function's.
    """

    def __init__(self, settings: ScoreSettings) -> None:
        self._settings = settings
        self._s3 = boto3.client("s3", endpoint_url=settings.endpoint)
        self._sqs = boto3.client("sqs", endpoint_url=settings.endpoint)
        self._repository = ModelRepository(settings.models)
        self._function = ScoreFunction.start(settings, self._repository)

    def poll(self) -> None:
        """Receive once from each queue, and work off what came."""
        self._repository.refresh()
        done = self._deliver(queues.SCORE, self._function.handle, WAIT_SECONDS)
        self._deliver(queues.FAILED, self._function.fail, 0)
        self._tell(done)

    def _tell(self, done: Sequence[Mapping[str, Any]]) -> None:
        """One line on each file: its notice or, as the same file again makes none, that there was nothing to do."""
        told = set()
        for message in self._receive(queues.NOTICE, 10, 0):
            self._delete(queues.NOTICE, message)
            detail = json.loads(message["Body"])["detail"]
            told.add(detail["input"]["key"])
            # The notice leaves out the words of an error.
            report = self._s3.get_object(Bucket=RESULTS, Key=detail["report"]["key"])["Body"].read()
            print(notice(detail, json.loads(report)["error"], self._settings.endpoint), flush=True)
        for created in chain.from_iterable(read_created(json.loads(message["Body"])) for message in done):
            if created.key not in told and not created.is_folder_marker:
                print(f"{created.key}: nothing new", flush=True)

    def _deliver(self, queue: str, handler: Handler, wait: int) -> Sequence[Mapping[str, Any]]:
        """Hand on one batch; the messages that are done, which leave the queue."""
        messages = self._receive(queue, BATCH_SIZE, wait)
        if not messages:
            return []
        try:
            reply = handler(sqs_event(queue, messages), Context(time.monotonic() + FUNCTION_SECONDS))
        except Exception:  # as in Lambda: all of the batch comes again
            _log.exception("the function failed")
            return []
        failed = {failure["itemIdentifier"] for failure in reply["batchItemFailures"]}
        done = [message for message in messages if message["MessageId"] not in failed]
        for message in done:
            self._delete(queue, message)
        return done

    def _receive(self, queue: str, most: int, wait: int) -> Sequence[Mapping[str, Any]]:
        reply = self._sqs.receive_message(
            QueueUrl=queues.url(self._settings.endpoint, queue),
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["All"],
        )
        return reply.get("Messages", [])

    def _delete(self, queue: str, message: Mapping[str, Any]) -> None:
        self._sqs.delete_message(
            QueueUrl=queues.url(self._settings.endpoint, queue), ReceiptHandle=message["ReceiptHandle"]
        )


def sqs_event(queue: str, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The event that Lambda makes of messages (Lambda developer guide, "Using Lambda with Amazon SQS")."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {},
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": queues.arn(queue),
                "awsRegion": REGION,
            }
            for message in messages
        ]
    }


def notice(detail: Mapping[str, Any], error: str, url: str) -> str:
    """One line on a finished file.

    Args:
        detail: of the event that the function sends when a report is committed.
        error: what the report says went wrong.
        url: of the inbox.
    """
    key, rows = detail["input"]["key"], detail["rows"]
    if detail["status"] == "scored":
        said = f"{rows['scored']:,} of {rows['read']:,} rows scored, {rows['rejected']:,} rejected"
        shown = detail["outputs"]["scored"]["key"]
    else:
        said, shown = f"failed: {error}", detail["report"]["key"]
    return f"{key}: {said}: {url}/{RESULTS}/{quote(shown)}"


def main() -> None:
    """Poll until told to end; whatever happens is written down, and the next message has its turn."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    settings = ScoreSettings.read(os.environ)
    poller = Poller(settings)
    asyncio.run(answers(urlsplit(settings.endpoint).port or 0))
    while True:
        try:
            poller.poll()
        except Exception:
            _log.exception("the inbox cannot be read")
            time.sleep(WAIT_SECONDS)


if __name__ == "__main__":
    end_with_parent()
    main()
