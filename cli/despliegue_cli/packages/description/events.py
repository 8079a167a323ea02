"""Sample events of a model for `sam local invoke`: its example as API Gateway and S3 would send it."""

import base64
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

import orjson

from despliegue.errors import DespliegueError
from despliegue_cli.packages.description.calls import FILE_NAME, Calls

_REQUEST: Final = "predict/rest-infer.json"
_MESSAGE: Final = "score/sqs-s3.json"
"""The events of the repository that these are like, but for path and body."""


def write_events(models: Path, name: str, version: str, wanted: Calls) -> tuple[Path, ...]:
    """Write the sample events of a version to `events/models/<name>/<version>/`, where there is a template to use them.

    `infer.json`, and `predict.json` where the model takes records and V1 has a form for its outputs, are requests;
    `score.json` tells of the file `example.csv` beside it, for whoever puts that into the inbox first.

    Args:
        models: root of the repository; template and events are looked for in the folder above `layers/models`.
        name: the model's.
        version: the version's.
        wanted: its calls; without any there are no events.

    Returns:
        The files.

    Raises:
        DespliegueError: an event of the repository has another form.
        OSError: they cannot be written.
    """
    root = _root(models)
    if not wanted.infer or root is None:
        return ()
    files: dict[str, bytes] = {}
    with _understood(root / "events" / _REQUEST) as path:
        if (request := _read(path)) is not None:
            files["infer.json"] = _request(request, f"v2/models/{name}/versions/{version}/infer", wanted.infer)
            if wanted.predict:
                target = f"v1/models/{name}/versions/{version}:predict"
                files["predict.json"] = _request(request, target, wanted.predict)
    with _understood(root / "events" / _MESSAGE) as path:
        if (message := _read(path)) is not None and wanted.file:
            score = _message(message, f"{name}@{version}/{FILE_NAME}", wanted.file)
            files |= {FILE_NAME: wanted.file, "score.json": score}
    folder = _folder(root, name, version)
    if files:
        folder.mkdir(parents=True, exist_ok=True)
    for file_name, content in files.items():
        (folder / file_name).write_bytes(content)
    return tuple(folder / file_name for file_name in files)


def remove_events(models: Path, name: str, version: str) -> None:
    """Remove the sample events of a version, if there are any, and the folders that are empty then."""
    root = _root(models)
    if root is None:
        return
    folder = _folder(root, name, version)
    shutil.rmtree(folder, ignore_errors=True)
    for parent in (folder.parent, folder.parent.parent):
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


def _root(models: Path) -> Path | None:
    """The folder of the template: above `models` as it was named, or where a link of that name leads."""
    named = Path(os.path.abspath(models))  # absolute() keeps `..`, which `parent` takes for a folder
    roots = (path.parent.parent for path in (named, models.resolve()))
    return next((root for root in roots if (root / "template.yaml").is_file()), None)


@contextmanager
def _understood(path: Path) -> Iterator[Path]:
    try:
        yield path
    except (ValueError, LookupError, TypeError) as error:
        raise DespliegueError(f"{path} is no longer an event of the form that it had ({error!r})") from error


def _folder(root: Path, name: str, version: str) -> Path:
    return root / "events" / "models" / name / version


def _read(path: Path) -> dict[str, Any] | None:
    try:
        event: dict[str, Any] = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return event


def _write(event: Mapping[str, Any]) -> bytes:
    return orjson.dumps(event, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _request(event: Mapping[str, Any], path: str, body: bytes) -> bytes:
    """As API Gateway sends it with `BinaryMediaTypes: ['*~1*']`: every body is base64."""
    context = event["requestContext"]
    return _write(
        {
            **event,
            "path": f"/{path}",
            "pathParameters": {"proxy": path},
            "requestContext": {**context, "path": f"/{context['stage']}/{path}"},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
    )


def _message(event: dict[str, Any], key: str, file: bytes) -> bytes:
    """As SQS sends what S3 told it of a file."""
    (message,) = event["Records"]
    notification = orjson.loads(message["body"])
    notification["Records"][0]["s3"]["object"] |= {
        "key": quote_plus(key, safe="/"),
        "size": len(file),
        "eTag": _md5(file),
    }
    body = orjson.dumps(notification)
    return _write({"Records": [{**message, "body": body.decode(), "md5OfBody": _md5(body)}]})


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
