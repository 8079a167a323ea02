"""Logs and metrics, configured once: Powertools' Logger (JSON) and Metrics (CloudWatch embedded metric format)."""

import sys
import time
import traceback
from typing import Any, Final

import orjson
from aws_lambda_powertools import Logger, Metrics

from despliegue.http import Request, Response
from despliegue.http.reply_headers import CORRELATION_ID, REQUEST_ID

_UNITS: Final = {"Latency": "Milliseconds"}
"""Of the metrics that are no count."""


class Observability:
    """Writes one line a request, metrics and identity together, and a log line more where something failed.

    Nothing is held from one request to the next but the cold-start flag.
    """

    def __init__(self) -> None:
        self.logger = Logger()
        self._metrics = Metrics()
        self._cold = True
        self._definitions: dict[tuple[str, ...], Any] = {}
        """What a line says of its metrics and dimensions, by their names: the same at every request."""

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
        metrics: dict[str, list[float]] = {
            "Rows": [outcome.rows],
            "Errors": [int(response.status >= 500)],
        }
        if self._cold:
            metrics["ColdStart"] = [1]
            self._cold = False
        dimensions = {"model": outcome.model, "version": outcome.version} if outcome.model else {}
        metrics["Latency"] = [(time.perf_counter() - started) * 1000]
        self._write(metrics, dimensions, identity)
        if outcome.error:
            self._log(response, identity | dimensions)

    def _write(self, metrics: dict[str, list[float]], dimensions: dict[str, str], identity: dict[str, Any]) -> None:
        dimensions = dimensions | {"service": self._metrics.provider.service}
        names = (*dimensions, *metrics)
        definition = self._definitions.get(names) or self._define(names, metrics, dimensions)
        about = {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": definition}
        line = {"_aws": about, **dimensions, **identity, **metrics}
        sys.stdout.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE).decode())

    def _define(self, names: tuple[str, ...], metrics: dict[str, list[float]], dimensions: dict[str, str]) -> Any:
        """What Powertools makes of these metrics: its form, without collecting each value in it."""
        units = {name: {"Unit": _UNITS.get(name, "Count"), "Value": values} for name, values in metrics.items()}
        line = self._metrics.provider.serialize_metric_set(units, dimensions, {})
        self._definitions[names] = line["_aws"]["CloudWatchMetrics"]
        return self._definitions[names]

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
