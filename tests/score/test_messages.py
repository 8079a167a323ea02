"""Messages of SQS: which are done with, which come again, and what becomes of those that failed too often."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.score.conftest import Aws, Call, Function

KEY = "penguins/birds.csv"

type Load = Callable[[str], dict[str, Any]]


def items(*numbers: int) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": f"m-{number}"} for number in numbers]}


def refuse(status: int, method: str, key: str = KEY, bucket: str = "inbox") -> Callable[[Call], int | None]:
    return lambda call: status if (call.method, call.bucket, call.key) == (method, bucket, key) else None


@pytest.mark.parametrize("name", ["s3-put", "eventbridge"])
def test_an_event_that_is_no_message_is_answered_with_reports(
    aws: Aws, function: Function, birds: bytes, load_score_event: Load, name: str
) -> None:
    aws.put(birds)

    (outcome,) = function.handle(load_score_event(name))["reports"]

    assert outcome == {
        "key": KEY,
        "status": "scored",
        "job": aws.report()["job"],
        "report": f"{KEY}.report.json",
        "error": "",
    }


@pytest.mark.parametrize("name", ["sqs-s3", "sqs-eventbridge"])
def test_a_message_is_scored(aws: Aws, function: Function, birds: bytes, load_score_event: Load, name: str) -> None:
    aws.put(birds)

    assert function.handle(load_score_event(name)) == {"batchItemFailures": []}
    assert aws.report()["status"] == "scored"


def test_an_encoded_key_is_decoded(aws: Aws, function: Function, birds: bytes, load_score_event: Load) -> None:
    key = "penguins/été 2026/birds+more (north).csv"
    aws.put(birds, key)

    function.handle(load_score_event("s3-put-encoded-key"))

    assert aws.report(key)["status"] == "scored"


def test_a_test_event_and_a_folder_marker_are_done_with(aws: Aws, function: Function, load_score_event: Load) -> None:
    aws.put(b"", "penguins/2026/")
    bodies = [load_score_event("s3-test-event"), load_score_event("s3-folder-marker")]

    assert function.handle(aws.message(*bodies)) == items()
    assert aws.results() == {}


def test_in_a_batch_of_ten_only_what_a_retry_may_cure_comes_again(
    aws: Aws, function: Function, birds: bytes, load_score_event: Load
) -> None:
    event = load_score_event("sqs-batch-of-ten")
    for number in range(10):
        aws.put(birds, f"penguins/birds-{number}.csv")
    aws.s3.delete_object(Bucket="inbox", Key="penguins/birds-1.csv")
    aws.server.rules += [
        refuse(403, "HEAD", "penguins/birds-5.csv"),
        refuse(503, "GET", "penguins/birds-8.csv"),
    ]

    failures = function.handle(event)["batchItemFailures"]

    assert [int(item["itemIdentifier"][-2:]) for item in failures] == [3, 5, 8]  # 3 is no event at all
    assert {
        key: aws.report(key)["status"] for number in (0, 1, 2, 4, 6, 9) if (key := f"penguins/birds-{number}.csv")
    } == {
        "penguins/birds-0.csv": "scored",
        "penguins/birds-1.csv": "failed",
        "penguins/birds-2.csv": "scored",
        "penguins/birds-4.csv": "scored",
        "penguins/birds-6.csv": "scored",
        "penguins/birds-9.csv": "scored",
    }
    assert not [key for key in aws.results() if "birds-5" in key or "birds-8" in key]
    aws.server.rules.clear()
    again = {"Records": [record for record in event["Records"] if record["messageId"][-1] in "58"]}
    assert function.handle(again) == {"batchItemFailures": []}


def test_a_batch_of_failures_alone_is_handed_back_message_by_message(aws: Aws, function: Function) -> None:
    assert function.handle(aws.message("no JSON", "[]", '{"Records": [{}]}')) == items(0, 1, 2)


def test_a_message_of_several_objects_comes_again_until_all_are_done(
    aws: Aws, function: Function, birds: bytes
) -> None:
    body = aws.notification("penguins/one.csv")
    body["Records"] += aws.notification("penguins/two.csv")["Records"]
    for key in ("penguins/one.csv", "penguins/two.csv"):
        aws.put(birds, key)
    aws.server.rules.append(refuse(403, "HEAD", "penguins/two.csv"))

    first = function.handle(aws.message(body))
    aws.server.rules.clear()
    second = function.handle(aws.message(body, count=2))

    assert (first, second) == (items(0), items())
    assert (aws.report("penguins/one.csv")["status"], aws.report("penguins/two.csv")["status"]) == ("scored", "scored")


def test_an_event_of_another_bucket_touches_no_result(aws: Aws, function: Function, birds: bytes) -> None:
    function.handle(aws.notification(etag=aws.put(birds)))
    before = aws.results()
    foreign = aws.notification()
    foreign["Records"][0]["s3"]["bucket"]["name"] = "elsewhere"

    assert function.handle(aws.message(foreign)) == items(0)
    assert function.fail(aws.message(foreign)) == items(0)
    assert aws.results() == before


def test_what_is_refused_in_a_raw_event_is_raised(aws: Aws, function: Function, birds: bytes) -> None:
    aws.put(birds)
    aws.server.rules.append(refuse(403, "HEAD"))

    with pytest.raises(Exception, match="403"):
        function.handle(aws.notification())


@pytest.mark.parametrize("key", ["_jobs/", KEY])
def test_what_s3_refuses_to_write_comes_again(aws: Aws, function: Function, birds: bytes, key: str) -> None:
    aws.put(birds)
    aws.server.rules.append(
        lambda call: 403 if call.method == "PUT" and call.bucket == "results" and call.key.startswith(key) else None
    )

    assert function.handle(aws.message(aws.notification())) == items(0)
    aws.server.rules.clear()
    assert function.handle(aws.message(aws.notification(), count=2)) == items()
    assert aws.report()["status"] == "scored"


def test_files_that_the_time_is_too_short_for_are_handed_back_untouched(
    aws: Aws, function: Function, birds: bytes
) -> None:
    keys = [f"penguins/birds-{number}.csv" for number in range(3)]
    for key in keys:
        aws.put(birds, key)
    function.seconds = 59

    assert function.handle(aws.message(*map(aws.notification, keys))) == items(1, 2)
    assert {key for key in aws.results() if key.endswith(".report.json")} == {f"{keys[0]}.report.json"}
    assert aws.uploads() == []


def test_a_file_that_had_the_whole_time_and_is_too_long_gets_a_report(
    aws: Aws, function: Function, many: Callable[[int], bytes]
) -> None:
    aws.put(many(20_000))
    event = aws.message(aws.notification())
    function.seconds = 9

    assert function.handle(event) == items()

    report = aws.report()
    assert (report["status"], report["retry"]) == ("failed", True)
    assert "the file is too long for one call: time was up after" in report["error"]
    assert "despliegue score" in report["error"]
    assert aws.uploads() == []
    function.seconds = 900  # the function was given more time
    function.handle(event)
    assert aws.report()["status"] == "scored"


def test_a_file_that_is_not_the_first_and_is_too_long_is_handed_back(
    aws: Aws, function: Function, birds: bytes, many: Callable[[int], bytes]
) -> None:
    aws.put(birds, "penguins/first.csv")
    aws.put(many(20_000))

    def time_flies(call: Call) -> None:
        if (call.method, call.bucket, call.key) == ("GET", "inbox", KEY):
            function.seconds = 9

    aws.server.rules.append(time_flies)

    assert function.handle(aws.message(aws.notification("penguins/first.csv"), aws.notification())) == items(1)
    assert {key for key in aws.results() if key.startswith(KEY)} == set()
    assert aws.uploads() == []


def test_the_examples_events_are_about_the_example_file(root: Path, load_score_event: Load) -> None:
    body = (root / "examples" / "birds.csv").read_bytes()
    item = load_score_event("s3-put")["Records"][0]["s3"]["object"]
    assert (item["eTag"], item["size"]) == (hashlib.md5(body).hexdigest(), len(body))
