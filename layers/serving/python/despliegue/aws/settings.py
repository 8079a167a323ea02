"""The functions' environment, parsed once into a frozen model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import msgspec

MEGABYTES_PER_CPU: Final = 1769
"""Memory that buys one vCPU (AWS Lambda developer guide, "Configure Lambda function memory")."""


class Settings(msgspec.Struct, frozen=True):
    """What the template tells a function.

    Attributes:
        models: root of the model repository.
        preload: `name` or `name@version` each, loaded at init; empty for the repository's only model, if it has one.
        threads: threads inside one operator: the vCPUs that the memory buys.
        snapstart: whether a snapshot is taken after init.
    """

    models: Path
    preload: tuple[str, ...]
    threads: int
    snapstart: bool

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """The settings in `environment`; see `template.yaml` for what sets them."""
        names = environment.get("DESPLIEGUE_PRELOAD", "").split(",")
        return cls(
            models=Path(environment.get("DESPLIEGUE_MODELS", "/opt/models")),
            preload=tuple(name.strip() for name in names if name.strip()),
            threads=max(1, int(environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "0")) // MEGABYTES_PER_CPU),
            snapstart=environment.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start",
        )
