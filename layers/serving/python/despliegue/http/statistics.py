"""What was inferred since the start, per version. Source: Triton's statistics extension."""

import threading
import time
from collections import defaultdict
from typing import Any, Final

import msgspec

from despliegue.http.messages import Outcome

_PARTS: Final = ("compute_input", "compute_infer", "compute_output")


class _Duration(msgspec.Struct):
    """How often, and how many nanoseconds together."""

    count: int = 0
    ns: int = 0

    def add(self, nanoseconds: int) -> None:
        self.count += 1
        self.ns += nanoseconds


class _Counted(msgspec.Struct):
    """What is counted of one version."""

    last_inference: int = 0
    inference_count: int = 0
    execution_count: int = 0
    durations: dict[str, _Duration] = msgspec.field(default_factory=lambda: defaultdict(_Duration))


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
                counted.durations["fail"].add(sum(outcome.durations))
                return
            counted.last_inference = time.time_ns() // 1_000_000
            counted.inference_count += outcome.rows
            counted.execution_count += 1
            counted.durations["success"].add(sum(outcome.durations))
            counted.durations["queue"].add(0)
            for part, nanoseconds in zip(_PARTS, outcome.durations, strict=True):
                counted.durations[part].add(nanoseconds)

    def of(self, name: str, version: str) -> dict[str, Any]:
        """The statistics of one version, in Triton's form; zeros where nothing was inferred."""
        with self._lock:
            counted = self._counted.get((name, version), _Counted())
            kinds = ("success", "fail", "queue", *_PARTS, "cache_hit", "cache_miss")
            return {
                "name": name,
                "version": version,
                "last_inference": counted.last_inference,
                "inference_count": counted.inference_count,
                "execution_count": counted.execution_count,
                "inference_stats": {
                    kind: msgspec.to_builtins(counted.durations.get(kind, _Duration())) for kind in kinds
                },
                "batch_stats": [],
            }
