"""What was inferred since the start, per version. Source: Triton's statistics extension."""

import threading
import time
from collections import defaultdict
from typing import Any, Final

from despliegue.http.messages import Outcome

_KINDS: Final = (
    "success",
    "fail",
    "queue",
    "compute_input",
    "compute_infer",
    "compute_output",
    "cache_hit",
    "cache_miss",
)


class _Counted:
    """What is counted of one version; how long it took in nanoseconds."""

    def __init__(self) -> None:
        self.last_inference = self.inferences = self.executions = self.failures = 0
        self.decoding = self.running = self.encoding = self.failed_ns = 0


class Statistics:
    """Counts inferences. Safe to use from several threads; it begins with the process, as Triton's does."""

    def __init__(self) -> None:
        self._counted: defaultdict[tuple[str, str], _Counted] = defaultdict(_Counted)
        self._lock = threading.Lock()

    def record(self, outcome: Outcome) -> None:
        """Count one inference, if `outcome` is one: it has the nanoseconds of decoding, running and encoding."""
        if not outcome.durations:
            return
        with self._lock:
            counted = self._counted[outcome.model, outcome.version]
            if outcome.error:
                counted.failures += 1
                counted.failed_ns += sum(outcome.durations)
                return
            counted.last_inference = time.time_ns() // 1_000_000
            counted.inferences += outcome.rows
            counted.executions += 1
            decoding, running, encoding = outcome.durations
            counted.decoding += decoding
            counted.running += running
            counted.encoding += encoding

    def of(self, name: str, version: str) -> dict[str, Any]:
        """The statistics of one version, in Triton's form; zeros where nothing was inferred. Nothing queues here."""
        with self._lock:
            counted = self._counted.get((name, version), _Counted())
            count, parts = counted.executions, (counted.decoding, counted.running, counted.encoding)
            nanoseconds = (sum(parts), counted.failed_ns, 0, *parts, 0, 0)
            counts = (count, counted.failures, count, count, count, count, 0, 0)
            durations = zip(_KINDS, counts, nanoseconds, strict=True)
            return {
                "name": name,
                "version": version,
                "last_inference": counted.last_inference,
                "inference_count": counted.inferences,
                "execution_count": count,
                "inference_stats": {kind: {"count": times, "ns": total} for kind, times, total in durations},
                "batch_stats": [],
            }
