"""A service to ask what the documents show."""

from collections.abc import Mapping
from typing import Final

from despliegue.http.messages import Request, Response
from despliegue.http.open_inference import BINARY, HEADER_LENGTH
from despliegue.http.service import InferenceService
from despliegue.models import Model, ModelRepository
from despliegue.protocols.infer_client import encode_request

REQUEST_ID: Final = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
"""What stands for a request's id."""


class Asked:
    """A service of its own over the repository, so that what is asked for a document is counted nowhere."""

    def __init__(self, repository: ModelRepository) -> None:
        self._service = InferenceService(repository)

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
