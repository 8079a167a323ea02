"""One call over HTTP, made again where that may help. Every call of this package can be repeated.

Predictions change nothing, and a job that is asked for twice is one that no file ever comes for, and lapses.

Source of the rules: RFC 9110 (10.2.3, Retry-After); "Exponential Backoff And Jitter", AWS Architecture Blog.
"""

from __future__ import annotations

import gzip
import http.client
import json
import random
import time
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import IO, TYPE_CHECKING, Any

from despliegue_client._errors import ApiError, ConnectionFailed, api_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RETRIED = (429, 502, 503, 504)
LONGEST_PAUSE = 60.0
"""Seconds. Who is told to wait for longer is told so at once."""
WORTH_PACKING = 32 * 1024
"""Bodies below this many bytes are sent as they are."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: following it would hand the key to whoever stands there."""

    def redirect_request(self, *arguments: Any) -> None:
        """None: do not follow."""


_opener = urllib.request.build_opener(_NoRedirects)


@dataclass(frozen=True)
class Reply:
    """Status line and headers are dealt with; what is left is this."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Transport:
    """How calls are made.

    Attributes:
        headers: sent with every call to the service.
        timeout: seconds that a connection may be silent.
        retries: calls made after the first one failed.
        pause: seconds before the first of them; each later one is twice as long, at random down to half.
    """

    headers: Mapping[str, str]
    timeout: float
    retries: int
    pause: float

    def call(self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """The service's reply.

        Raises:
            ApiError: it is an error.
            ConnectionFailed: there is none.
        """
        sent = {"accept": "application/json", "accept-encoding": "gzip", **self.headers, **(headers or {})}
        if body is not None and len(body) >= WORTH_PACKING:
            body, sent["content-encoding"] = gzip.compress(body, 1), "gzip"
        return self.again(lambda: self.once(method, url, body, sent, _read))

    def once(
        self, method: str, url: str, body: Any, headers: Mapping[str, str], read: Callable[[IO[bytes], Any], Reply]
    ) -> Reply:
        """One call, with just these headers; `read` takes what comes."""
        request = urllib.request.Request(url, body, dict(headers), method=method)  # noqa: S310 – Client checked it
        try:
            with _opener.open(request, timeout=self.timeout) as response:
                return read(response, response.headers)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error) from None
        except (OSError, http.client.HTTPException, EOFError, zlib.error) as error:
            reason = getattr(error, "reason", None) or error
            raise ConnectionFailed(f"{method} {url} got no answer: {reason}") from error

    def again(self, attempt: Callable[[], Reply]) -> Reply:
        """What `attempt` gives in the end; made anew, after a pause, where it failed in a way that may pass."""
        for number in range(self.retries):
            longest = min(self.pause * 2**number, LONGEST_PAUSE)
            wait = random.uniform(longest / 2, longest)
            try:
                return attempt()
            except ConnectionFailed:
                pass
            except ApiError as error:
                told = error.retry_after
                if error.status not in RETRIED or (told is not None and told > LONGEST_PAUSE):
                    raise
                wait = max(wait, told or 0.0)
            time.sleep(wait)
        return attempt()


def _read(response: IO[bytes], headers: Any) -> Reply:
    body = response.read()
    return Reply(gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body, headers)


def _refusal(error: urllib.error.HTTPError) -> ApiError:
    try:
        body = _read(error, error.headers).body
    except (OSError, http.client.HTTPException, EOFError, zlib.error):
        body = b""
    try:
        document = json.loads(body)
        message = str(document.get("error") or document["message"])  # the latter is API Gateway's own
    except (ValueError, KeyError, AttributeError):
        message = body[:200].decode("utf-8", "replace").strip() or str(error.reason)
    identifier = error.headers.get("x-request-id") or error.headers.get("x-amzn-requestid") or ""
    return api_error(error.code, message, identifier, _seconds(error.headers.get("retry-after")))


def _seconds(text: str | None) -> float | None:
    """Retry-After: seconds, or a date."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((then - datetime.now(timezone.utc)).total_seconds(), 0.0)
