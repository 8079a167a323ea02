"""What S3, EventBridge and SQS say of an object that came."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from despliegue.aws.score_events import CreatedObject, UnknownEvent, is_newer, read_created

type Load = Callable[[str], dict[str, Any]]


@pytest.fixture
def load(root: Path) -> Load:
    def read(name: str) -> dict[str, Any]:
        event: dict[str, Any] = json.loads((root / "events" / "score" / f"{name}.json").read_bytes())
        return event

    return read


@pytest.mark.parametrize("name", ["s3-put", "eventbridge"])
def test_the_object_of_an_event(load: Load, name: str) -> None:
    (created,) = read_created(load(name))

    assert (created.bucket, created.key, created.sequencer) == ("inbox", "penguins/birds.csv", "0066F1A2B3C4D5E6F7")
    assert (len(created.etag), created.size) == (32, 570)
    assert not created.is_folder_marker


@pytest.mark.parametrize("name", ["sqs-s3", "sqs-eventbridge"])
def test_messages_hold_those_events(load: Load, name: str) -> None:
    (record,) = load(name)["Records"]

    assert read_created(json.loads(record["body"])) == read_created(load("s3-put"))


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ("a+b", "a b"),
        ("a%20b", "a b"),
        ("a%2Bb", "a+b"),
        ("%C3%A9t%C3%A9/%F0%9F%90%A7.csv", "été/🐧.csv"),
        ("100%25", "100%"),
    ],
)
def test_a_notification_encodes_the_key(load: Load, sent: str, key: str) -> None:
    event = load("s3-put")
    event["Records"][0]["s3"]["object"]["key"] = sent

    assert read_created(event)[0].key == key


def test_an_event_on_eventbridge_does_not_encode_the_key(load: Load) -> None:
    event = load("eventbridge")
    event["detail"]["object"]["key"] = "a+b%20c"

    assert read_created(event)[0].key == "a+b%20c"


def test_several_records_are_several_objects(load: Load) -> None:
    event = load("s3-put")
    event["Records"] += load("s3-put-encoded-key")["Records"]

    assert [each.key for each in read_created(event)] == [
        "penguins/birds.csv",
        "penguins/été 2026/birds+more (north).csv",
    ]


def test_the_test_event_has_no_object(load: Load) -> None:
    assert read_created(load("s3-test-event")) == []


def test_what_the_console_makes_for_a_folder_is_a_folder_marker(load: Load) -> None:
    (created,) = read_created(load("s3-folder-marker"))

    assert created.is_folder_marker
    assert not CreatedObject("inbox", "penguins/2026/", size=1).is_folder_marker


def test_what_a_sender_leaves_out_is_empty() -> None:
    event = {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]}

    assert read_created(event) == [CreatedObject("b", "k", "", 0, "")]


def without(*path: Any) -> Callable[[dict[str, Any]], None]:
    def remove(event: dict[str, Any]) -> None:
        for step in path[:-1]:
            event = event[step]
        del event[path[-1]]

    return remove


def changed(value: Any, *path: Any) -> Callable[[dict[str, Any]], None]:
    def change(event: dict[str, Any]) -> None:
        for step in path[:-1]:
            event = event[step]
        event[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("s3-put", without("Records")),
        ("s3-put", without("Records", 0, "s3", "object", "key")),
        ("s3-put", without("Records", 0, "s3", "bucket")),
        ("s3-put", changed("ObjectRemoved:Delete", "Records", 0, "eventName")),
        ("s3-put", changed("secret", "Records", 0, "s3", "object", "size")),
        ("s3-put", changed(["secret"], "Records")),
        ("eventbridge", without("detail")),
        ("eventbridge", changed("Object Deleted", "detail-type")),
        ("eventbridge", changed("secret", "source")),
    ],
)
def test_anything_else_is_no_such_event_and_is_not_quoted(
    load: Load, name: str, spoil: Callable[[dict[str, Any]], None]
) -> None:
    event = copy.deepcopy(load(name))
    spoil(event)

    with pytest.raises(UnknownEvent) as raised:
        read_created(event)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("sequencer", "than", "newer"),
    [
        ("02", "01", True),
        ("01", "02", False),
        ("01", "01", False),
        ("0100", "01", False),
        ("0101", "01", True),
        ("02", "0101", True),
        ("0A", "09", True),
        ("0b", "0A", True),
        ("", "01", False),
        ("01", "", False),
    ],
)
def test_sequencers_are_padded_on_the_right(sequencer: str, than: str, newer: bool) -> None:
    assert is_newer(sequencer, than) is newer
