"""PredictFunction without its handler: made once at init, then an event in and an envelope out."""

from __future__ import annotations

import time
from functools import cache, partial
from typing import TYPE_CHECKING, Self

from despliegue.aws.gateway import Envelope, Event, read_event, read_origins, write_envelope
from despliegue.aws.observability import Observability
from despliegue.aws.snapstart import on_snapshot
from despliegue.errors import DespliegueError
from despliegue.http import InferenceService, Outcome, Request
from despliegue.http.memory import keep_freed_memory
from despliegue.http.open_inference import HEADER_LENGTH
from despliegue.http.reply_headers import complete
from despliegue.http.service import error_reply, failure_reply
from despliegue.models import ModelRepository, SessionSettings
from despliegue.protocols.infer_client import encode_request

if TYPE_CHECKING:
    from despliegue.aws.settings import Settings
    from despliegue.http.job_store import JobStore

PRELOAD_SECONDS = 7.0
"""Time for loading models at init. Lambda ends an init at ten seconds, and the imports need theirs."""


class PredictFunction:
    """The HTTP core behind API Gateway, with its logs and metrics."""

    def __init__(self, service: InferenceService, observability: Observability) -> None:
        self.service = service
        self.observability = observability

    @classmethod
    def start(cls, settings: Settings) -> Self:
        """Open the repository, load the configured models, and get ready for a snapshot where one is taken."""
        keep_freed_memory()
        repository = ModelRepository(
            settings.models, SessionSettings(settings.threads, settings.session_memory, quick=True)
        )
        # Opened with the first job: S3's client takes longer to load than everything else together.
        jobs = cache(partial(_open_jobs, settings)) if settings.inbox and settings.results else None
        service = InferenceService(repository, default_model=settings.default_model, auth=settings.auth, jobs=jobs)
        function = cls(service, Observability(settings.namespace, settings.service))
        only = () if settings.preload else tuple(filter(None, [repository.only_model()]))
        for problem in repository.preload(settings.preload or only, within=PRELOAD_SECONDS):
            function.observability.logger.warning("model not loaded at init", extra={"problem": problem})
        if settings.snapstart:
            on_snapshot(before=function.warm_up, after=function.reset)
        return function

    def reply(self, event: Event, request_id: str) -> Envelope:
        """The envelope for one API Gateway event. Never raises for anything that an event can hold."""
        started = time.perf_counter()
        request = response = None
        origins: tuple[str, ...] = ()
        try:
            request = read_event(event)
            request.id = request.id or request_id
            if variables := event.get("stageVariables"):
                origins = read_origins(variables)
            response = self.service.handle(request)
            complete(request, response, origins)
            envelope = write_envelope(response)
        except Exception as error:  # one of ours, or an event of a form that API Gateway does not send
            request = request or Request("", "", id=request_id)
            outcome = response.outcome if response else Outcome()
            if isinstance(error, DespliegueError):
                response = error_reply(error, outcome, request.id)
            else:
                response = failure_reply(error, outcome, request.id)
            complete(request, response, origins)
            envelope = write_envelope(response)
        self.observability.record(request, response, request_id, started)
        return envelope

    def reset(self) -> None:
        """Be as if nothing had been asked: every environment restored from a snapshot counts for itself."""
        self.observability.reset()
        self.service.reset()

    def warm_up(self) -> None:
        """Send each loaded model one row of zeros through the core, so that a snapshot holds everything warm.

        The handler is not called: it would count a request and spend the cold-start flag. A model that fails on
        zeros is logged and nothing more.
        """
        _ = self.observability.logger  # which a snapshot has room for
        for model in self.service.repository.loaded():
            body, json_length = encode_request(model, model.zeros())
            headers = {} if json_length is None else {HEADER_LENGTH: str(json_length)}
            path = f"/v2/models/{model.name}/versions/{model.version}/infer"
            response = self.service.handle(Request("POST", path, headers, body, "warm-up"))
            if response.status != 200:
                self.observability.logger.warning(
                    "warm-up failed", extra={"model": model.name, "version": model.version, "status": response.status}
                )


def _open_jobs(settings: Settings) -> JobStore:
    from despliegue.aws.jobs import open_jobs

    return open_jobs(settings.inbox, settings.results, settings.endpoint)
