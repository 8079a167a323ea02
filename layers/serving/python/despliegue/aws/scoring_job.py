"""One file by one model with one set of options: what a job is, what makes it another, and whether it can be done."""

from pathlib import PurePosixPath
from typing import Any, Self
from weakref import WeakKeyDictionary

import msgspec
import orjson
from botocore.exceptions import ClientError

from despliegue.aws.clients import Client, status_of
from despliegue.aws.report import Input, ResultKeys, UsedModel, job_id
from despliegue.aws.score_events import CreatedObject
from despliegue.errors import DespliegueError, ModelNotFound, UnscorableFile
from despliegue.models import Model, ModelRepository
from despliegue.scoring import Options

_OPTION_PREFIX = "despliegue-"


class Models:
    """The model that a key asks for, with its digest."""

    def __init__(self, repository: ModelRepository) -> None:
        self._repository = repository
        self._digests: WeakKeyDictionary[Model, str] = WeakKeyDictionary()

    def find(self, key: str) -> tuple[UsedModel, Model | DespliegueError]:
        """The model that the key's first segment names, `<model>[@<version>]`, or why there is none."""
        segment, slash, _ = key.partition("/")
        name, _, version = segment.partition("@")
        try:
            if not slash:
                raise ModelNotFound("the key names no model; expected <model>[@<version>]/…")
            model = self._repository.get(name, version or None)
        except DespliegueError as error:
            # What a key says is nobody's name yet: it may be anything, and a retry finds the same.
            return UsedModel(name, version), error
        return UsedModel(model.name, model.version, self._digest(model)), model

    def _digest(self, model: Model) -> str:
        if model not in self._digests:  # it may have to read every file of the model
            self._digests[model] = self._repository.digest(model)
        return self._digests[model]


class Job(msgspec.Struct, frozen=True):
    """What is to be done for one event.

    Attributes:
        created: the event's object; its size and, where the event named no content, its ETag as they are now.
        used: the model as the report names it.
        model: the loaded model, or why there is none.
        options: how the file is read and written, or why that cannot be told.
        id: see `job_id`.
        superseded: the object holds something newer than the event is about.
        deleted: there is no such object any more.
    """

    created: CreatedObject
    used: UsedModel
    model: Model | DespliegueError
    options: Options | UnscorableFile
    id: str
    superseded: bool
    deleted: bool

    @property
    def keys(self) -> ResultKeys:
        """The keys of everything that it makes."""
        return ResultKeys(self.created.key, self.id)

    @property
    def file_name(self) -> str:
        """The last part of the input's key."""
        return PurePosixPath(self.created.key).name

    @property
    def input(self) -> Input:
        """The input as the report names it."""
        item = self.created
        return Input(item.bucket, item.key, item.etag, item.sequencer, item.size)

    @classmethod
    def make(cls, created: CreatedObject, head: dict[str, Any] | None, models: Models) -> Self:
        """The job for an event.

        Args:
            created: what the event says.
            head: what HeadObject answered; None where nothing is known of the object.
            models: where the model comes from.
        """
        now = str(head["ETag"]).strip('"') if head else ""
        superseded = bool(head and created.etag and created.etag != now)
        if head and not superseded:
            created = msgspec.structs.replace(created, etag=now, size=head["ContentLength"])
        used, model = models.find(created.key)
        options, text = _read_options(head, model)
        return cls(
            created=created,
            used=used,
            model=model,
            options=options,
            id=job_id(created, used, text),
            superseded=superseded,
            deleted=head is None,
        )


def read_head(s3: Client, created: CreatedObject) -> dict[str, Any] | None:
    """What is known of the object now; None where it was deleted.

    Raises:
        ClientError: it cannot be told. Without s3:ListBucket, what was deleted looks like what is forbidden.
    """
    try:
        head: dict[str, Any] = s3.head_object(Bucket=created.bucket, Key=created.key)
    except ClientError as error:
        if status_of(error) == 404:
            return None
        raise
    return head


def _read_options(head: dict[str, Any] | None, model: Model | DespliegueError) -> tuple[Options | UnscorableFile, str]:
    metadata = head["Metadata"] if head else {}
    given = {
        name.removeprefix(_OPTION_PREFIX): text for name, text in metadata.items() if name.startswith(_OPTION_PREFIX)
    }
    try:
        options = Options.read(given, model.manifest.scoring if isinstance(model, Model) else {})
    except UnscorableFile as error:
        # Not an id of any options that can be read, so that the same file with better ones is another job.
        return error, orjson.dumps(given, option=orjson.OPT_SORT_KEYS).decode()
    return options, options.canonical()
