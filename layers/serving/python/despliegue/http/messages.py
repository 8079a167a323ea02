"""What an adapter hands in and gets back. Nothing of AWS, ASGI or a socket in here."""

from collections.abc import Mapping
from typing import Final

import msgspec
import orjson

JSON: Final = "application/json"


class Request(msgspec.Struct):
    """An HTTP request as every adapter gives it.

    Attributes:
        method: in capitals.
        path: decoded, without stage or base path.
        headers: names in lower case.
        body: as sent, after any transfer encoding.
        id: the adapter's id for this request, named in the reply when the fault is ours.
        caller: whom the adapter takes it to be from; empty where everybody is the same.
    """

    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    id: str = ""
    caller: str = ""


class Outcome(msgspec.Struct):
    """What happened, for logs and metrics; never a caller's value.

    Attributes:
        model: the model that answered or failed; empty until it is known to exist.
        version: its version.
        rows: rows predicted.
        deprecated: whether the version is on its way out.
        isolated: whether the model runs in a process of its own.
        durations: nanoseconds of decoding, running and encoding, of an inference that came so far; else nothing.
        error: the error's code; empty when all went well.
        subject: name of the input, output or parameter that was at fault.
        failure: the exception, where it is one that nobody raised on purpose.
    """

    model: str = ""
    version: str = ""
    rows: int = 0
    deprecated: bool = False
    isolated: bool = False
    durations: tuple[int, ...] = ()
    error: str = ""
    subject: str = ""
    failure: BaseException | None = None


class Response(msgspec.Struct):
    """An HTTP response, and what happened. To HEAD the adapter sends all but the body, which it still measures."""

    status: int
    body: bytes
    headers: dict[str, str] = msgspec.field(default_factory=lambda: {"content-type": JSON})
    outcome: Outcome = msgspec.field(default_factory=Outcome)


def error_response(status: int, message: str, outcome: Outcome, headers: Mapping[str, str] | None = None) -> Response:
    """The one form that every failure has: `{"error": message}`."""
    return Response(status, orjson.dumps({"error": message}), {"content-type": JSON, **(headers or {})}, outcome)
