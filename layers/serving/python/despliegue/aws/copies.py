"""The names that people look for are copies of what the committed job wrote: made, mended and cleared here."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from despliegue.aws.clients import Client, status_of
from despliegue.aws.report import JOBS, Output, Report, ResultKeys
from despliegue.aws.s3_streams import PART, part

_THREADS: Final = 8
_DEAD_AFTER: Final = timedelta(minutes=20)
"""Whoever began an upload so long ago is no more: Lambda gives 15 minutes, and the rest is for clocks that differ."""


class JobDataGone(Exception):
    """What the job wrote is no longer there, so that its outputs cannot be copied; scoring again would write it."""


class Copies:
    """The outputs in one bucket.

    Args:
        s3: the client.
        bucket: the results bucket.
        clock: what time it is.
    """

    def __init__(self, s3: Client, bucket: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._clock = clock

    def mend(self, report: Report, keys: ResultKeys) -> None:
        """Make the friendly names say what `report` says: a copy of each output, and nothing else.

        Raises:
            JobDataGone: an output that lacks its copy has no original either.
        """
        for output in report.outputs.values():
            if self._etag(output.key) != output.etag:
                self._copy(output)
        named = {output.key for output in report.outputs.values()}
        stale = [{"Key": key} for key in keys.friendly if key not in named]
        if stale:
            reply = self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": stale, "Quiet": True})
            if reply.get("Errors"):
                raise OSError(f"S3 did not delete stale outputs: {reply['Errors'][0].get('Code')}")

    def abort_uploads(self, keys: ResultKeys) -> None:
        """Abort every upload of the job, or of a copy, that somebody left open, and those that died with other jobs.

        A retry can be another job than the try that died: the object is gone, has other options, the model is new.
        """
        dead = self._clock() - _DEAD_AFTER
        left = [
            upload
            for upload in self._uploads(JOBS)
            if upload["Key"].startswith(keys.folder) or upload["Initiated"] < dead
        ]
        left += [upload for upload in self._uploads(f"{keys.key}.") if upload["Key"] in keys.friendly]
        for upload in left:
            with suppress(self._s3.exceptions.NoSuchUpload):
                self._s3.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def _uploads(self, prefix: str) -> Iterator[dict[str, Any]]:
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=prefix)
        for page in pages:
            yield from page.get("Uploads", ())

    def _etag(self, key: str) -> str | None:
        try:
            return str(self._s3.head_object(Bucket=self._bucket, Key=key)["ETag"]).strip('"')
        except ClientError as error:
            if status_of(error) == 404:
                return None
            raise

    def _copy(self, output: Output) -> None:
        target = {"Bucket": self._bucket, "Key": output.key}
        source = {
            "CopySource": {"Bucket": self._bucket, "Key": output.job_key},
            "CopySourceIfMatch": f'"{output.etag}"',
        }
        if self._etag(output.job_key) != output.etag:
            raise JobDataGone
        try:
            # An object made of parts has another ETag than one made at once, so the copy is made as the original was.
            if re.fullmatch(r"[0-9a-f]+-\d+", output.etag):
                self._copy_parts(target, source, output)
            else:
                self._s3.copy_object(**target, **source)
        except ClientError:
            # Who copies the same at the same time clears away our upload when done; then there is nothing left to do.
            if self._etag(output.key) != output.etag:
                raise

    def _copy_parts(self, target: dict[str, Any], source: dict[str, Any], output: Output) -> None:
        content_type = self._s3.head_object(Bucket=self._bucket, Key=output.job_key)["ContentType"]
        made = self._s3.create_multipart_upload(**target, ContentType=content_type, ChecksumAlgorithm="CRC32")
        upload = target | {"UploadId": made["UploadId"]}

        def copy(first: int) -> dict[str, Any]:
            number, last = first // PART + 1, min(first + PART, output.size) - 1
            reply = self._s3.upload_part_copy(
                **upload, **source, PartNumber=number, CopySourceRange=f"bytes={first}-{last}"
            )
            return part(number, reply["CopyPartResult"])

        try:
            with ThreadPoolExecutor(_THREADS, "copy") as pool:
                parts = list(pool.map(copy, range(0, output.size, PART)))
            self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            with suppress(ClientError, BotoCoreError):
                self._s3.abort_multipart_upload(**upload)
            raise
