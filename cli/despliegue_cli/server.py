"""The local server's worker process: the ASGI application over a model repository that follows its files."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import orjson

from despliegue.asgi import Application, Limits
from despliegue.http import InferenceService
from despliegue.models import ModelRepository
from despliegue_cli.describe import greeting

ENVIRONMENT_VARIABLE = "DESPLIEGUE_SERVE"
REFRESH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What `despliegue serve` tells its worker, through one environment variable.

    Attributes:
        models: root of the model repository.
        host: the address that it listens on.
        port: the port.
    """

    models: str
    host: str
    port: int

    def write(self, environment: dict[str, str] | os._Environ[str]) -> None:
        """Put the settings where the worker, a new process, finds them."""
        environment[ENVIRONMENT_VARIABLE] = orjson.dumps(asdict(self)).decode()

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """The settings that `write` put there."""
        return cls(**orjson.loads(environment[ENVIRONMENT_VARIABLE]))


def create_application() -> Application:
    """The application as the settings in the environment say."""
    settings = ServerSettings.read(os.environ)
    repository = ModelRepository(Path(settings.models))

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_greet(repository, settings)), asyncio.create_task(_refresh(repository))]
        yield
        for task in tasks:
            task.cancel()

    return Application(InferenceService(repository), Limits(threads=os.cpu_count() or 1), lifespan)


async def _greet(repository: ModelRepository, settings: ServerSettings) -> None:
    """Say where, once a connection is taken: whoever pastes the line, or waits for it, gets an answer."""
    text = await asyncio.to_thread(greeting, repository, f"http://{settings.host}:{settings.port}")
    while True:
        try:
            _, writer = await asyncio.open_connection(settings.host, settings.port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            print(text, flush=True)
            return


async def _refresh(repository: ModelRepository) -> None:
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        for name, version in await asyncio.to_thread(repository.refresh):
            print(f"{name} {version}: its files changed; loaded anew", flush=True)
