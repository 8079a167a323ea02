"""The headers that every reply has, whoever made it: the adapters add them last."""

from typing import Final

from despliegue.http.messages import Request, Response

REQUEST_ID: Final = "x-request-id"
CORRELATION_ID: Final = "x-correlation-id"
MAX_ID: Final = 128
"""Most characters of a caller's id that are taken for one."""

_TIMING: Final = "decode;dur=%.3f, run;dur=%.3f, encode;dur=%.3f"
"""In milliseconds. Source: w3.org/TR/server-timing. Filled in by %, which takes half as long as an f-string."""


def is_id(given: str) -> bool:
    """Whether a caller's id is one that can be sent back and logged: visible ASCII, at most 128 characters."""
    return 0 < len(given) <= MAX_ID and given.isascii() and given.isprintable() and " " not in given


def complete(request: Request, response: Response, origins: tuple[str, ...] = ()) -> None:
    """Add the request's ids, where the time went, and what a page of another origin may read, in place.

    Args:
        request: what came.
        response: what goes.
        origins: of the pages that may read it; see `cors`.
    """
    headers, given = response.headers, request.headers
    headers[REQUEST_ID] = request.id
    if REQUEST_ID in given and is_id(given[REQUEST_ID]):
        headers[REQUEST_ID] = given[REQUEST_ID]
    if CORRELATION_ID in given and is_id(given[CORRELATION_ID]):
        headers[CORRELATION_ID] = given[CORRELATION_ID]
    if response.status == 200 and (durations := response.outcome.durations):
        decode, run, encode = durations
        headers["server-timing"] = _TIMING % (decode / 1e6, run / 1e6, encode / 1e6)
    if origins:
        from despliegue.http.cors import allow  # here: it is off unless asked for

        allow(request, response, origins)
