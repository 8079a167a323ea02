"""What an adapter hands in and gets back. Nothing of AWS, ASGI or a socket in here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

JSON: Final = "application/json"


@dataclass(slots=True)
class Request:
    """An HTTP request as every adapter gives it.

    Attributes:
        method: in capitals.
        path: decoded, without stage or base path.
        headers: names in lower case.
        body: as sent, after any transfer encoding.
        id: the adapter's id for this request, named in the reply when the fault is ours.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    id: str = ""


@dataclass(slots=True)
class Outcome:
    """What happened, for logs and metrics; never a caller's value.

    Attributes:
        model: the model that answered or failed; empty until it is known to exist.
        version: its version.
        rows: rows predicted.
        error: the error's code; empty when all went well.
        subject: name of the input, output or parameter that was at fault.
        failure: the exception, where the fault is ours.
    """

    model: str = ""
    version: str = ""
    rows: int = 0
    error: str = ""
    subject: str = ""
    failure: BaseException | None = None


@dataclass(slots=True)
class Response:
    """An HTTP response, and what happened."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": JSON})
    outcome: Outcome = field(default_factory=Outcome)


def error_response(status: int, message: str, outcome: Outcome, headers: Mapping[str, str] | None = None) -> Response:
    """The one form that every failure has: `{"error": message}`."""
    return Response(status, orjson.dumps({"error": message}), {"content-type": JSON, **(headers or {})}, outcome)
