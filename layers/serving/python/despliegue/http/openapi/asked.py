"""A service to ask what the documents show."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from despliegue.http.messages import Request, Response
from despliegue.http.open_inference import BINARY, HEADER_LENGTH
from despliegue.http.openapi.example_jobs import ExampleJobs
from despliegue.http.served import Served
from despliegue.http.service import InferenceService
from despliegue.models import Model, ModelRepository
from despliegue.protocols.infer_client import encode_request

REQUEST_ID: Final = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
"""What stands for a request's id."""


class Asked:
    """A service of its own over a repository, so that what is asked for a document is counted nowhere.

    Args:
        repository: the models.
        default_model: what `/invocations` means.
        jobs: whether there are jobs; those that are asked for here come to nothing.
    """

    def __init__(self, repository: ModelRepository, default_model: str = "", *, jobs: bool = False) -> None:
        store = ExampleJobs()
        self._service = InferenceService(repository, default_model, jobs=(lambda: store) if jobs else None)

    @classmethod
    def of(cls, served: Served) -> Self:
        """One that has what `served` has."""
        return cls(served.repository, served.default_model, jobs=served.jobs is not None)

    @classmethod
    def without_models(cls, *, jobs: bool) -> Self:
        """One that has no model to answer with."""
        return cls(ModelRepository(Path(os.devnull)), jobs=jobs)

    def __call__(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Response:
        """The response to a request."""
        return self._service.handle(Request(method, path, headers or {}, body, REQUEST_ID))

    def zeros(self, path: str, model: Model) -> tuple[bytes, int | None, Response]:
        """An inference of one row of zeros for all outputs, how many bytes of it are JSON, and the response.

        Where JSON cannot carry all of it, it travels as raw tensors.
        """
        body, length = encode_request(model, model.zeros())
        headers = {} if length is None else {"content-type": BINARY, HEADER_LENGTH: str(length)}
        return body, length, self("POST", path, body, headers)
