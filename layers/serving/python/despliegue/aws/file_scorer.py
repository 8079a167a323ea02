"""From an event to a committed report, whatever happened to the file before: the steps and their order.

The order is what makes it safe to die anywhere: first the data under the job's own keys, then the report by one
conditional PutObject, then the copies with the friendly names, then what was left open, and last whoever listens.
"""

from typing import Any

import msgspec
from botocore.exceptions import ClientError

from despliegue.aws.attempt import Attempt
from despliegue.aws.clients import Client
from despliegue.aws.copies import Copies, JobDataGone
from despliegue.aws.notifications import Notifications
from despliegue.aws.report import Report
from despliegue.aws.report_store import Outdone, ReportStore, Stored
from despliegue.aws.s3_streams import Superseded
from despliegue.aws.score_events import CreatedObject, is_newer
from despliegue.aws.score_log import ScoreLog
from despliegue.aws.scoring_job import Job, Models, read_head
from despliegue.aws.time_left import TimeLeft


class Outcome(msgspec.Struct, frozen=True):
    """What became of one object.

    Attributes:
        key: of the object.
        status: `scored`, `failed`, `duplicate`, `superseded` or `folder marker`.
        job: the job's id; empty where there was none.
        report: the key of the report, if one was committed or found.
        error: why the file was not scored.
    """

    key: str
    status: str
    job: str = ""
    report: str = ""
    error: str = ""


class FileScorer:
    """Scores one file after another.

    Args:
        s3: the client.
        results: name of the results bucket.
        models: where the models come from.
        notifications: who hears of each report.
        log: what is written down.
    """

    def __init__(self, s3: Client, results: str, models: Models, notifications: Notifications, log: ScoreLog) -> None:
        self._s3 = s3
        self._results = results
        self._models = models
        self._notifications = notifications
        self._log = log
        self._reports = ReportStore(s3, results)
        self._copies = Copies(s3, results)

    def score(self, created: CreatedObject, left: TimeLeft, *, retried: bool) -> Outcome:
        """Do what is to be done for one event; doing it twice, or by two at once, is doing it once.

        Args:
            created: what the event says.
            left: the time.
            retried: whether this is not the first time that the event is delivered.

        Raises:
            HandedBack: too little time is left.
            Exception: what a retry may cure.
        """
        job = Job.make(created, read_head(self._s3, created), self._models)
        seen = self._reports.read(job.keys.report)
        if job.superseded:
            return self._give_way(job)
        if seen and (there := seen.report):
            if self._settles(there, job):
                try:
                    return self._repeat(job, there, notify=retried)
                except JobDataGone:
                    if job.deleted:
                        return self._done(job, "duplicate")
                    seen = self._reports.read(job.keys.report)  # it may have the event's sequencer by now
            elif is_newer(there.input.sequencer, than=created.sequencer):
                return self._give_way(job)
        left.begin()
        attempt = Attempt(self._s3, self._results, job)
        try:
            report = attempt.run(left)
        except Superseded:
            return self._give_way(job)
        except Exception:
            # Another that did the same job at the same time aborts our uploads when it is done.
            now = self._reports.read(job.keys.report)
            if now and now.report and (now != seen) and now.report.is_of(job.id):
                return self._repeat(job, now.report, notify=retried)
            raise
        return self._commit(job, report, seen)

    def give_up(self, created: CreatedObject) -> Outcome:
        """Say that no try succeeded, and leave nothing open; unless the job was done after all, or a newer one was.

        Done again it changes nothing, and tells again only where nobody could be told before.
        """
        head: dict[str, Any] | None = None
        reason = "gave up: every try failed, and the log of the function that scores says why"
        try:
            head = read_head(self._s3, created)
        except ClientError as error:
            self._log.failure(created, error)
            reason += f"; now S3 answers {error.response['Error']['Code']} to a look at the object"
        job = Job.make(created, head, self._models)
        if job.superseded:
            return self._give_way(job)
        seen = self._reports.read(job.keys.report)
        if seen and (there := seen.report):
            if there.job == job.id or self._settles(there, job):
                outcome = self._repeat(job, there, notify=not seen.told)
                self._reports.mark_told(job.keys.report, there.job)
                return outcome
            if is_newer(there.input.sequencer, than=created.sequencer):
                return self._give_way(job)
        outcome = self._commit(job, Attempt(self._s3, self._results, job).fail("GivenUp", reason, retry=True), seen)
        self._reports.mark_told(job.keys.report, job.id)
        return outcome

    def _settles(self, report: Report, job: Job) -> bool:
        if report.is_of(job.id):
            return True
        # What options a deleted object had is not known any more, and so not its job; its content is.
        return job.deleted and not report.retry and report.input.etag == job.created.etag

    def _commit(self, job: Job, report: Report, seen: Stored | None) -> Outcome:
        try:
            self._reports.commit(job.keys.report, report, seen)
        except Outdone as outdone:
            if outdone.report.is_of(job.id):
                return self._repeat(job, outdone.report, notify=False)
            return self._give_way(job)
        self._mend(job, report)
        self._copies.abort_uploads(job.keys)
        self._notifications.send(report, job.keys.report)
        self._log.report(report)
        return self._done(job, report.status, report.error)

    def _repeat(self, job: Job, report: Report, *, notify: bool) -> Outcome:
        """The job was done: see that nothing is missing that who did it may not have come to do."""
        if is_newer(job.created.sequencer, than=report.input.sequencer):
            # The key holds this content again: a job on what it held in between may be about to commit, and must not.
            newer = msgspec.structs.replace(report.input, sequencer=job.created.sequencer)
            report = msgspec.structs.replace(report, input=newer)
            try:
                self._reports.commit(job.keys.report, report)
            except Outdone as outdone:
                if not outdone.report.is_of(report.job):
                    return self._give_way(job)
                report = outdone.report
        self._mend(job, report)
        self._copies.abort_uploads(job.keys)
        if notify:
            self._notifications.send(report, job.keys.report)
        return self._done(job, "duplicate", report.error)

    def _give_way(self, job: Job) -> Outcome:
        """Another job counts: mend what that one made, and clear away what this one left."""
        now = self._reports.read(job.keys.report)
        if now and now.report:
            try:
                self._mend(job, now.report)
            except JobDataGone:
                self._log.logger.warning("an output is gone and so is its original", extra={"key": job.created.key})
        self._copies.abort_uploads(job.keys)
        return self._done(job, "superseded")

    def _mend(self, job: Job, report: Report) -> None:
        """Make the copies of `report`, and of any that was committed meanwhile: who copies last copies right."""
        while True:
            self._copies.mend(report, job.keys)
            now = self._reports.read(job.keys.report)
            if now is None or now.report is None or now.report == report:
                return
            report = now.report

    def _done(self, job: Job, status: str, error: str = "") -> Outcome:
        self._log.outcome(job.created, status, job.id)
        return Outcome(job.created.key, status, job.id, job.keys.report, error)
