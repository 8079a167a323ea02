"""Logs and metrics, configured once: Powertools' Logger (JSON) and Metrics (CloudWatch embedded metric format)."""

import sys
import time
import traceback
from typing import Any

import orjson
from aws_lambda_powertools import Logger, Metrics

from despliegue.http import Request, Response
from despliegue.http.reply_headers import CORRELATION_ID, REQUEST_ID


class Observability:
    """Writes one line a request, metrics and identity together, and a log line more where something failed.

    Nothing is held from one request to the next but the cold-start flag.
    """

    def __init__(self) -> None:
        self.logger = Logger()
        self._metrics = Metrics()
        self._cold = True

    def reset(self) -> None:
        """Be as at the start: every environment restored from a snapshot has its own cold start to count."""
        self._cold = True

    def record(self, request: Request, response: Response, request_id: str, started: float) -> None:
        """Write down one request.

        Args:
            request: what came.
            response: what goes; its outcome tells the rest.
            request_id: Lambda's, which also stands in the function's platform logs. API Gateway's own is the request's:
                it is the one that a caller is told.
            started: `time.perf_counter()` when the event came, in seconds.
        """
        outcome = response.outcome
        identity = {
            "request_id": request_id,
            "api_request_id": request.id,
            "correlation_id": response.headers.get(CORRELATION_ID) or response.headers.get(REQUEST_ID),
            "cold_start": self._cold,
            "status": response.status,
        }
        if outcome.deprecated:
            identity["deprecated"] = True
        metrics: dict[str, Any] = {
            "Rows": {"Unit": "Count", "Value": [outcome.rows]},
            "Errors": {"Unit": "Count", "Value": [int(response.status >= 500)]},
        }
        if self._cold:
            metrics["ColdStart"] = {"Unit": "Count", "Value": [1]}
            self._cold = False
        dimensions = {"model": outcome.model, "version": outcome.version} if outcome.model else {}
        metrics["Latency"] = {"Unit": "Milliseconds", "Value": [(time.perf_counter() - started) * 1000]}
        self._write(metrics, dimensions, identity)
        if outcome.error:
            self._log(response, identity | dimensions)

    def _write(self, metrics: dict[str, Any], dimensions: dict[str, str], identity: dict[str, Any]) -> None:
        # Powertools gives the line its form; collecting the values in it first would take seven times as long.
        line = self._metrics.provider.serialize_metric_set(
            metrics, dimensions | {"service": self._metrics.provider.service}, identity
        )
        sys.stdout.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE).decode())

    def _log(self, response: Response, identity: dict[str, Any]) -> None:
        outcome = response.outcome
        facts = identity | {"error": outcome.error, "subject": outcome.subject}
        if outcome.failure is not None:
            # Where it happened, but not the exception's own words: they may quote a value of the caller's.
            facts["exception"] = type(outcome.failure).__name__
            facts["traceback"] = "".join(traceback.format_tb(outcome.failure.__traceback__))
        if response.status >= 500:
            self.logger.error("request failed", extra=facts)
        else:
            self.logger.info("request refused", extra=facts)
