"""What tells that a file came: S3's notification or EventBridge's event → the objects in it. No AWS call here."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from despliegue.errors import DespliegueError


class UnknownEvent(DespliegueError):
    """A message that tells of no created object."""


class CreatedObject(msgspec.Struct, frozen=True):
    """One object that was created.

    Attributes:
        bucket: its bucket.
        key: its key, decoded.
        etag: of the content that the event is about, without quotes; empty for whatever is there now.
        size: in bytes.
        sequencer: hexadecimal; orders the events of one key (see `is_newer`); empty where the sender has none.
    """

    bucket: str
    key: str
    etag: str = ""
    size: int = 0
    sequencer: str = ""

    @property
    def is_folder_marker(self) -> bool:
        """Whether it is what S3's console makes for a folder."""
        return self.key.endswith("/") and self.size == 0


class _Bucket(msgspec.Struct):
    name: str


class _Object(msgspec.Struct, rename={"etag": "eTag"}):
    key: str
    etag: str = ""
    size: int = 0
    sequencer: str = ""


class _Entity(msgspec.Struct):
    bucket: _Bucket
    object: _Object


class _Notice(msgspec.Struct, rename={"name": "eventName"}):
    name: str
    s3: _Entity


class _Notification(msgspec.Struct, rename={"records": "Records"}):
    """S3 user guide, "Event message structure"."""

    records: list[_Notice]


class _BusObject(msgspec.Struct):
    key: str
    etag: str = ""
    size: int = 0
    sequencer: str = ""


class _Detail(msgspec.Struct):
    bucket: _Bucket
    object: _BusObject


class _BusEvent(msgspec.Struct, rename={"detail_type": "detail-type"}):
    """S3 user guide, "EventBridge event message structure"."""

    detail_type: str
    detail: _Detail


def read_created(event: Mapping[str, Any]) -> list[CreatedObject]:
    """The objects that an S3 notification or an EventBridge event tells of; none for `s3:TestEvent`.

    Raises:
        UnknownEvent: it is neither, or tells of something else than a creation. The message quotes no value.
    """
    if event.get("Event") == "s3:TestEvent":
        return []
    try:
        if event.get("source") == "aws.s3":
            return [_from_bus(msgspec.convert(event, _BusEvent))]
        return [_from_notice(notice) for notice in msgspec.convert(event, _Notification).records]
    except msgspec.ValidationError as error:
        raise UnknownEvent(f"neither a notification of S3 nor its event on EventBridge: {error}") from None


def is_newer(sequencer: str, than: str) -> bool:
    """Whether an event came after another of the same key; False where either has no sequencer.

    Source: S3 user guide, "Event message structure": right-pad the shorter with zeros, then compare as text.
    """
    if not sequencer or not than:
        return False
    width = max(len(sequencer), len(than))
    return sequencer.upper().ljust(width, "0") > than.upper().ljust(width, "0")


def _from_notice(notice: _Notice) -> CreatedObject:
    if not notice.name.removeprefix("s3:").startswith("ObjectCreated:"):
        raise UnknownEvent("a notification of S3, but of no ObjectCreated event")
    item = notice.s3.object
    key = unquote_plus(item.key)
    return CreatedObject(notice.s3.bucket.name, key, item.etag.strip('"'), item.size, item.sequencer)


def _from_bus(event: _BusEvent) -> CreatedObject:
    if event.detail_type != "Object Created":
        raise UnknownEvent("an event of S3 on EventBridge, but not 'Object Created'")
    item = event.detail.object  # its key is not encoded
    return CreatedObject(event.detail.bucket.name, item.key, item.etag.strip('"'), item.size, item.sequencer)
