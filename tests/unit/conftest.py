"""A request to `/invocations`, in any format, of the models that are shipped or added."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from despliegue.http import InferenceService, Request
from despliegue.models import ModelRepository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from despliegue.http import Response


@pytest.fixture(scope="session")
def shipped(root: Path) -> InferenceService:
    """Serves the repository's own models."""
    return InferenceService(ModelRepository(root / "layers" / "models"))


@pytest.fixture
def invoke(shipped: InferenceService, repository: ModelRepository) -> Callable[..., Response]:
    """`invoke(body, model, content_type, accept)`: bytes as they are, text in UTF-8, all else as JSON."""

    def call(
        body: Any, model: str = "penguins", content_type: str = "application/json", accept: str = "*/*"
    ) -> Response:
        service = shipped if model in shipped.repository.index() else InferenceService(repository)
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        headers = {"content-type": content_type, "accept": accept}
        return service.handle(Request("POST", f"/models/{model}/invocations", headers, data, "request-1"))

    return call
