"""Two at the same time, and answers that get lost: one result, of the newest object."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.score.conftest import Aws, Call, Function

KEY = "penguins/birds.csv"
REPORT, SCORED = f"{KEY}.report.json", f"{KEY}.scored.csv"


def statuses(function: Function, event: dict[str, Any]) -> list[str]:
    return [outcome["status"] for outcome in function.handle(event)["reports"]]


def rows_scored(aws: Aws) -> int:
    return len(aws.result("scored.csv").splitlines()) - 1


def at_the_commit(aws: Aws, act: Callable[[], object]) -> None:
    """Have something happen just before the first report is put."""
    done: list[bool] = []

    def rule(call: Call) -> None:
        if (call.method, call.key) == ("PUT", REPORT) and not done:
            done.append(True)
            act()

    aws.server.rules.append(rule)


def test_two_workers_on_one_object_make_one_result(aws: Aws, start: Callable[[], Function], birds: bytes) -> None:
    event = aws.message(aws.notification(etag=aws.put(birds)))
    one, other = start(), start()
    at_the_commit(aws, lambda: other.handle(event))

    assert one.handle(event) == {"batchItemFailures": []}

    assert (aws.report()["status"], rows_scored(aws)) == ("scored", 11)
    (notice,) = aws.notices()
    assert notice["detail"]["job"] == aws.report()["job"]


def test_a_newer_objects_result_stands_though_it_is_committed_first(
    aws: Aws, start: Callable[[], Function], birds: bytes, fewer: bytes
) -> None:
    one, other = start(), start()
    old = aws.notification(etag=aws.put(birds), sequencer="01")
    at_the_commit(aws, lambda: other.handle(aws.notification(etag=aws.put(fewer), sequencer="02")))

    assert statuses(one, old) == ["superseded"]
    assert (rows_scored(aws), aws.report()["input"]["sequencer"]) == (2, "02")


def test_an_older_objects_late_copy_is_repaired_by_whoever_made_it(
    aws: Aws, start: Callable[[], Function], birds: bytes, fewer: bytes
) -> None:
    one, other = start(), start()
    old = aws.notification(etag=aws.put(birds), sequencer="01")
    done: list[bool] = []

    def overtake_between_commit_and_copy(call: Call) -> None:
        if (call.method, call.key) == ("PUT", SCORED) and not done:
            done.append(True)
            other.handle(aws.notification(etag=aws.put(fewer), sequencer="02"))

    aws.server.rules.append(overtake_between_commit_and_copy)

    one.handle(old)

    assert aws.report()["input"]["sequencer"] == "02"
    assert {SCORED: aws.report()["outputs"]["scored"]["etag"]}.items() <= aws.results().items()
    assert rows_scored(aws) == 2


def test_a_job_in_between_gives_way_to_the_one_before_it_that_counts_again(
    aws: Aws, start: Callable[[], Function], birds: bytes, fewer: bytes
) -> None:
    one, other = start(), start()
    first = aws.put(birds)
    one.handle(aws.notification(etag=first, sequencer="01"))
    between = aws.notification(etag=aws.put(fewer), sequencer="02")

    def upload_the_first_again() -> None:
        aws.put(birds)
        assert statuses(other, aws.notification(etag=first, sequencer="03")) == ["duplicate"]

    at_the_commit(aws, upload_the_first_again)

    assert statuses(one, between) == ["superseded"]
    assert (aws.report()["input"]["etag"], aws.report()["input"]["sequencer"]) == (first, "03")
    assert rows_scored(aws) == 11


def test_a_job_that_counts_again_replaces_the_one_in_between_that_was_quicker(
    aws: Aws, function: Function, birds: bytes, fewer: bytes
) -> None:
    function.handle(aws.notification(etag=aws.put(fewer), sequencer="02"))
    between = aws.result("report.json")
    aws.clear_results()
    first = aws.put(birds)
    function.handle(aws.notification(etag=first, sequencer="01"))
    at_the_commit(aws, lambda: aws.s3.put_object(Bucket="results", Key=REPORT, Body=between))

    assert statuses(function, aws.notification(etag=first, sequencer="03")) == ["duplicate"]
    assert (aws.report()["input"]["etag"], aws.report()["input"]["sequencer"]) == (first, "03")
    assert rows_scored(aws) == 11


def test_of_two_events_on_the_same_job_the_newer_stays_in_the_report(
    aws: Aws, start: Callable[[], Function], birds: bytes
) -> None:
    one, other = start(), start()
    etag = aws.put(birds)
    at_the_commit(aws, lambda: other.handle(aws.notification(etag=etag, sequencer="01")))

    one.handle(aws.notification(etag=etag, sequencer="03"))

    assert aws.report()["input"]["sequencer"] == "03"


def test_a_commit_whose_answer_was_lost_still_counts_as_ones_own(aws: Aws, function: Function, birds: bytes) -> None:
    puts = []

    def lose_the_first(call: Call) -> bool:
        if (call.method, call.key) != ("PUT", REPORT):
            return False
        puts.append(call)
        return len(puts) == 1

    aws.server.losses.append(lose_the_first)

    assert statuses(function, aws.notification(etag=aws.put(birds))) == ["scored"]
    assert len(puts) == 2
    assert len(aws.notices()) == 1


def test_workers_that_run_at_the_same_time_end_with_one_result_and_no_upload(
    aws: Aws, start: Callable[[], Function], several_parts: bytes
) -> None:
    event = aws.message(aws.notification(etag=aws.put(several_parts)))
    workers = [start() for _ in range(3)]
    replies: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda each=each: replies.append(each.handle(event))) for each in workers]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert replies == [{"batchItemFailures": []}] * 3
    report = aws.report()
    assert report["rows"] == {"read": 20_000, "scored": 19_998, "rejected": 2}
    assert aws.results()[SCORED] == report["outputs"]["scored"]["etag"]
    assert rows_scored(aws) == 19_998
    assert len(json.loads(aws.result("rejects.jsonl").splitlines()[0])) == 4
    # who came last cleared away what the others had open; what one opens later than that, it closes itself
    assert aws.uploads() == []
