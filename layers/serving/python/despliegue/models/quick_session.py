"""A session that is soon there, and is exchanged for one that runs faster once it has run long enough to be worth it.

ONNX Runtime lays the weights of convolutions out for this processor (NCHWc) when it loads a graph at its highest level.
Of a graph that is optimised already, with mapped weights, that is nearly all that loading takes; and no file can hold
it, since the layout is another one on another processor. `python -m benchmarks.large` measures both.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import onnxruntime as ort

from despliegue.models.model import Array, SessionSettings

WORTH_S: Final = 1.0
"""Seconds of running after which the other session is loaded. That takes about a third of them, of a ResNet-50, and
saves as much of the next second."""

_log = logging.getLogger(__name__)


class QuickSession:
    """Stands for an `onnxruntime.InferenceSession`. Safe to use from several threads.

    Args:
        path: of the graph, its weights beside it.
        settings: of both sessions.

    Raises:
        Exception: ONNX Runtime's, of any class; it cannot load it.
    """

    def __init__(self, path: Path, settings: SessionSettings) -> None:
        self._path = path
        self._settings = settings
        options = settings.options()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.get_inputs = self._session.get_inputs
        self.get_outputs = self._session.get_outputs
        self.get_overridable_initializers = self._session.get_overridable_initializers
        self._left = WORTH_S
        self._once = threading.Lock()

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Array]) -> list[Any]:
        """As the session's."""
        if self._left <= 0:
            return self._session.run(outputs, inputs)  # type: ignore[no-any-return]
        started = time.perf_counter()
        found: list[Any] = self._session.run(outputs, inputs)
        self._left -= time.perf_counter() - started
        if self._left <= 0 and self._once.acquire(blocking=False):
            threading.Thread(target=self._exchange, name="layout", daemon=True).start()
        return found

    def run_with_ort_values(self, outputs: Sequence[str], inputs: Mapping[str, Any]) -> list[Any]:
        """As the session's."""
        return self._session.run_with_ort_values(outputs, inputs)  # type: ignore[no-any-return]

    def _exchange(self) -> None:
        try:
            self._session = ort.InferenceSession(
                self._path, self._settings.options(), providers=["CPUExecutionProvider"]
            )
        except Exception:  # ORT's exceptions share no base class
            _log.warning("the session that runs faster cannot be loaded; this one goes on", exc_info=True)


def has_convolutions(path: Path) -> bool:
    """Whether the graph, whose weights lie beside it, has nodes whose weights are laid out anew."""
    return b"Conv" in path.read_bytes()
