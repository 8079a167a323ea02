"""One try at a job: from the object to the outputs under the job's own keys, and the report of it. Commits nothing."""

import time
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal, cast

import msgspec

from despliegue.aws.clients import Client
from despliegue.aws.report import Output, Report, Rows, Timings
from despliegue.aws.s3_streams import MultipartWriter, ObjectGone, RangedReader
from despliegue.aws.scoring_job import Job
from despliegue.aws.time_left import OutOfTime, TimeLeft
from despliegue.errors import DespliegueError
from despliegue.models import Model
from despliegue.scoring import Counts, Options, Scoring, TooManyRejects
from despliegue.scoring.json_lines import JsonLinesTable

DELETED = "the object was deleted before it could be scored"


class Attempt:
    """Does one job, or says why it cannot be done.

    Args:
        s3: the client.
        results: name of the results bucket.
        job: what to do.
    """

    def __init__(self, s3: Client, results: str, job: Job) -> None:
        self._s3 = s3
        self._results = results
        self._job = job
        self._began = time.perf_counter()
        self._started = datetime.now(UTC)
        self._format: dict[str, Any] = {}
        self._counts = Counts()
        self._outputs: dict[str, Output] = {}

    def run(self, left: TimeLeft) -> Report:
        """Score the file; the report of that, or of why it cannot be done.

        Raises:
            Superseded: the object was overwritten meanwhile.
            HandedBack: the time was used up by other files.
            Exception: what a retry may cure; no upload is left open unless S3 refused that too.
        """
        model, options = self._job.model, self._job.options
        if isinstance(model, DespliegueError):
            return self._refuse(model)
        if isinstance(options, DespliegueError):
            return self._refuse(options)
        if self._job.deleted:
            return self.fail("ObjectGone", DELETED, retry=True)
        try:
            self._score(model, options, left)
        except ObjectGone:
            return self.fail("ObjectGone", DELETED, retry=True)
        except OutOfTime:
            return self.fail(
                "OutOfTime",
                f"the file is too long for one call: time was up after {self._counts.read:,} rows."
                " Split it, or score it at home with `despliegue score`",
                retry=True,  # the function may get more time or memory, and then the same file may do
            )
        except TooManyRejects as error:
            self._counts = error.counts
            return self._refuse(error)
        except DespliegueError as error:  # all that this library raises on purpose would be raised again
            return self._refuse(error)
        return self._report("scored")

    def fail(self, code: str, error: str, *, retry: bool = False) -> Report:
        """A report that says why there is no scored file."""
        return self._report("failed", code, error, retry)

    def _refuse(self, error: DespliegueError) -> Report:
        return self.fail(error.code, str(error))

    def _score(self, model: Model, options: Options, left: TimeLeft) -> None:
        job, item = self._job, self._job.created
        with closing(RangedReader(self._s3, item.bucket, item.key, item.etag, item.size)) as source:
            scoring = Scoring.open(model, job.file_name, cast("BinaryIO", source), options)
            self._format = scoring.facts()
            job.keys.check(scoring.suffix)

            def go_on(counts: Counts) -> None:
                self._counts = counts
                left.check()

            with (
                self._open("scored", scoring.suffix, scoring.content_type) as scored,
                self._open("rejects", ".jsonl", JsonLinesTable.content_type) as rejects,
            ):
                try:
                    self._counts = scoring.run(scored, rejects, go_on)
                except TooManyRejects:
                    self._finish("rejects", ".jsonl", rejects)
                    raise
                self._finish("scored", scoring.suffix, scored)
                self._finish("rejects", ".jsonl", rejects)

    def _open(self, kind: str, suffix: str, content_type: str) -> MultipartWriter:
        _, job_key = self._job.keys.output(kind, suffix)
        return MultipartWriter(self._s3, self._results, job_key, content_type)

    def _finish(self, kind: str, suffix: str, writer: MultipartWriter) -> None:
        key, job_key = self._job.keys.output(kind, suffix)
        self._outputs[kind] = Output(key, writer.finish(), writer.size, job_key)

    def _report(
        self, status: Literal["scored", "failed"], code: str = "", error: str = "", retry: bool = False
    ) -> Report:
        job = self._job
        seconds = time.perf_counter() - self._began
        # How far a try came that may be repeated is chance, and no result.
        counts = Counts() if retry else self._counts
        return Report(
            status=status,
            code=code,
            error=error,
            retry=retry,
            job=job.id,
            model=job.used,
            input=job.input,
            format=self._format,
            options=msgspec.to_builtins(job.options) if isinstance(job.options, Options) else {},
            rows=Rows(counts.read, counts.scored, counts.rejected),
            outputs=self._outputs,
            timings=Timings(
                self._started.isoformat(timespec="milliseconds"), round(seconds, 3), int(counts.read / seconds)
            ),
        )
