"""Telling others what became of a file: an event on EventBridge, a message on SNS."""

from typing import Final

import msgspec
import orjson

from despliegue.aws.clients import Clients
from despliegue.aws.report import Report

_DETAIL_TYPES: Final = {"scored": "File scored", "failed": "File failed"}


class NotNotified(Exception):
    """EventBridge took the call but not the event."""


class Notifications:
    """What is told, and where.

    Args:
        clients: the AWS clients.
        results: name of the results bucket.
        event_bus: name or ARN; empty for no event.
        topic_arn: empty for no message.
    """

    def __init__(self, clients: Clients, results: str, event_bus: str, topic_arn: str) -> None:
        self._clients = clients
        self._results = results
        self._event_bus = event_bus
        self._topic_arn = topic_arn

    def send(self, report: Report, key: str) -> None:
        """Tell of a report that was committed under `key`. Whoever listens may hear of the same job twice.

        Raises:
            NotNotified, ClientError: nothing or not everything was sent.
        """
        detail = orjson.dumps(self._detail(report, key)).decode()
        kind = _DETAIL_TYPES[report.status]
        if self._event_bus:
            entry = {"Source": "despliegue", "DetailType": kind, "Detail": detail, "EventBusName": self._event_bus}
            reply = self._clients.events.put_events(Entries=[entry])
            if reply["FailedEntryCount"]:
                raise NotNotified(f"EventBridge: {reply['Entries'][0].get('ErrorCode')}")
        if self._topic_arn:
            status = {"status": {"DataType": "String", "StringValue": report.status}}
            self._clients.sns.publish(
                TopicArn=self._topic_arn, Subject=f"Despliegue: {kind}", Message=detail, MessageAttributes=status
            )

    def _detail(self, report: Report, key: str) -> dict[str, object]:
        # Not `error`, which may quote the file: its words are for whoever may read the report.
        main = {
            name: msgspec.to_builtins(getattr(report, name))
            for name in ("status", "code", "retry", "job", "model", "input", "rows", "outputs")
        }
        return main | {"report": {"bucket": self._results, "key": key}}
