"""What can go wrong, from the caller's side.

DespliegueClientError
├── ConnectionFailed     nobody answered
├── JobFailed            a file could not be scored, or not in time
└── ApiError             the service said no; it has `status`, `message` and `request_id`
    ├── InvalidRequest   400 and other statuses that say the request is at fault
    ├── NotAuthorized    401, 403: no key, a wrong one, or a wrong signature
    ├── NotFound         404: no such model or version
    ├── TooLarge         413: `score_file` is the way round
    ├── Throttled        429: too many requests, or a quota used up; `retry_after` in seconds
    └── ServerError      5xx: the service's fault
"""

from __future__ import annotations


class DespliegueClientError(Exception):
    """Base of all errors of this package."""


class ConnectionFailed(DespliegueClientError):
    """Nobody answered, or the answer broke off."""


class JobFailed(DespliegueClientError):
    """A file could not be scored, or not in time."""


class ApiError(DespliegueClientError):
    """The service said no.

    Attributes:
        status: the HTTP status.
        message: what was wrong, what was expected, what came.
        request_id: by which the service's owner finds the request in the logs; empty if the reply had none.
        retry_after: seconds after which to try again; None where the reply did not say.
    """

    def __init__(self, status: int, message: str, request_id: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"{status}: {message}" + (f" (request id {request_id})" if request_id else ""))
        self.status = status
        self.message = message
        self.request_id = request_id
        self.retry_after = retry_after


class InvalidRequest(ApiError):
    """The request cannot be read, or does not fit the model."""


class NotAuthorized(ApiError):
    """The key or the signature is missing or not accepted."""


class NotFound(ApiError):
    """There is no such model, version or path."""


class TooLarge(ApiError):
    """The request or its reply is over a limit."""


class Throttled(ApiError):
    """Too many requests came at once, or a quota is used up."""


class ServerError(ApiError):
    """The service failed."""


class VersionDeprecated(FutureWarning):
    """The version that answered is on its way out."""


def api_error(status: int, message: str, request_id: str, retry_after: float | None) -> ApiError:
    """The error that a status stands for."""
    kinds: dict[int, type[ApiError]] = {
        401: NotAuthorized,
        403: NotAuthorized,
        404: NotFound,
        413: TooLarge,
        429: Throttled,
    }
    fallback = ServerError if status >= 500 else InvalidRequest if status >= 400 else ApiError
    return kinds.get(status, fallback)(status, message, request_id, retry_after)
