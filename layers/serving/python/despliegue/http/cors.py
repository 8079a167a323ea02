"""Cross-origin requests: who is let read the replies. Source: fetch.spec.whatwg.org, "CORS protocol".

Off unless origins are named. Deployed, API Gateway answers preflights itself (template.yaml), in these words.
"""

import re
from typing import Final

from despliegue.errors import DespliegueError, shorten
from despliegue.http.messages import JSON, Request, Response

ANY: Final = "*"
METHODS: Final = "GET, HEAD, POST"
ALLOWED_HEADERS: Final = (
    "Accept, Authorization, Content-Encoding, Content-Type, If-None-Match, Inference-Header-Content-Length, X-Api-Key,"
    " X-Amz-Content-Sha256, X-Amz-Date, X-Amz-Security-Token, X-Correlation-Id, X-Request-Id"
)
"""What a page may send: all that the API reads, and what a key or a signature needs."""
EXPOSED_HEADERS: Final = (
    "Allow, Deprecation, ETag, Inference-Header-Content-Length, Link, Retry-After, Server-Timing, Sunset,"
    " X-Correlation-Id, X-Request-Id"
)
"""What a page may read of a reply, beside what every page may."""
MAX_AGE: Final = "7200"
"""Seconds that a browser keeps the answer to a preflight: the most that Chromium does."""

ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


def check_origins(origins: tuple[str, ...]) -> None:
    """Refuse what no browser would send as its page's origin.

    Raises:
        DespliegueError: one is not an origin.
    """
    for origin in origins:
        if origin != ANY and not ORIGIN.fullmatch(origin):
            raise DespliegueError(
                f"{shorten(origin)} is no origin; expected * or scheme, host and port alone, such as https://example.org"
            )


def allow(request: Request, response: Response, origins: tuple[str, ...]) -> None:
    """Let the page that asks read the reply, if it is of one of the `origins`; in place."""
    headers = response.headers
    if ANY in origins:
        headers["access-control-allow-origin"] = ANY
    else:
        # Even where it does not match: what keeps a reply must know that another page would get another one.
        headers["vary"] = f"{headers['vary']}, origin" if "vary" in headers else "origin"
        if (origin := request.headers.get("origin")) not in origins:
            return
        headers["access-control-allow-origin"] = str(origin)
    headers["access-control-expose-headers"] = EXPOSED_HEADERS


def preflight() -> Response:
    """The answer to a browser that asks what a page may send. It carries no key, and tells nothing."""
    headers = {
        "content-type": JSON,
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": ALLOWED_HEADERS,
        "access-control-max-age": MAX_AGE,
    }
    return Response(200, b"", headers)
