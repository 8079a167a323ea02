"""Reports in the results bucket: the one place where it is decided which job counts, by one conditional PutObject."""

from contextlib import closing
from typing import Any, Final

import msgspec
from botocore.exceptions import ClientError

from despliegue.aws.clients import Client, status_of
from despliegue.aws.report import Report
from despliegue.aws.score_events import is_newer

_CONFLICTS: Final = (404, 409, 412)
"""Another wrote the report, is writing it, or deleted it (S3 user guide, "Conditional writes")."""
_TOLD: Final = "told"


class Stored(msgspec.Struct, frozen=True):
    """A report as it lies in the bucket.

    Attributes:
        etag: as S3 gives it, with quotes.
        body: its bytes.
        report: None where they are no report of ours.
        told: see `ReportStore.mark_told`.
    """

    etag: str
    body: bytes
    report: Report | None
    told: bool


class Outdone(Exception):
    """The report that is there may not be replaced by this job's.

    Args:
        report: the one that is there.
    """

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


class ReportStore:
    """The reports in one bucket.

    Args:
        s3: the client.
        bucket: the results bucket.
    """

    def __init__(self, s3: Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def read(self, key: str) -> Stored | None:
        """What is there now."""
        try:
            reply = self._s3.get_object(Bucket=self._bucket, Key=key)
        except self._s3.exceptions.NoSuchKey:
            return None
        with closing(reply["Body"]) as stream:
            body = stream.read()
        return Stored(reply["ETag"], body, Report.decode(body), _TOLD in reply["Metadata"])

    def mark_told(self, key: str, job: str) -> None:
        """Note beside the report of `job`, if it is there, that its notification was sent: its content stays."""
        now = self.read(key)
        if now and now.report and now.report.job == job and not now.told:
            self._put(key, now.body, Metadata={_TOLD: "yes"}, IfMatch=now.etag)

    def commit(self, key: str, report: Report, seen: Stored | None = None) -> None:
        """Make `report` the one that counts, unless another has come to count since `seen` was read.

        Args:
            key: where.
            report: of this job.
            seen: what was there when it was decided to do the job.

        Raises:
            Outdone: this job is settled already, and no older event's, or a newer object's is there.
        """
        body = report.encode()
        while True:
            condition = {"IfMatch": seen.etag} if seen else {"IfNoneMatch": "*"}
            try:
                self._put(key, body, **condition)
                return
            except ClientError as error:
                if status_of(error) not in _CONFLICTS or error.response["Error"]["Code"] == "NoSuchBucket":
                    raise
            seen = self.read(key)
            if seen and seen.body == body:  # it was written, but the answer got lost and the call was repeated
                return
            if seen and seen.report and not _may_replace(report, seen.report):
                raise Outdone(seen.report)

    def _put(self, key: str, body: bytes, **more: Any) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", **more)


def _may_replace(ours: Report, there: Report) -> bool:
    if there.is_of(ours.job):
        return is_newer(ours.input.sequencer, than=there.input.sequencer)
    return not is_newer(there.input.sequencer, than=ours.input.sequencer)
