"""The functions' environment, parsed once into a frozen model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import msgspec

from despliegue.http.served import Auth

MEGABYTES_PER_CPU: Final = 1769
"""Memory that buys one vCPU (AWS Lambda developer guide, "Configure Lambda function memory")."""

_OWN_MEMORY: Final = 192
"""Megabytes that the function takes itself, with room."""
_AUTH: Final[dict[str, Auth]] = {"ApiKey": "ApiKey", "Iam": "Iam"}


class Settings(msgspec.Struct, frozen=True):
    """What the template tells a function.

    Attributes:
        models: root of the model repository.
        preload: `name` or `name@version` each, loaded at init; empty for the repository's only model, if it has one.
        default_model: `name` or `name@version` that `/invocations` means; empty for the repository's only model.
        threads: threads inside one operator: the vCPUs that the memory buys.
        session_memory: bytes that a process of a model's own may take: what the function itself leaves over.
        snapstart: whether a snapshot is taken after init.
        auth: what API Gateway asks callers to prove.
        inbox: name of the bucket whose files are scored; empty for none.
        results: name of the results bucket; empty for none.
        endpoint: where the AWS clients go; empty for AWS itself.
        namespace: of the metrics.
        service: the metrics' dimension of that name: the stack's name.
    """

    models: Path
    preload: tuple[str, ...]
    default_model: str
    threads: int
    session_memory: int
    snapstart: bool
    auth: Auth
    inbox: str
    results: str
    endpoint: str
    namespace: str
    service: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """The settings in `environment`; see `template.yaml` for what sets them."""
        names = environment.get("DESPLIEGUE_PRELOAD", "").split(",")
        memory = int(environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEGABYTES_PER_CPU))
        return cls(
            models=Path(environment.get("DESPLIEGUE_MODELS", "/opt/models")),
            preload=tuple(name.strip() for name in names if name.strip()),
            default_model=environment.get("DESPLIEGUE_DEFAULT_MODEL", ""),
            threads=max(1, memory // MEGABYTES_PER_CPU),
            session_memory=(memory - _OWN_MEMORY) * 2**20,
            snapstart=environment.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start",
            auth=_AUTH.get(environment.get("DESPLIEGUE_AUTH", ""), ""),
            inbox=environment.get("DESPLIEGUE_INBOX_BUCKET", ""),
            results=environment.get("DESPLIEGUE_RESULTS_BUCKET", ""),
            endpoint=environment.get("DESPLIEGUE_AWS_ENDPOINT", ""),
            namespace=environment.get("POWERTOOLS_METRICS_NAMESPACE", "Despliegue"),
            service=environment.get("POWERTOOLS_SERVICE_NAME", "service_undefined"),  # as Powertools has it
        )


class ScoreSettings(msgspec.Struct, frozen=True):
    """What the template tells the functions that score files.

    Attributes:
        models: root of the model repository.
        threads: threads inside one operator: the vCPUs that the memory buys.
        inbox: name of the only bucket whose files are scored; empty for any.
        results: name of the results bucket.
        endpoint: where the AWS clients go; empty for AWS itself.
        event_bus: name or ARN of the bus that hears of each file; empty for none.
        topic_arn: the SNS topic that hears of each file; empty for none.
    """

    models: Path
    threads: int
    inbox: str
    results: str
    endpoint: str
    event_bus: str
    topic_arn: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """The settings in `environment`; see `template.yaml` for what sets them."""
        common = Settings.read(environment)
        return cls(
            models=common.models,
            threads=common.threads,
            inbox=common.inbox,
            results=environment["DESPLIEGUE_RESULTS_BUCKET"],
            endpoint=common.endpoint,
            event_bus=environment.get("DESPLIEGUE_EVENT_BUS", "default"),
            topic_arn=environment.get("DESPLIEGUE_TOPIC_ARN", ""),
        )
