"""Files, the way round the limit of a request: uploaded, scored by the service, and fetched."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin

from despliegue_client._errors import JobFailed
from despliegue_client._transport import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from despliegue_client._transport import Transport

_FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_PACKINGS = {".gz": "gzip", ".zst": "zstd"}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0


@dataclass(frozen=True)
class Scored:
    """A file that was scored.

    Attributes:
        output: the scored rows.
        rejects: the rows that could not be scored, each with the reason, in JSON Lines; None where there is none.
        rows: how many were `read`, `scored` and `rejected`.
        model: what scored.
        version: its version.
    """

    output: Path
    rejects: Path | None
    rows: dict[str, int]
    model: str
    version: str


def ask_for(path: Path, options: Mapping[str, str]) -> dict[str, Any]:
    """The body that asks for a job for this file, by its endings.

    Raises:
        ValueError: they name no format that is scored.
    """
    packing = _PACKINGS.get(path.suffix.lower())
    ending = Path(path.stem).suffix if packing else path.suffix
    if ending.lower() not in _FORMATS:
        raise ValueError(f"{path.name} has none of the endings {', '.join(_FORMATS)}, with .gz or .zst or without")
    document: dict[str, Any] = {"format": _FORMATS[ending.lower()]}
    return document | ({"compression": packing} if packing else {}) | ({"options": dict(options)} if options else {})


def score(
    transport: Transport, url: str, path: Path, output: Path, options: Mapping[str, str], within: float
) -> Scored:
    """Upload `path`, wait until it is scored, and write `output`; see `Client.score_file`.

    Args:
        transport: how the service is called.
        url: where jobs are asked for.
        path: the file.
        output: where the scored rows go; rejects beside it.
        options: how the file is read and written.
        within: seconds to wait for the result.
    """
    body = json.dumps(ask_for(path, options)).encode()
    job = json.loads(transport.call("POST", url, body, {"content-type": "application/json"}).body)
    _upload(transport, path, job["upload"])
    status = _wait(transport, urljoin(url, job["status"]), within)
    if status["state"] != "done":
        raise JobFailed(f"{path.name} was not scored: {status.get('error') or status['state']}")
    results = status["results"]
    _download(transport, results["scored"], output)
    rejects = None
    if "rejects" in results:
        rejects = output.with_name(f"{output.name}.rejects.jsonl")
        _download(transport, results["rejects"], rejects)
    return Scored(output, rejects, dict(status.get("rows", {})), status["model"], status["version"])


def _upload(transport: Transport, path: Path, upload: dict[str, Any]) -> None:
    size = {"content-length": str(os.path.getsize(path))}

    def attempt() -> Reply:
        with path.open("rb") as file:  # from its beginning each time; without the key, which is nothing to the store
            return transport.once(upload["method"], upload["url"], file, upload["headers"] | size, _whole)

    transport.again(attempt)


def _wait(transport: Transport, url: str, within: float) -> dict[str, Any]:
    end, pause = time.monotonic() + within, _FIRST_PAUSE
    while True:
        status: dict[str, Any] = json.loads(transport.call("GET", url).body)
        if status["state"] not in ("waiting", "running"):
            return status
        if time.monotonic() + pause > end:
            raise JobFailed(f"the file was not scored within {within:g} seconds; it is {status['state']}: {url}")
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _download(transport: Transport, url: str, path: Path) -> None:
    partial = path.with_name(f".{path.name}.part")

    def save(response: IO[bytes], headers: Any) -> Reply:
        with partial.open("wb") as file:
            shutil.copyfileobj(response, file, 1024 * 1024)
            size = file.tell()
        if int(headers.get("content-length", size)) != size:
            raise EOFError(f"the download broke off after {size:,} bytes")
        return Reply(b"", headers)

    try:
        transport.again(lambda: transport.once("GET", url, None, {}, save))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _whole(response: IO[bytes], headers: Any) -> Reply:
    return Reply(response.read(), headers)
