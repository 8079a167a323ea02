"""What the deployed API refuses, refused on this machine too: no key, and what Lambda does not carry."""

import hmac
import time

from despliegue.asgi import Service
from despliegue.aws.gateway import MAX_ENVELOPE, write_envelope
from despliegue.errors import PayloadTooLarge
from despliegue.http import Outcome, Request, Response
from despliegue.http.messages import error_response
from despliegue.http.openapi import gateway
from despliegue.http.service import WAY_ROUND, error_reply

NO_KEY = gateway.NO_KEY
TIMEOUT_SECONDS = 28
"""The deployed function's."""
_AROUND_A_BODY = 4096
"""About what an event holds beside the body and the headers."""


class KeyedService:
    """Answers only requests that carry the API key, as API Gateway does with PublicConsole: the bare page is open.

    Args:
        service: what answers them.
        key: what `x-api-key` must be.
    """

    def __init__(self, service: Service, key: str) -> None:
        self._service = service
        self._key = key.encode()

    def handle(self, request: Request) -> Response:
        """The response to `request`; 403 without the key, but for the page where it can be typed in."""
        is_page = request.method in ("GET", "HEAD") and request.path.rstrip("/") == "/docs"
        if not is_page and not hmac.compare_digest(request.headers.get("x-api-key", "").encode(), self._key):
            return error_response(403, NO_KEY, Outcome(error="InvalidApiKey"))
        return self._service.handle(request)


class LambdaService:
    """Refuses what API Gateway and Lambda would: too large a request or reply, and an answer that takes too long."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def handle(self, request: Request) -> Response:
        """The response to `request`, if the cloud would carry both."""
        headers = sum(len(name) + len(value) for name, value in request.headers.items())
        size = len(request.body) * 4 // 3 + headers + _AROUND_A_BODY
        if size > MAX_ENVELOPE:
            error = PayloadTooLarge(
                f"the request would be {size:,} bytes as an event, over the {MAX_ENVELOPE:,} (6 MB) that Lambda takes,"
                f" about 4.5 MB of body; send fewer rows in a request, {WAY_ROUND}"
            )
            return error_reply(error, Outcome(), request.id)
        started = time.monotonic()
        response = self._service.handle(request)
        seconds = time.monotonic() - started
        if seconds > TIMEOUT_SECONDS:
            message = f"no reply within {TIMEOUT_SECONDS} seconds (it took {seconds:.0f}): send fewer rows in a request"
            return error_response(504, message, response.outcome)
        try:
            write_envelope(response)
        except PayloadTooLarge as error:
            return error_reply(error, response.outcome, request.id)
        return response
