"""Messages that failed as often as their queue allows: a report, no open upload, and on to the dead letters."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from despliegue.aws.copies import Copies
from despliegue.aws.report import ResultKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.score.conftest import Aws, Call, Function

type Load = Callable[[str], dict[str, Any]]

KEY = "penguins/birds.csv"


def items(*numbers: int) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": f"m-{number}"} for number in numbers]}


def refuse(status: int, method: str, key: str = KEY, bucket: str = "inbox") -> Callable[[Call], int | None]:
    return lambda call: status if (call.method, call.bucket, call.key) == (method, bucket, key) else None


def test_a_file_that_was_given_up_gets_a_report_and_leaves_no_upload(
    aws: Aws, function: Function, birds: bytes
) -> None:
    event = aws.message(aws.notification(etag=aws.put(birds)), count=4)
    # a try that died: its job is known by the failed report that it would have written
    function.fail(event)
    job = aws.report()["job"]
    aws.clear_results()
    aws.notices()
    for name in ("scored.csv", "rejects.jsonl"):
        aws.s3.create_multipart_upload(Bucket="results", Key=f"_jobs/{job}/{name}")
    aws.s3.create_multipart_upload(Bucket="results", Key=f"{KEY}.scored.csv")
    aws.s3.put_object(Bucket="results", Key=f"{KEY}.scored.csv", Body=b"of an earlier object")

    assert function.fail(event) == items(0), "SQS itself moves it on when it has come back often enough"

    report = aws.report()
    assert (report["status"], report["retry"], report["job"]) == ("failed", True, job)
    assert "gave up" in report["error"]
    assert aws.uploads() == []
    assert list(aws.results()) == [f"{KEY}.report.json"]
    (notice,) = aws.notices()
    assert notice["detail-type"] == "File failed"
    # it comes again, twice, and nothing more happens
    assert function.fail(event) == items(0)
    assert (aws.report(), aws.notices()) == (report, [])
    # a person sends it to the first queue again
    assert function.handle(aws.message(aws.notification(), count=7)) == items()
    assert aws.report()["status"] == "scored"


def refuse_the_bus(call: Call) -> int | None:
    return 403 if (call.method, call.bucket) == ("POST", "") else None


def test_what_the_last_try_scored_but_could_not_tell_is_told_once(aws: Aws, function: Function, birds: bytes) -> None:
    event = aws.message(aws.notification(etag=aws.put(birds)), count=3)
    aws.server.rules.append(refuse_the_bus)
    assert function.handle(event) == items(0)
    aws.server.rules.clear()

    for _ in range(3):
        assert function.fail(event) == items(0)

    (notice,) = aws.notices()
    assert (notice["detail-type"], notice["detail"]["job"]) == ("File scored", aws.report()["job"])


def test_a_file_that_was_given_up_is_told_of_as_soon_as_that_succeeds(
    aws: Aws, function: Function, birds: bytes
) -> None:
    event = aws.message(aws.notification(etag=aws.put(birds)))
    aws.server.rules.append(refuse_the_bus)
    assert function.fail(event) == items(0)
    report = aws.result("report.json")
    aws.server.rules.clear()

    for _ in range(2):
        assert function.fail(event) == items(0)

    (notice,) = aws.notices()
    assert (notice["detail-type"], notice["detail"]["code"]) == ("File failed", "GivenUp")
    assert aws.result("report.json") == report


def test_an_upload_that_died_with_another_job_is_aborted(aws: Aws, function: Function, birds: bytes) -> None:
    aws.s3.create_multipart_upload(Bucket="results", Key="_jobs/another/scored.csv")

    function.handle(aws.notification(etag=aws.put(birds)))

    assert aws.uploads() == []


@pytest.mark.parametrize(("minutes", "left"), [(15, ["_jobs/another/scored.csv"]), (21, [])])
def test_an_upload_of_another_job_stays_while_somebody_may_be_writing_it(
    aws: Aws, minutes: int, left: list[str]
) -> None:
    aws.s3.create_multipart_upload(Bucket="results", Key="_jobs/another/scored.csv")
    aws.s3.create_multipart_upload(Bucket="results", Key="_jobs/ours/scored.csv")
    begun = aws.s3.list_multipart_uploads(Bucket="results")["Uploads"][0]["Initiated"]

    Copies(aws.s3, "results", lambda: begun + timedelta(minutes=minutes)).abort_uploads(ResultKeys(KEY, "ours"))

    assert aws.uploads() == left


@pytest.mark.parametrize("sequencer", ["01", "03"])
def test_what_was_scored_after_all_is_not_given_up(aws: Aws, function: Function, birds: bytes, sequencer: str) -> None:
    function.handle(aws.notification(etag=aws.put(birds), sequencer=sequencer))
    before = aws.results().keys()

    assert function.fail(aws.message(aws.notification(etag=aws.put(birds), sequencer="02"))) == items(0)
    assert aws.results().keys() == before
    assert (aws.report()["status"], aws.report()["input"]["sequencer"]) == ("scored", max(sequencer, "02"))


def test_a_newer_objects_result_is_not_given_up(aws: Aws, function: Function, birds: bytes) -> None:
    old = aws.message(aws.notification(etag=aws.put(birds), sequencer="01"))
    function.handle(aws.notification(etag=aws.put(birds[:-1]), sequencer="02"))
    before = aws.results()

    assert function.fail(old) == items(0)
    assert aws.results() == before


def test_what_cannot_even_be_looked_at_is_given_up_with_a_report(aws: Aws, function: Function, birds: bytes) -> None:
    event = aws.message(aws.notification(etag=aws.put(birds)))
    aws.server.rules.append(refuse(403, "HEAD"))

    assert function.handle(event) == items(0)
    assert function.fail(event) == items(0)
    assert "gave up" in aws.report()["error"]
    assert "403" in aws.report()["error"]


def test_giving_up_goes_on_with_the_next_message_where_s3_refuses_one(
    aws: Aws, function: Function, birds: bytes
) -> None:
    aws.put(birds, "penguins/one.csv")
    aws.put(birds, "penguins/two.csv")
    aws.server.rules.append(refuse(403, "PUT", "penguins/one.csv.report.json", "results"))
    bodies = [aws.notification("penguins/one.csv"), "no event", aws.notification("penguins/two.csv")]

    assert function.fail(aws.message(*bodies)) == items(0, 1, 2)
    assert list(aws.results()) == ["penguins/two.csv.report.json"]


def test_the_dead_letters_of_a_queue_are_understood(
    aws: Aws, function: Function, birds: bytes, load_score_event: Load
) -> None:
    aws.put(birds)

    reply = function.fail(load_score_event("sqs-dead-letter"))

    assert reply == {"batchItemFailures": [{"itemIdentifier": "00000000-0000-4000-8000-000000000001"}]}
    assert aws.report()["status"] == "failed"
