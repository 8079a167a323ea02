"""Logs and metrics, configured once: Powertools' Logger (JSON) and Metrics (CloudWatch embedded metric format)."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from despliegue.http import Request, Response

_MAX_CORRELATION_ID = 128


class Observability:
    """Writes one line a request, metrics and identity together, and a log line more where something failed."""

    def __init__(self) -> None:
        self.logger = Logger()
        self._metrics = Metrics()
        self._cold = True

    def reset(self) -> None:
        """Forget what was counted before a snapshot: every environment restored from it starts cold, at zero."""
        self._metrics.clear_metrics()
        self._cold = True

    def record(self, request: Request, response: Response, request_id: str, started: float) -> None:
        """Write down one request.

        Args:
            request: what came.
            response: what goes; its outcome tells the rest.
            request_id: Lambda's, which also stands in the function's platform logs.
            started: `time.perf_counter()` when the event came, in seconds.
        """
        outcome = response.outcome
        identity = {
            "request_id": request_id,
            "correlation_id": request.headers.get("x-correlation-id", request.id)[:_MAX_CORRELATION_ID],
            "cold_start": self._cold,
        }
        metrics = self._metrics
        if outcome.model:
            metrics.add_dimension("model", outcome.model)
            metrics.add_dimension("version", outcome.version)
        metrics.add_metric("Rows", MetricUnit.Count, outcome.rows)
        metrics.add_metric("Errors", MetricUnit.Count, response.status >= 500)
        if self._cold:
            metrics.add_metric("ColdStart", MetricUnit.Count, 1)
            self._cold = False
        for key, value in identity.items():
            metrics.add_metadata(key, value)
        metrics.add_metadata("status", response.status)
        metrics.add_metric("Latency", MetricUnit.Milliseconds, (time.perf_counter() - started) * 1000)
        metrics.flush_metrics()
        if outcome.error:
            self._log(response, identity)

    def _log(self, response: Response, identity: dict[str, Any]) -> None:
        outcome = response.outcome
        facts = identity | {
            "error": outcome.error,
            "subject": outcome.subject,
            "model": outcome.model,
            "version": outcome.version,
            "status": response.status,
        }
        if outcome.failure is not None:
            self.logger.error("request failed", extra=facts, exc_info=outcome.failure)
        else:
            self.logger.info("request refused", extra=facts)
