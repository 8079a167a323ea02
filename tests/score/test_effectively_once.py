"""Whatever comes twice, late, out of order or at the same time: one result, of the newest object."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.score.conftest import Aws, Call, Function

KEY = "penguins/birds.csv"
REPORT, REJECTS, SCORED = f"{KEY}.report.json", f"{KEY}.rejects.jsonl", f"{KEY}.scored.csv"


def statuses(function: Function, event: dict[str, Any]) -> list[str]:
    return [outcome["status"] for outcome in function.handle(event)["reports"]]


def rows_scored(aws: Aws) -> int:
    return len(aws.result("scored.csv").splitlines()) - 1


def test_a_duplicate_changes_nothing(aws: Aws, function: Function, birds: bytes) -> None:
    event = aws.notification(etag=aws.put(birds))
    first = statuses(function, event)
    before = aws.results()
    aws.server.calls.clear()

    second = statuses(function, event)

    assert (first, second) == (["scored"], ["duplicate"])
    assert aws.results() == before
    assert not [call for call in aws.server.calls if call.method == "PUT"]


def test_a_duplicate_is_told_of_only_where_it_is_a_retry(aws: Aws, function: Function, birds: bytes) -> None:
    event = aws.notification(etag=aws.put(birds))
    function.handle(aws.message(event))
    (first,) = aws.notices()

    function.handle(aws.message(event, count=1))
    duplicate = aws.notices()
    function.handle(aws.message(event, count=2))
    (retry,) = aws.notices()

    assert duplicate == []
    assert retry["detail"] == first["detail"]
    assert first["detail-type"] == "File scored"


def test_the_model_and_the_options_make_another_job(aws: Aws, function: Function, birds: bytes) -> None:
    function.handle(aws.notification(etag=aws.put(birds)))
    joined = aws.report()

    function.handle(aws.notification(etag=aws.put(birds, join="false")))

    assert aws.report()["input"]["etag"] == joined["input"]["etag"]
    assert aws.report()["job"] != joined["job"]
    assert aws.result("scored.csv").startswith(b"label,")


@pytest.mark.parametrize(("late", "newer"), [("0A", "0A00B1"), ("00FF", "0100"), ("00ab", "00AC")])
def test_an_older_event_never_replaces_a_newer_ones_result(
    aws: Aws, function: Function, birds: bytes, fewer: bytes, late: str, newer: str
) -> None:
    old = aws.notification(etag=aws.put(fewer), sequencer=late)
    function.handle(aws.notification(etag=aws.put(birds), sequencer=newer))
    before = aws.results()
    # S3 has the old content again, so that only the sequencer can tell
    aws.put(fewer)

    assert statuses(function, old) == ["superseded"]
    assert aws.results() == before


def test_an_object_that_was_overwritten_is_left_to_the_event_of_the_newer(
    aws: Aws, function: Function, birds: bytes, fewer: bytes
) -> None:
    old = aws.notification(etag=aws.put(birds))
    new = aws.notification(etag=aws.put(fewer))

    assert statuses(function, old) == ["superseded"]
    assert aws.results() == {}
    assert aws.notices() == []
    assert statuses(function, new) == ["scored"]
    assert rows_scored(aws) == 2


def test_an_object_that_is_overwritten_while_it_is_read_is_left_to_the_newer(
    aws: Aws, function: Function, fewer: bytes, several_parts: bytes
) -> None:
    event = aws.notification(etag=aws.put(several_parts))
    ranges = 0

    def overwrite_before_the_third_range(call: Call) -> None:
        nonlocal ranges
        if (call.method, call.bucket) == ("GET", "inbox"):
            ranges += 1
            if ranges == 3:
                aws.put(fewer)

    aws.server.rules.append(overwrite_before_the_third_range)

    assert statuses(function, event) == ["superseded"]
    assert ranges == 3
    assert aws.results() == {}
    assert aws.uploads() == []
    assert statuses(function, aws.notification()) == ["scored"]
    assert rows_scored(aws) == 2


def test_an_object_deleted_before_it_was_read_gets_a_report_that_says_so(
    aws: Aws, function: Function, birds: bytes
) -> None:
    event = aws.notification(etag=aws.put(birds))
    aws.s3.delete_object(Bucket="inbox", Key=KEY)

    assert statuses(function, event) == ["failed"]
    assert aws.report()["error"] == "the object was deleted before it could be scored"
    # the same bytes once more are the same job, and it can be done now
    assert statuses(function, aws.notification(etag=aws.put(birds))) == ["scored"]


def test_an_object_deleted_while_it_is_read_gets_a_report_that_says_so(
    aws: Aws, function: Function, birds: bytes
) -> None:
    def delete_before_the_first_range(call: Call) -> None:
        if (call.method, call.bucket) == ("GET", "inbox"):
            aws.s3.delete_object(Bucket="inbox", Key=KEY)

    event = aws.notification(etag=aws.put(birds))
    aws.server.rules.append(delete_before_the_first_range)

    assert statuses(function, event) == ["failed"]
    assert aws.report()["error"] == "the object was deleted before it could be scored"


def test_what_was_scored_stays_scored_when_its_input_is_deleted(aws: Aws, function: Function, birds: bytes) -> None:
    event = aws.notification(etag=aws.put(birds, join="false"))
    function.handle(event)
    before = aws.results()
    aws.s3.delete_object(Bucket="inbox", Key=KEY)

    assert statuses(function, event) == ["duplicate"]
    assert aws.results() == before


def test_what_failed_for_good_stays_so_when_its_input_is_deleted(aws: Aws, function: Function) -> None:
    event = aws.notification(etag=aws.put(b"\0", join="false"))
    function.handle(event)
    before = aws.results()
    aws.s3.delete_object(Bucket="inbox", Key=KEY)

    assert statuses(function, event) == ["duplicate"]
    assert aws.results() == before


@pytest.mark.parametrize("damage", ["deleted", "cut short"])
@pytest.mark.parametrize("large", [False, True])
def test_a_duplicate_mends_a_copy(
    aws: Aws, function: Function, birds: bytes, several_parts: bytes, damage: str, large: bool
) -> None:
    event = aws.notification(etag=aws.put(several_parts if large else birds))
    function.handle(event)
    before = aws.results()
    for key in (SCORED, REJECTS):
        if damage == "deleted":
            aws.s3.delete_object(Bucket="results", Key=key)
        else:
            aws.s3.put_object(Bucket="results", Key=key, Body=b"island,bill")
    aws.s3.create_multipart_upload(Bucket="results", Key=SCORED)

    assert statuses(function, event) == ["duplicate"]
    assert aws.results() == before
    assert aws.uploads() == []


def test_what_is_gone_with_its_original_is_scored_again(aws: Aws, function: Function, birds: bytes) -> None:
    event = aws.notification(etag=aws.put(birds))
    function.handle(event)
    before, report = aws.results(), aws.report()
    aws.s3.delete_object(Bucket="results", Key=SCORED)
    aws.s3.delete_object(Bucket="results", Key=report["outputs"]["scored"]["job_key"])

    assert statuses(function, event) == ["scored"]
    assert aws.results()[SCORED] == before[SCORED]
    assert {**aws.report(), "timings": None} == {**report, "timings": None}


def test_a_report_of_failure_removes_the_scored_file_of_what_the_key_held_before(
    aws: Aws, function: Function, birds: bytes
) -> None:
    function.handle(aws.notification(etag=aws.put(birds)))

    assert statuses(function, aws.notification(etag=aws.put(b"\0"))) == ["failed"]
    assert list(aws.results()) == [REPORT]


def test_a_result_of_another_format_does_not_stay_beside_the_new_one(
    aws: Aws, function: Function, birds: bytes
) -> None:
    function.handle(aws.notification(etag=aws.put(birds)))
    function.handle(aws.notification(etag=aws.put(gzip.compress(birds))))

    assert sorted(aws.results()) == [REJECTS, REPORT, f"{SCORED}.gz"]


def test_what_another_wrote_under_the_reports_name_is_replaced(aws: Aws, function: Function, birds: bytes) -> None:
    aws.s3.put_object(Bucket="results", Key=REPORT, Body=b"not a report")

    assert statuses(function, aws.notification(etag=aws.put(birds))) == ["scored"]
    assert aws.report()["status"] == "scored"
