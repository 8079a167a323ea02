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
        url: where the server is reached.
    """

    models: str
    url: str

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
        refreshing = asyncio.create_task(_refresh(repository))
        print(greeting(repository, settings.url), flush=True)
        yield
        refreshing.cancel()

    return Application(InferenceService(repository), Limits(threads=os.cpu_count() or 1), lifespan)


async def _refresh(repository: ModelRepository) -> None:
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        for name, version in await asyncio.to_thread(repository.refresh):
            print(f"{name} {version}: its files changed; loaded anew", flush=True)
