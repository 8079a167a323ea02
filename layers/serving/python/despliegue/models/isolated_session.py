"""A session in a process of its own, for graphs with the operators of onnxruntime-extensions.

Its decoder of JPEG ends the process on bytes that it does not take, and few kilobytes of either format unpack to
gigabytes: no request may take the server with it. The process stays between requests; one that ended is started anew.
"""

from __future__ import annotations

import pickle
import subprocess
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from despliegue.errors import InvalidRequest, ModelNotReady
from despliegue.models import child_process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from despliegue.models.model import Array, SessionSettings

SECONDS: Final = 10.0
"""That running the graph once may take: 25 million pixels take one or two, and some bytes hold it up for ever."""
LEAST_MEMORY: Final = 96 * 2**20
"""Bytes that the process takes before its first run, with room for a small image."""
_START_SECONDS: Final = 60.0
_PROCESS: Final = "despliegue.models.session_process"


class Node(NamedTuple):
    """An input or output, as onnxruntime's `NodeArg`."""

    name: str
    type: str
    shape: list[int | str | None]


class IsolatedSession:
    """As much of an `InferenceSession` as a model needs. Safe to use from several threads, which take turns.

    Args:
        path: of the ONNX file.
        settings: as for any session.

    Raises:
        ModelNotReady: it cannot be loaded; the message says why.
    """

    def __init__(self, path: Path, settings: SessionSettings) -> None:
        if settings.memory < LEAST_MEMORY:
            raise ModelNotReady(
                f"it runs in a process of its own, which takes {LEAST_MEMORY // 2**20} MB or more, and"
                f" {max(settings.memory, 0) // 2**20} MB are left for that: give the function more memory"
            )
        self._start = (path, settings)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ending: Callable[[], Any] = bool
        self._nodes: dict[str, list[Node]] = {}
        with self._lock:
            self._running()

    def get_inputs(self) -> list[Node]:
        """The graph's inputs."""
        return self._nodes["inputs"]

    def get_outputs(self) -> list[Node]:
        """The graph's outputs."""
        return self._nodes["outputs"]

    def get_overridable_initializers(self) -> list[Node]:
        """The graph's inputs that have an initialiser."""
        return self._nodes["overridable_initializers"]

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Array]) -> list[Array]:
        """Run the graph once.

        Raises:
            InvalidRequest: the inputs ended the process, or take too long, or more memory than there is for them.
            InvalidArgument: ONNX Runtime's, where it refuses them.
            RuntimeError: the graph failed.
        """
        with self._lock:
            process = self._running()
            try:
                kind, answer = self._ask(process, (outputs, dict(inputs)), SECONDS)
            except _Ended as ended:
                if ended.is_late:
                    said = f"the input takes longer than {SECONDS:.0f} seconds; send a smaller one"
                else:
                    said = "the input is damaged, or of a form that the graph's decoder does not read"
                raise InvalidRequest(said) from ended
        match kind:
            case "done":
                return cast("list[Array]", answer)
            case "memory":
                raise InvalidRequest("the input takes more memory than there is for one request; send a smaller one")
            case "refused":
                raise InvalidArgument(answer)
        raise RuntimeError(answer)

    def _running(self) -> subprocess.Popen[bytes]:
        """The process, with the graph loaded; a new one where there is none, or the last one has ended."""
        if self._process is None or self._process.poll() is not None:
            self._ending()
            try:
                self._process = subprocess.Popen(  # noqa: S603 – this Python, and a module of ours
                    child_process.command(_PROCESS),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=child_process.environment(),
                    start_new_session=True,  # a terminal's Ctrl-C is for the server, which then stops in order
                )
            except OSError as error:
                raise ModelNotReady(f"the process that it runs in cannot be started: {error.strerror}") from error
            self._ending = weakref.finalize(self, _end, self._process)
            try:
                kind, answer = self._ask(self._process, self._start, _START_SECONDS)
            except _Ended as ended:
                late = f"was not ready within {_START_SECONDS:.0f} seconds"
                how = late if ended.is_late else f"ended with code {self._process.returncode}"
                raise ModelNotReady(f"the process that it runs in {how}") from ended
            if kind != "done":
                path = self._start[0]
                text = answer.replace(f"{path.parent}/", "")
                raise ModelNotReady(f"ONNX Runtime cannot load {path.name}: {text}")
            self._nodes = answer
        return self._process

    def _ask(self, process: subprocess.Popen[bytes], question: object, seconds: float) -> tuple[str, Any]:
        """The answer of the process: what it is, and the answer itself."""
        late, answered, turn = threading.Event(), threading.Event(), threading.Lock()

        def end() -> None:
            with turn:
                if not answered.is_set():
                    late.set()
                    process.kill()

        timer = threading.Timer(seconds, end)
        timer.start()
        answer = None
        try:
            pickle.dump(question, cast("Any", process.stdin))
            process.stdin.flush()  # type: ignore[union-attr]
            answer = pickle.load(cast("Any", process.stdout))  # noqa: S301 – from our own process
        except (EOFError, OSError, pickle.UnpicklingError):
            pass
        except BaseException:
            _end(process)  # its answer would be taken for the next one's
            raise
        finally:
            with turn:
                answered.set()
            timer.cancel()
        if answer is None or late.is_set():
            _end(process)
            raise _Ended(is_late=late.is_set())
        return cast("tuple[str, Any]", answer)


class _Ended(Exception):
    """The process ended, or was ended, before it answered."""

    def __init__(self, *, is_late: bool) -> None:
        super().__init__()
        self.is_late = is_late


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):  # what the process did not read
                pipe.close()
