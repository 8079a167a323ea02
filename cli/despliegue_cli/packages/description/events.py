"""Sample events of a model for `sam local invoke`: its example as API Gateway and S3 would send it."""

import base64
import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

import orjson

from despliegue.models import Manifest, Model
from despliegue_cli.packages.description.calls import FILE_NAME, calls

_REQUEST: Final = "predict/rest-infer.json"
_MESSAGE: Final = "score/sqs-s3.json"
"""The events of the repository that these are like, but for path and body."""


def write_events(
    models: Path, name: str, version: str, model: Model, manifest: Manifest, example: Mapping[str, Any]
) -> tuple[Path, ...]:
    """Write the sample events of a version to `events/models/<name>/<version>/`, where there is a template to use them.

    `infer.json`, and `predict.json` where the model takes records and V1 has a form for its outputs, are requests;
    `score.json` tells of the file `example.csv` beside it, for whoever puts that into the inbox first.

    Args:
        models: root of the repository; template and events are looked for in the folder above `layers/models`.
        name: the model's.
        version: the version's.
        model: it, loaded.
        manifest: what is written of it.
        example: of the manifest, or another; without one there are no events.

    Returns:
        The files.

    Raises:
        ModelNotReady: the manifest's features do not fit the inputs.
        OSError: they cannot be written.
    """
    root = models.resolve().parent.parent
    if not example or not (root / "template.yaml").is_file():
        return ()
    wanted = calls(model, manifest, example)
    files: dict[str, bytes] = {}
    if (request := _read(root / "events" / _REQUEST)) is not None:
        files["infer.json"] = _request(request, f"v2/models/{name}/versions/{version}/infer", wanted.infer)
        if wanted.predict:
            files["predict.json"] = _request(request, f"v1/models/{name}/versions/{version}:predict", wanted.predict)
    if (message := _read(root / "events" / _MESSAGE)) is not None and wanted.file:
        files[FILE_NAME] = wanted.file
        files["score.json"] = _message(message, f"{name}@{version}/{FILE_NAME}", wanted.file)
    folder = _folder(root, name, version)
    if files:
        folder.mkdir(parents=True, exist_ok=True)
    for file_name, content in files.items():
        (folder / file_name).write_bytes(content)
    return tuple(folder / file_name for file_name in files)


def remove_events(models: Path, name: str, version: str) -> None:
    """Remove the sample events of a version, if there are any, and the folders that are empty then."""
    folder = _folder(models.resolve().parent.parent, name, version)
    shutil.rmtree(folder, ignore_errors=True)
    for parent in (folder.parent, folder.parent.parent):
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


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
