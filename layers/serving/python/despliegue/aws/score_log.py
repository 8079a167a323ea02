"""Logs and metrics of scored files: Powertools, as in `observability`. Codes, keys and counts; never a row's value."""

import traceback
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import ClientError

from despliegue.aws.report import Report, UsedModel
from despliegue.aws.score_events import CreatedObject


class ScoreLog:
    """Writes a log line for what became of each object, and a line of metrics for each report and each failed try."""

    def __init__(self) -> None:
        self.logger = Logger()
        self._metrics = Metrics()

    def outcome(self, created: CreatedObject, status: str, job: str) -> None:
        """What became of one object."""
        self.logger.info(status, extra=_names(created) | {"job": job})

    def failure(self, created: CreatedObject | None, error: Exception) -> None:
        """A try that goes back to the queue.

        Args:
            created: the object; None where the message could not be understood.
            error: its words are left out, since they may quote a value: the place and the code tell enough.
        """
        facts: dict[str, Any] = _names(created) if created else {}
        facts["exception"] = type(error).__name__
        if isinstance(error, ClientError):
            facts |= {"code": error.response["Error"]["Code"], "operation": error.operation_name}
        facts["traceback"] = "".join(traceback.format_tb(error.__traceback__))
        self.logger.error("not done; the queue sends it again", extra=facts)
        if created:
            self._write({"Failures": (MetricUnit.Count, 1)}, None)

    def report(self, report: Report) -> None:
        """The metrics of one file whose report was committed."""
        values = {
            "Rows": (MetricUnit.Count, report.rows.read),
            "Rejected": (MetricUnit.Count, report.rows.rejected),
            "Bytes": (MetricUnit.Bytes, report.input.size),
            "Seconds": (MetricUnit.Seconds, report.timings.seconds),
            "Failures": (MetricUnit.Count, int(report.status == "failed")),
        }
        self._write(values, report.model)

    def _write(self, values: dict[str, tuple[MetricUnit, float]], model: UsedModel | None) -> None:
        # Without a digest nobody knows such a model: a dimension of any key's first part would be a metric each.
        if model and model.digest:
            self._metrics.add_dimension("model", model.name)
            self._metrics.add_dimension("version", model.version)
        for name, (unit, value) in values.items():
            self._metrics.add_metric(name, unit, value)
        self._metrics.flush_metrics()


def _names(created: CreatedObject) -> dict[str, Any]:
    return {"bucket": created.bucket, "key": created.key, "etag": created.etag, "sequencer": created.sequencer}
