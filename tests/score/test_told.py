"""Who is told of a file: EventBridge, SNS, the metrics, the logs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.score.conftest import Aws, Call, Function

KEY = "penguins/birds.csv"


def items(*numbers: int) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": f"m-{number}"} for number in numbers]}


def refuse(status: int, method: str, key: str = KEY, bucket: str = "inbox") -> Callable[[Call], int | None]:
    return lambda call: status if (call.method, call.bucket, call.key) == (method, bucket, key) else None


@pytest.fixture
def topic(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ARN of the topic that the function tells, with a queue of the same name that hears it."""
    arn = str(aws.sns.create_topic(Name="topic")["TopicArn"])
    aws.queues["topic"] = aws.sqs.create_queue(QueueName="topic")["QueueUrl"]
    aws.sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint="arn:aws:sqs:eu-west-1:123456789012:topic")
    monkeypatch.setenv("DESPLIEGUE_TOPIC_ARN", arn)
    return arn


@pytest.mark.usefixtures("topic")
def test_a_topic_hears_of_each_file_too(
    aws: Aws, start: Callable[[], Function], birds: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESPLIEGUE_EVENT_BUS", "")

    start().handle(aws.notification(etag=aws.put(birds)))

    (message,) = aws.notices("topic")
    told = json.loads(message["Message"])
    assert (told["status"], told["rows"]) == ("scored", {"read": 12, "scored": 11, "rejected": 1})
    assert told["report"] == {"bucket": "results", "key": f"{KEY}.report.json"}
    assert message["MessageAttributes"]["status"]["Value"] == "scored"
    assert aws.notices() == []


@pytest.mark.usefixtures("topic")
def test_what_a_failure_quotes_of_the_file_is_in_the_report_alone(
    aws: Aws, start: Callable[[], Function], capsys: pytest.CaptureFixture[str]
) -> None:
    start().handle(aws.notification(etag=aws.put(b"Ana Torres,41\nLuis Vega,38\n", header="true")))

    (notice,), (message,) = aws.notices(), aws.notices("topic")
    assert "Ana Torres" in aws.report()["error"]
    assert notice["detail"] == json.loads(message["Message"])
    assert (notice["detail"]["code"], notice["detail"]["report"]["key"]) == ("UnscorableFile", f"{KEY}.report.json")
    for told in (json.dumps(notice), json.dumps(message), capsys.readouterr().out):
        assert "Ana Torres" not in told
        assert KEY in told


def test_a_notification_that_failed_is_sent_by_the_retry(aws: Aws, function: Function, birds: bytes) -> None:
    event = aws.notification(etag=aws.put(birds))
    aws.server.rules.append(lambda call: 403 if (call.method, call.bucket) == ("POST", "") else None)

    assert function.handle(aws.message(event)) == items(0)
    aws.server.rules.clear()
    assert function.handle(aws.message(event, count=2)) == items()
    (notice,) = aws.notices()
    assert notice["detail"]["job"] == aws.report()["job"]


def test_a_file_writes_its_metrics_and_its_outcome_and_no_value_of_its_rows(
    aws: Aws, start: Callable[[], Function], birds: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    start().handle(aws.notification(etag=aws.put(birds)))

    written = capsys.readouterr().out
    metrics, log = map(json.loads, written.splitlines())
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["model", "version", "service"]]
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "Rows": "Count",
        "Rejected": "Count",
        "Bytes": "Bytes",
        "Seconds": "Seconds",
        "Failures": "Count",
    }
    assert (metrics["Rows"], metrics["Rejected"], metrics["Failures"]) == ([12.0], [1.0], [0.0])
    assert (metrics["Bytes"], metrics["model"], metrics["version"]) == ([float(len(birds))], "penguins", "1")
    assert (log["message"], log["key"], log["job"]) == ("scored", KEY, aws.report()["job"])
    assert "heavy" not in written


def test_an_unknown_model_is_no_dimension_and_a_failed_try_is_counted(
    aws: Aws, start: Callable[[], Function], birds: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.put(birds, "anything/birds.csv")
    aws.server.rules.append(refuse(403, "HEAD"))

    start().handle(aws.message(aws.notification("anything/birds.csv"), aws.notification()))

    failed, _, error, tried = map(json.loads, capsys.readouterr().out.splitlines())
    assert failed["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert (failed["Failures"], tried["Failures"]) == ([1.0], [1.0])
    assert (error["level"], error["key"], error["code"], error["operation"]) == ("ERROR", KEY, "403", "HeadObject")
