"""onnxruntime-extensions: operators beside ONNX's own, such as the decoder of images, that a graph may have."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import onnxruntime as ort

from despliegue.errors import ModelNotReady

if TYPE_CHECKING:
    from despliegue.models.isolated_session import IsolatedSession
    from despliegue.models.model import SessionSettings

DOMAINS: Final = ("com.microsoft.extensions", "ai.onnx.contrib")
"""The domains of the operators."""
_UNKNOWN: Final = "is not a registered function/op"
"""ONNX Runtime's words on a graph with an operator that it does not have."""


def are_needed(message: str) -> bool:
    """Whether ONNX Runtime's words on a graph that it does not load say that one of them is missing."""
    return _UNKNOWN in message and any(f"{domain}:" in message for domain in DOMAINS)


def library() -> Path:
    """The shared library with the operators; the package itself is not imported.

    Raises:
        ModelNotReady: it is not installed.
    """
    spec = find_spec("onnxruntime_extensions")
    for folder in (spec.submodule_search_locations if spec is not None else None) or ():
        for path in Path(folder).glob("_extensions_pydll.*.so"):
            return path
    raise ModelNotReady(
        "its graph has operators of onnxruntime-extensions, which is not installed here; pip install"
        " 'despliegue[images]' installs it, and on AWS only the function that answers requests has it, not those that"
        " score files"
    )


def register(options: ort.SessionOptions) -> None:
    """Make the operators known to a session that these options are for.

    Raises:
        ModelNotReady: they are not installed.
    """
    options.register_custom_ops_library(str(library()))


def open_session(path: Path, settings: "SessionSettings") -> "ort.InferenceSession | IsolatedSession":
    """A session of a graph with such operators, in a process of its own unless the settings say otherwise.

    Raises:
        ModelNotReady: the operators are not installed, or the process cannot load the graph.
        Exception: ONNX Runtime's, of any class; it cannot load the graph in this process.
    """
    if settings.isolated:
        from despliegue.models.isolated_session import IsolatedSession

        library()  # that it is not installed is said before a process is started, and it is not loaded into this one
        return IsolatedSession(path, settings)
    options = settings.options()
    register(options)
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
