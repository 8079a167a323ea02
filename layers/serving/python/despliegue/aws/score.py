"""ScoreFunction without its handlers: made once at init, then events of files in, and what could not be done out."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Self

import msgspec
import orjson
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from despliegue.aws.clients import Clients
from despliegue.aws.file_scorer import FileScorer, Outcome
from despliegue.aws.notifications import Notifications
from despliegue.aws.score_events import CreatedObject, UnknownEvent, read_created
from despliegue.aws.score_log import ScoreLog
from despliegue.aws.scoring_job import Models
from despliegue.aws.settings import ScoreSettings
from despliegue.aws.time_left import HandedBack, TimeLeft
from despliegue.models import ModelRepository, SessionSettings


class ScoreFunction:
    """Scores the files that events tell of.

    Args:
        scorer: scores one.
        log: what is written down.
        inbox: the only bucket whose files are scored; empty for any.
    """

    def __init__(self, scorer: FileScorer, log: ScoreLog, inbox: str) -> None:
        self._scorer = scorer
        self._log = log
        self._inbox = inbox

    @classmethod
    def start(cls, settings: ScoreSettings, repository: ModelRepository | None = None) -> Self:
        """Make the AWS clients and open the repository, if none is given; a model is loaded with its first file."""
        clients, log = Clients(settings.endpoint), ScoreLog()
        models = Models(repository or ModelRepository(settings.models, SessionSettings(threads=settings.threads)))
        notifications = Notifications(clients, settings.results, settings.event_bus, settings.topic_arn)
        return cls(FileScorer(clients.s3, settings.results, models, notifications, log), log, settings.inbox)

    def handle(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Score the files of one event.

        Args:
            event: messages of SQS, or what they hold: a notification of S3, or its event on EventBridge.
            context: Lambda's.

        Returns:
            For SQS, the messages that must come again, as `batchItemFailures`; else an outcome a file, as `reports`.

        Raises:
            Exception: without SQS, what a retry may cure.
        """
        left = TimeLeft(context)
        if _is_sqs(event):
            return _each(event, partial(self._score_message, left))
        return {"reports": [msgspec.to_builtins(outcome) for outcome in self._score_all(event, left, retried=False)]}

    def fail(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Give up the files of messages that failed as often as their queue allows.

        Returns:
            All messages, as `batchItemFailures`: so SQS itself moves them to where a person can send them again from.
        """

        def give_up(record: SQSRecord) -> None:
            for created in self._read(_body(record)):
                try:
                    self._scorer.give_up(created)
                except Exception as error:  # the message comes again, and another file must have its turn
                    self._log.failure(created, error)
            raise HandedBack

        return _each(event, give_up)

    def _score_message(self, left: TimeLeft, record: SQSRecord) -> None:
        retried = int(record.attributes.approximate_receive_count or 1) > 1
        self._score_all(_body(record), left, retried=retried)

    def _score_all(self, body: Any, left: TimeLeft, *, retried: bool) -> list[Outcome]:
        return [self._score(created, left, retried) for created in self._read(body)]

    def _score(self, created: CreatedObject, left: TimeLeft, retried: bool) -> Outcome:
        if created.is_folder_marker:
            self._log.outcome(created, "folder marker", "")
            return Outcome(created.key, "folder marker")
        try:
            return self._scorer.score(created, left, retried=retried)
        except HandedBack:
            self._log.outcome(created, "handed back", "")
            raise
        except Exception as error:
            self._log.failure(created, error)
            raise

    def _read(self, body: Any) -> list[CreatedObject]:
        try:
            if not isinstance(body, Mapping):
                raise UnknownEvent("not a JSON object")
            found = read_created(body)
            if self._inbox and any(created.bucket != self._inbox for created in found):
                # Any bucket of the account may send to the queue; the results of its keys would replace the inbox's.
                raise UnknownEvent("an event of another bucket than the inbox")
        except UnknownEvent as error:
            self._log.failure(None, error)
            raise
        if not found:
            self._log.logger.info("no object in it, as in s3:TestEvent")
        return found


def _is_sqs(event: Mapping[str, Any]) -> bool:
    return any(record.get("eventSource") == "aws:sqs" for record in event.get("Records") or ())


def _body(record: SQSRecord) -> Any:
    try:
        return orjson.loads(record.body)
    except orjson.JSONDecodeError:
        return None


def _each(event: Mapping[str, Any], handle: Any) -> dict[str, Any]:
    # Where every message fails, SQS must still learn which: an error of the function as a whole hides that.
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    with processor(list(event["Records"]), lambda record: handle(record)):
        processor.process()
    response: dict[str, Any] = dict(processor.response())
    return response
