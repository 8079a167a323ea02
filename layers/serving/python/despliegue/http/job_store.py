"""What the endpoints of jobs need of whoever keeps the files, and the words that both use. No AWS in here."""

from typing import Literal, Protocol

import msgspec

from despliegue.errors import JobNotFound, shorten

type State = Literal["waiting", "running", "done", "failed", "expired"]
"""waiting: nothing was uploaded yet; expired: nothing was in time, or the results were deleted since."""


class JobRequest(msgspec.Struct, frozen=True):
    """What a caller asks for.

    Attributes:
        file_name: the file's, whose ending tells format and packing.
        content_type: the file's.
        options: how it is read and written, by the names of `despliegue.scoring.Options`; visible ASCII and spaces.
    """

    file_name: str
    content_type: str
    options: dict[str, str]


class Upload(msgspec.Struct, frozen=True):
    """How the caller sends the file.

    Attributes:
        url: where; whoever has it may do so, with no key.
        method: how.
        headers: all of which must be sent as they are.
        expires: until when the upload may begin; ISO 8601, UTC.
    """

    url: str
    method: str
    headers: dict[str, str]
    expires: str


class Posted(msgspec.Struct, frozen=True):
    """A job that waits for its file.

    Attributes:
        id: random, and known to its caller alone.
        upload: how the file is sent.
    """

    id: str
    upload: Upload


class JobStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a job is.

    Attributes:
        id: the job's.
        model: what scores.
        version: its version.
        state: see `State`.
        rows: how many were `read`, `scored` and `rejected`, once that is known.
        code: the stable name of why it failed.
        error: why it failed, in words, which may quote the file.
        results: addresses of the `scored` file, the `rejects` and the `report`, as far as there are any, which hold
            until `expires`; whoever has one may read it, with no key.
    """

    id: str
    model: str
    version: str
    state: State
    rows: dict[str, int] | None = None
    code: str = ""
    error: str = ""
    results: dict[str, str] | None = None


class JobStore(Protocol):
    """Keeps the files of jobs. A caller is whatever the adapter knows him by; each sees his own jobs alone."""

    def create(self, caller: str, model: str, version: str, request: JobRequest) -> Posted:
        """A new job of a caller's, for a model and version that exist."""

    def find(self, caller: str, model: str, version: str | None, job: str) -> JobStatus:
        """How far a job is.

        Raises:
            JobNotFound: the caller has no such job of this model and version; None is any version.
        """


def not_found(job: str, model: str) -> JobNotFound:
    """The error for a job that a caller has not, whether or not another one has it."""
    return JobNotFound(f"there is no job {shorten(job)} of model {shorten(model)}")
