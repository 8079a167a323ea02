"""What can go wrong, in the service's own words. No HTTP status here: `despliegue.http` gives each its own.

DespliegueError
├── RequestError                the caller's request is at fault
│   ├── InvalidRequest          it cannot be read, or does not fit the model's signature
│   ├── PayloadTooLarge         it, or its reply, is over a stated limit
│   ├── UnsupportedContentType  its body is in a format that the route does not read
│   ├── PathNotFound            no route has this path
│   ├── MethodNotAllowed        the route exists, but not for this method
│   ├── ModelNotFound           no model, or no such version of it, in the repository
│   ├── JobNotFound             no such job, or another caller's
│   └── NotSupported            a part of the protocol, or a type of the model, that is not served
├── UnscorableFile              a file's fault: it cannot be scored as it is, now or later
├── ModelNotReady               the model is there but cannot be loaded
└── InferenceError              the model failed while running
"""

import reprlib
from typing import Any

VALUE_CHARACTERS = 40
"""Callers' values are cut at this many characters in messages: an error must not echo a payload."""

# Cuts while it walks, so that the repr of a 6 MB string or list is never made to be thrown away.
_CUT = reprlib.Repr(maxlevel=2, maxlist=4, maxdict=2, maxstring=VALUE_CHARACTERS, maxother=VALUE_CHARACTERS, maxlong=30)
_JSON_WORDS = {"None": "null", "True": "true", "False": "false", "inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}


def shorten(value: Any) -> str:
    """`value` as a message shows it: as JSON would write it, near enough, cut at 40 characters."""
    try:
        text = _CUT.repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits, such as the product of a shape
        text = "a number of more than 4,300 digits"
    text = _JSON_WORDS.get(text, text)
    return text if len(text) <= VALUE_CHARACTERS else text[: VALUE_CHARACTERS - 1] + "…"


class DespliegueError(Exception):
    """Base of all errors that this library raises on purpose.

    Args:
        message: what was wrong, what was expected and what came; shown to the caller as it is.
        subject: the name of the input, output or parameter concerned, for logs; never a value.
    """

    def __init__(self, message: str, *, subject: str | None = None) -> None:
        super().__init__(message)
        self.subject = subject

    @property
    def code(self) -> str:
        """The error's stable name for logs and metrics."""
        return type(self).__name__


class RequestError(DespliegueError):
    """The caller's request is at fault; the same request will fail again."""


class InvalidRequest(RequestError):
    """The request cannot be read, or does not fit the model's signature."""


class PayloadTooLarge(RequestError):
    """The request or its reply is over a limit that the message states."""


class UnsupportedContentType(RequestError):
    """The body is in a format that this route does not read."""


class PathNotFound(RequestError):
    """No route has this path."""


class MethodNotAllowed(RequestError):
    """The route exists, but not for this method.

    Args:
        message: as in `DespliegueError`.
        allowed: the methods that the route has.
    """

    def __init__(self, message: str, *, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed


class ModelNotFound(RequestError):
    """The repository has no such model, or no such version of it."""


class JobNotFound(RequestError):
    """The caller has no such job; another's is as good as none."""


class NotSupported(RequestError):
    """A part of the protocol, or a type of the model, that is not served."""


class UnscorableFile(DespliegueError):
    """A file cannot be scored as it is; the same file will fail again."""


class ModelNotReady(DespliegueError):
    """The model is in the repository but cannot be loaded; the message says why."""


class InferenceError(DespliegueError):
    """The model failed while running on a request that fits its signature."""
