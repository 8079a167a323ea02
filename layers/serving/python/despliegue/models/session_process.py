"""The process of an `IsolatedSession`: path and settings come in by stdin, then one run after the other."""

import os
import pickle
import re
import resource
import signal
import sys
from contextlib import suppress
from typing import Any, Final

import msgspec
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from despliegue.models import extensions
from despliegue.models.isolated_session import SECONDS, Node
from despliegue.models.model import reason

_NO_MEMORY: Final = re.compile(r"Failed to allocate memory|bad_alloc|bad allocation")
"""ONNX Runtime's words where there is none left."""


def main() -> None:
    """Load the graph and tell of it, then answer runs until stdin ends."""
    # Whatever a library prints must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(kind: str, answer: Any) -> None:
        pickle.dump((kind, answer), answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()

    path, settings = pickle.load(sys.stdin.buffer)  # noqa: S301 – from the process that started this one
    with suppress(ValueError, OSError):  # some systems know no such limit
        resource.setrlimit(resource.RLIMIT_DATA, (settings.memory, settings.memory))
    try:
        session = extensions.open_session(path, msgspec.structs.replace(settings, isolated=False))
    except Exception as error:  # ORT's exceptions share no base class
        say("failed", reason(error))
        return
    kinds = ("inputs", "outputs", "overridable_initializers")
    say("done", {kind: [Node(n.name, n.type, n.shape) for n in getattr(session, f"get_{kind}")()] for kind in kinds})
    while True:
        try:
            outputs, inputs = pickle.load(sys.stdin.buffer)  # noqa: S301 – as above
        except EOFError:
            return
        # Whoever asked ends it when it takes too long, unless that was killed itself.
        signal.alarm(int(SECONDS) + 5)
        try:
            say("done", session.run(outputs, inputs))
        except MemoryError:
            say("memory", "")
        except InvalidArgument as error:
            say("refused", reason(error))
        except Exception as error:  # ORT's exceptions share no base class
            say("memory" if _NO_MEMORY.search(str(error)) else "failed", reason(error))
        signal.alarm(0)


if __name__ == "__main__":
    main()
