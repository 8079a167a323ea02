"""The pure function: finds the route, calls it, turns every error into its status. Nothing else knows statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from despliegue import errors
from despliegue.http.compression import deflate, inflate
from despliegue.http.messages import Outcome, Request, Response, error_response
from despliegue.http.routes import find_route
from despliegue.http.served import Auth, Served
from despliegue.http.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from despliegue.http.job_store import JobStore
    from despliegue.models import ModelRepository

WAY_ROUND: Final = "or have a file of them scored: POST /v2/models/MODEL/jobs"
"""Follows what a request is too large for, where there are jobs."""
_STATUS: Final[dict[type[errors.DespliegueError], int]] = {
    errors.InvalidRequest: 400,
    errors.PathNotFound: 404,
    errors.ModelNotFound: 404,
    errors.JobNotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.PayloadTooLarge: 413,
    errors.UnsupportedContentType: 415,
    errors.NotSupported: 501,
    errors.ModelNotReady: 500,
    errors.InferenceError: 500,
}


class InferenceService:
    """Serves the models of a repository. Safe to call from several threads.

    Args:
        repository: the models.
        default_model: `name` or `name@version` that `/invocations` means; empty for the only model.
        auth: what callers must prove to whoever stands before it, for the documents: nothing is checked here.
        jobs: gives what keeps the files of jobs, when the first one is asked for; None where nobody scores files.
    """

    def __init__(
        self,
        repository: ModelRepository,
        default_model: str = "",
        auth: Auth = "",
        jobs: Callable[[], JobStore] | None = None,
    ) -> None:
        self.repository = repository
        self._default_model = default_model
        self._auth = auth
        self._jobs = jobs
        self.reset()

    def reset(self) -> None:
        """Begin to count anew."""
        self._served = Served(self.repository, Statistics(), self._default_model, self._auth, self._jobs)

    def handle(self, request: Request) -> Response:
        """The response to `request`. Never raises: every failure is a response of the contract's form."""
        outcome = Outcome()
        try:
            inflate(request)
            call, parameters = find_route(request.method, request.path)
            response = call(self._served, request, outcome, **parameters)
        except errors.DespliegueError as error:
            if isinstance(error, errors.PayloadTooLarge) and self._jobs:
                error = errors.PayloadTooLarge(f"{error}, {WAY_ROUND}", subject=error.subject)
            response = error_reply(error, outcome, request.id)
        except Exception as error:  # a caller never sees a traceback, whatever we got wrong
            response = failure_reply(error, outcome, request.id)
        deprecated = self.repository.deprecated
        if deprecated and (deprecation := deprecated.get((outcome.model, outcome.version))):
            from despliegue.http.deprecation import announce  # here: few have any

            outcome.deprecated = True
            announce(request, response, deprecation)
        self._served.statistics.record(outcome)
        deflate(request, response)
        return response


def failure_reply(error: Exception, outcome: Outcome, request_id: str) -> Response:
    """The response to a mistake of ours; `outcome` is completed with it, to be logged."""
    outcome.error, outcome.failure = "InternalError", error
    return error_response(500, f"internal error; request id {request_id}", outcome)


def error_reply(error: errors.DespliegueError, outcome: Outcome, request_id: str) -> Response:
    """The response that `error` becomes; `outcome` is completed with it."""
    status = _STATUS[type(error)]
    outcome.error, outcome.subject = error.code, error.subject or ""
    message = str(error)
    if isinstance(error, errors.ModelNotFound):
        message = f"{message}; GET /v2/models lists the models"
    if status == 500:
        message = f"{message}; request id {request_id}"
    headers = {"allow": ", ".join(error.allowed)} if isinstance(error, errors.MethodNotAllowed) else None
    return error_response(status, message, outcome, headers)
