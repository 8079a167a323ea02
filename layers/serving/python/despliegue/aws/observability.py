"""Logs and metrics: a line of metrics a request (CloudWatch's embedded metric format), and Powertools' Logger (JSON).

Source of the format: docs.aws.amazon.com/AmazonCloudWatch, "Specification: Embedded metric format".
"""

from __future__ import annotations

import sys
import time
import traceback
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import orjson

from despliegue.http.reply_headers import CORRELATION_ID, REQUEST_ID

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from despliegue.http import Request, Response

_UNITS: Final = {"Latency": "Milliseconds"}
"""Of the metrics that are no count."""


class Observability:
    """Writes one line a request, metrics and identity together, and a log line more where something failed.

    Nothing is held from one request to the next but the cold-start flag.

    Args:
        namespace: of the metrics.
        service: their dimension of that name.
    """

    def __init__(self, namespace: str, service: str) -> None:
        self._namespace, self._service = namespace, service
        self._cold = True
        self._definitions: dict[tuple[str, ...], orjson.Fragment] = {}
        """What a line says of its metrics and dimensions, by their names: the same at every request."""

    @cached_property
    def logger(self) -> Logger:
        """Loaded with the first line to log, which most starts never have: it takes a tenth of a cold start."""
        from aws_lambda_powertools import Logger

        return Logger()

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
        dimensions = dimensions | {"service": self._service}
        names = (*dimensions, *metrics)
        definition = self._definitions.get(names) or self._define(names, metrics, dimensions)
        about = {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": definition}
        line = {"_aws": about, **dimensions, **identity, **metrics}
        sys.stdout.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE).decode())

    def _define(
        self, names: tuple[str, ...], metrics: dict[str, list[float]], dimensions: dict[str, str]
    ) -> orjson.Fragment:
        units = [{"Name": name, "Unit": _UNITS.get(name, "Count")} for name in metrics]
        definition = {"Namespace": self._namespace, "Dimensions": [list(dimensions)], "Metrics": units}
        self._definitions[names] = orjson.Fragment(orjson.dumps([definition]))
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
