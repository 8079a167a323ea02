"""Calls models that are served by Despliegue. This module is only names."""

from despliegue_client._client import Client
from despliegue_client._errors import (
    ApiError,
    ConnectionFailed,
    DespliegueClientError,
    InvalidRequest,
    JobFailed,
    NotAuthorized,
    NotFound,
    ServerError,
    Throttled,
    TooLarge,
    VersionDeprecated,
)
from despliegue_client._jobs import Scored
from despliegue_client._replies import Classification, ModelMetadata, Prediction, Tensor

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "Classification",
    "Client",
    "ConnectionFailed",
    "DespliegueClientError",
    "InvalidRequest",
    "JobFailed",
    "ModelMetadata",
    "NotAuthorized",
    "NotFound",
    "Prediction",
    "Scored",
    "ServerError",
    "Tensor",
    "Throttled",
    "TooLarge",
    "VersionDeprecated",
]
