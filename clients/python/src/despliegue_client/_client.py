"""The client: a method for each thing that a customer does."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from despliegue_client import _jobs
from despliegue_client._errors import ConnectionFailed, VersionDeprecated
from despliegue_client._replies import ModelMetadata, Prediction, read_metadata, read_prediction
from despliegue_client._rows import encode_instances
from despliegue_client._transport import Transport

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from despliegue_client._jobs import Scored
    from despliegue_client._transport import Reply


class Client:
    """Calls one service. Safe to use from several threads.

    Args:
        url: where the service is, with its stage or base path.
        key: what it asks for in `x-api-key`; None if it asks for nothing.
        timeout: seconds that a connection may be silent.
        retries: calls made after one that met 429, 502, 503, 504 or nobody.
        pause: seconds before the first of them; see `_transport`.

    Raises:
        ValueError: `url` is no http or https address, or the key is no visible ASCII.
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 30.0, retries: int = 4, pause: float = 0.5
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url!r} is not where a service is; expected https://host/base or http://host:port")
        if key is not None and not (key.isascii() and key.isprintable() and key and " " not in key):
            raise ValueError("the key is not visible ASCII; expected it as it was handed over")
        self.url = url.rstrip("/")
        self._transport = Transport({"x-api-key": key} if key else {}, timeout, retries, pause)

    def __repr__(self) -> str:
        return f"Client({self.url!r})"  # never with the key: it would stand in logs

    def models(self) -> list[str]:
        """The names of the models that there are."""
        return list(_json(self._transport.call("GET", f"{self.url}/v2/models"))["models"])

    def metadata(self, model: str, version: str | None = None) -> ModelMetadata:
        """What the service says of a model.

        Raises:
            NotFound: there is no such model or version.
        """
        return read_metadata(_json(self._transport.call("GET", self._path("v2", model, version))))

    def predict(self, model: str, data: Any, version: str | None = None) -> list[Prediction]:
        """The model's prediction for each row, in order.

        Args:
            model: the model.
            data: a DataFrame, a list of dicts, a dict of columns (or of plain values: one row), or an array.
            version: the version; None for the default one.

        Returns:
            For each row a `Classification`, a `float`, or a dict of all outputs, as the model is.

        Raises:
            TypeError, ValueError: `data` is nothing of that.
            InvalidRequest: it does not fit the model; the message says where.
            TooLarge: it has too many rows for a request; send fewer, or use `score_file`.
            ApiError: another one of `_errors`.
            ConnectionFailed: nobody answered.
        """
        url = f"{self._path('v1', model, version)}:predict"
        reply = self._transport.call("POST", url, encode_instances(data), {"content-type": "application/json"})
        if "deprecation" in reply.headers:
            until = f", and may be gone from {sunset}" if (sunset := reply.headers.get("sunset")) else ""
            warnings.warn(f"this version of {model} is on its way out{until}", VersionDeprecated, stacklevel=2)
        return [read_prediction(value) for value in _json(reply)["predictions"]]

    def score_file(
        self,
        model: str,
        path: str | os.PathLike[str],
        output: str | os.PathLike[str],
        version: str | None = None,
        *,
        options: Mapping[str, str] | None = None,
        within: float = 3600.0,
    ) -> Scored:
        """Score a file of any size: CSV, JSON Lines or Parquet, told by its ending; .gz or .zst may follow.

        Args:
            model: the model.
            path: the file.
            output: where the scored rows go; the rejected ones go beside it, into `OUTPUT.rejects.jsonl`.
            version: the version; None for the default one.
            options: how it is read and written, such as {"delimiter": ";"}; the service's documents list them.
            within: seconds to wait for the result.

        Raises:
            ValueError: the file's ending is none that is scored.
            JobFailed: the file could not be scored, or not in time.
            ApiError, ConnectionFailed: as `predict`.
        """
        url = f"{self._path('v2', model, version)}/jobs"
        return _jobs.score(self._transport, url, Path(path), Path(output), options or {}, within)

    def _path(self, protocol: str, model: str, version: str | None) -> str:
        below = f"/versions/{quote(version, safe='')}" if version is not None else ""
        return f"{self.url}/{protocol}/models/{quote(model, safe='')}{below}"


def _json(reply: Reply) -> Any:
    try:
        return json.loads(reply.body)
    except ValueError as error:
        raise ConnectionFailed("the answer is not JSON: is this the address of a Despliegue service?") from error
