"""The local server's ASGI application: over a model repository that follows its files."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path

import msgspec
import orjson

from despliegue.asgi import Application, Limits, Service
from despliegue.errors import DespliegueError
from despliegue.http import InferenceService
from despliegue.http.job_store import JobStore
from despliegue.http.service import WAY_ROUND
from despliegue.models import Model, ModelRepository
from despliegue.protocols.infer_client import example_values, plain_request
from despliegue_cli import inbox
from despliegue_cli.curl import curl, curl_image
from despliegue_cli.describe import strays

REFRESH_SECONDS = 0.5
NAMES_SHOWN = 5

_log = logging.getLogger(__name__)


class ServerSettings(msgspec.Struct, frozen=True):
    """What `despliegue serve` was told.

    Attributes:
        models: root of the model repository.
        host: the address that it listens on.
        port: the port.
        api_key: what callers must send in x-api-key; empty for none.
        limits: `lambda` to refuse what the cloud would; else empty.
        inbox: the port of the inbox; 0 for none.
        default_model: `name` or `name@version` that `/invocations` means; empty for the only model.
        origins: of the pages that may read the replies; see `despliegue.http.cors`.
    """

    models: Path
    host: str
    port: int
    api_key: str = ""
    limits: str = ""
    inbox: int = 0
    default_model: str = ""
    origins: tuple[str, ...] = ()


def create_application(settings: ServerSettings) -> Application:
    """The application as the settings say."""
    repository = ModelRepository(settings.models)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(_greet(repository, settings)),
            asyncio.create_task(_refresh(repository, application)),
        ]
        yield
        for task in tasks:
            task.cancel()

    limits = Limits(threads=os.cpu_count() or 1, way_round=f", {WAY_ROUND}" if settings.inbox else "")
    service: Service = InferenceService(
        repository,
        default_model=settings.default_model,
        auth="ApiKey" if settings.api_key else "",
        jobs=cache(partial(_open_jobs, settings.inbox)) if settings.inbox else None,
    )
    if settings.limits == "lambda":
        from despliegue_cli.cloud import LambdaService

        service = LambdaService(service)
    if settings.api_key:
        from despliegue_cli.cloud import KeyedService

        service = KeyedService(service, settings.api_key)
    application = Application(service, limits, lifespan, settings.origins)
    return application


def _open_jobs(port: int) -> JobStore:
    from despliegue_cli.local_jobs import open_local_jobs  # here: loading S3's client would delay the start

    return open_local_jobs(port)


async def _greet(repository: ModelRepository, settings: ServerSettings) -> None:
    """Say where, once a connection is taken: whoever pastes the line, or waits for it, gets an answer."""
    text = await asyncio.to_thread(
        greeting, repository, url(settings.host, settings.port), keyed=bool(settings.api_key)
    )
    while True:
        try:
            _, writer = await asyncio.open_connection(settings.host, settings.port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            break
    if settings.inbox:
        ready = await inbox.answers(settings.inbox)
        print(inbox.greeting(settings.inbox, list(repository.index())) if ready else inbox.ENDED, flush=True)
    print(text, flush=True)


async def _refresh(repository: ModelRepository, application: Application) -> None:
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        try:
            changes = await asyncio.to_thread(repository.refresh)
            if changes:
                application.forget()
            for sentence in changes:
                print(sentence, flush=True)
        except Exception:  # a server that no longer follows its files must at least go on trying, and say so
            _log.exception("the models could not be brought up to date")


def url(host: str, port: int) -> str:
    """Where the server is reached from this machine."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 – compared, not listened on
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def greeting(repository: ModelRepository, where: str, *, keyed: bool = False) -> str:
    """What is printed when the server answers: where, the console, and, on the last line, a call to paste."""
    return f"Docs: {where}/docs\n{_greeting(repository, where, keyed=keyed)}"


def _greeting(repository: ModelRepository, where: str, *, keyed: bool) -> str:
    names = list(repository.index())
    if not names:
        return f"Serving no model yet on {where}: put one at {repository.root}/<name>/<version>/model.onnx"
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    warnings = [f"warning: {sentence}" for sentence in strays(repository)]
    ready: list[Model] = []
    for name in names:
        try:
            model = repository.get(name)
        except DespliegueError as error:
            warnings.append(f"warning: {error}")
            continue
        if model.in_json:
            ready.append(model)
            if not model.media_types:  # a call with a picture is for whoever has one
                break
    if not ready:
        return "\n".join([*warnings, f"Serving on {where}, but no model is ready to be called with JSON"])
    shown = ", ".join(names[:NAMES_SHOWN])
    return "\n".join([*warnings, f"Serving {shown}{more} on {where}. Try:", call(ready[-1], where, keyed=keyed)])


def call(model: Model, where: str, *, keyed: bool = False) -> str:
    """A call with the manifest's example, or with a row of zeros where it has none that fits."""
    if model.media_types:
        return curl_image(f"{where}/models/{model.name}/invocations", keyed=keyed)
    body = orjson.dumps(plain_request(model, example_values(model)))
    return curl(f"{where}/v2/models/{model.name}/infer", body, keyed=keyed)
