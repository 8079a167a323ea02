"""Jobs on S3: where a file is uploaded to, and how far it is. The scorer of files does the rest, and knows of no jobs.

A job is the upload of one object, `<model>@<version>/jobs/<owner>/<job>/input.csv`, and what the scorer makes of it.
All that is remembered of it besides is the name of an empty object in the results bucket. botocore is loaded with this
module, and this module with the first job.
"""

import base64
import os
import re
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import msgspec
from botocore.config import Config
from botocore.session import Session, get_session

from despliegue.http.job_store import JobRequest, JobStatus, Posted, State, Upload, not_found

type Client = Any
"""botocore makes its clients' methods at run time."""

POSTED: Final = "_api_jobs/"
"""What the names of the empty objects begin with; no model's name begins so."""
UPLOAD_TIME: Final = timedelta(minutes=15)
RESULT_TIME: Final = timedelta(hours=1)
_COPYING_TIME: Final = timedelta(days=1)
"""Longer than any retry that mends what the scorer left undone: what is missing then was deleted."""
_ID: Final = re.compile(r"[a-z2-7]{26}")


class _Output(msgspec.Struct):
    key: str
    etag: str


class _Report(msgspec.Struct):
    """What of `despliegue.aws.report` is told. That one needs the tables layer, which the API's function has not."""

    status: str
    code: str
    error: str
    rows: dict[str, int]
    outputs: dict[str, _Output]


class S3Jobs:
    """The jobs in two buckets.

    Args:
        s3: the client, which signs by Signature Version 4.
        inbox: name of the bucket whose files are scored.
        results: name of the results bucket.
        clock: what time it is.
    """

    def __init__(
        self, s3: Client, inbox: str, results: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._s3 = s3
        self._inbox = inbox
        self._results = results
        self._clock = clock

    def create(self, caller: str, model: str, version: str, request: JobRequest) -> Posted:
        """See `despliegue.http.job_store.JobStore`."""
        job = base64.b32encode(os.urandom(16)).decode().rstrip("=").lower()
        name = f"{model}@{version}/{request.file_name}"
        self._s3.put_object(Bucket=self._results, Key=f"{_posted(caller, job)}{name}", Body=b"")
        sent = {
            "ContentType": request.content_type,
            "IfNoneMatch": "*",  # an upload a job: so a quota of jobs is one of uploads, and a result never changes
            "Metadata": {f"despliegue-{option}": text for option, text in request.options.items()},
        }
        metadata = {f"x-amz-meta-despliegue-{option}": text for option, text in request.options.items()}
        expires = self._clock() + UPLOAD_TIME
        url = self._s3.generate_presigned_url(
            "put_object",
            Params={"Bucket": self._inbox, "Key": f"{_folder(caller, job, model, version)}{request.file_name}", **sent},
            ExpiresIn=int(UPLOAD_TIME.total_seconds()),
        )
        headers = {"Content-Type": request.content_type, "If-None-Match": "*", **metadata}
        return Posted(job, Upload(url, "PUT", headers, _iso(expires)))

    def find(self, caller: str, model: str, version: str | None, job: str) -> JobStatus:
        """See `despliegue.http.job_store.JobStore`.

        What is there is asked for by lists, never by looking for an object: S3 would answer 403 to that and not 404,
        for the role may list these folders and nothing else.
        """
        posted = self._list(self._results, _posted(caller, job)) if _ID.fullmatch(job) else {}
        if not posted:
            raise not_found(job, model)
        [(key, entry)] = posted.items()
        used, _, file_name = key.removeprefix(_posted(caller, job)).partition("/")
        name, _, number = used.partition("@")
        if name != model or version not in (None, number):
            raise not_found(job, model)
        folder = _folder(caller, job, name, number)
        there = self._list(self._results, folder)
        report_key = f"{folder}{file_name}.report.json"
        if report_key in there:
            return self._settled(JobStatus(job, name, number, "done"), there, report_key)
        state: State = "expired" if self._clock() > entry["LastModified"] + UPLOAD_TIME else "waiting"
        return JobStatus(job, name, number, "running" if self._list(self._inbox, folder) else state)

    def _settled(self, status: JobStatus, there: dict[str, Any], report_key: str) -> JobStatus:
        """What the report says, once all that it names is there."""
        with closing(self._s3.get_object(Bucket=self._results, Key=report_key)["Body"]) as stream:
            report = msgspec.json.decode(stream.read(), type=_Report)
        # The report comes before the copies with the names that people look for.
        if any(there.get(item.key, {}).get("ETag", "").strip('"') != item.etag for item in report.outputs.values()):
            is_new = self._clock() < there[report_key]["LastModified"] + _COPYING_TIME
            return msgspec.structs.replace(status, state="running" if is_new else "expired")
        expires = _iso(self._clock() + RESULT_TIME)
        keys = {kind: output.key for kind, output in report.outputs.items()} | {"report": report_key}
        return msgspec.structs.replace(
            status,
            state="done" if report.status == "scored" else "failed",
            rows=report.rows,
            code=report.code,
            error=report.error,
            results={kind: self._address(key) for kind, key in keys.items()} | {"expires": expires},
        )

    def _address(self, key: str) -> str:
        params, seconds = {"Bucket": self._results, "Key": key}, int(RESULT_TIME.total_seconds())
        return str(self._s3.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds))

    def _list(self, bucket: str, prefix: str) -> dict[str, Any]:
        """The objects below `prefix` by key: a handful at most."""
        reply = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
        return {item["Key"]: item for item in reply.get("Contents", ())}


def open_jobs(inbox: str, results: str, endpoint: str = "", session: Session | None = None) -> S3Jobs:
    """The jobs in two buckets.

    Args:
        inbox: name of the bucket whose files are scored.
        results: name of the results bucket.
        endpoint: of S3; empty for AWS itself.
        session: whose credentials and region are used; None for those of the environment.
    """
    config = Config(
        connect_timeout=2,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 3},  # within what API Gateway waits
        proxies={} if endpoint else None,
        signature_version="s3v4",  # S3's own default for addresses is the older one
        # Of the region: the global address sends callers of a new bucket elsewhere, for which nothing is signed.
        s3={"addressing_style": "path" if endpoint else "virtual", "us_east_1_regional_endpoint": "regional"},
    )
    client = (session or get_session()).create_client("s3", endpoint_url=endpoint or None, config=config)
    return S3Jobs(client, inbox, results)


def _posted(caller: str, job: str) -> str:
    return f"{POSTED}{_owner(caller)}/{job}/"


def _folder(caller: str, job: str, model: str, version: str) -> str:
    """What the keys of a job's file and of its results begin with. The segment with the model is the first one."""
    return f"{model}@{version}/jobs/{_owner(caller)}/{job}/"


def _owner(caller: str) -> str:
    """Whose a job is, as a segment of a key: addresses are passed on, and should not tell a key's id or a role."""
    return sha256(caller.encode()).hexdigest()[:32]


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
