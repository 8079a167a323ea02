"""Requests at fault, each really sent, and what is said to them."""

import os
import zlib
from functools import cache
from pathlib import Path
from typing import Final

import orjson

from despliegue.http.messages import Outcome
from despliegue.http.openapi.asked import REQUEST_ID, Asked
from despliegue.http.service import failure_reply
from despliegue.models import Model, ModelRepository

type Errors = dict[int, dict[str, bytes]]
"""Bodies of the replies by status, and then by a name for what was wrong."""

_BODIES: Final = {
    "infer": {
        "empty": b"",
        "missingInput": b'{"inputs":[]}',
        "unknownInput": orjson.dumps({"inputs": [{"name": "", "shape": [], "datatype": "", "data": []}]}),
    },
    "predict": {"empty": b"", "noInstances": b"{}", "unknownFeature": b'{"instances":[{"":0}]}'},
}


def errors_of(ask: Asked, model: Model, path: str, predict_path: str) -> dict[str, Errors]:
    """What is said to requests for a model that are at fault, by operation."""
    infer = f"{path}/infer"
    errors = {
        "metadata": _errors(ask, "GET", path, {}),
        "ready": _errors(ask, "GET", f"{path}/ready", {}),
        "infer": _errors(ask, "POST", infer, _BODIES["infer"]),
        "predict": _errors(ask, "POST", predict_path, _BODIES["predict"]),
    }
    if not model.in_json:  # types that numpy lacks may not go together
        _, _, response = ask.zeros(infer, model)
        if response.status == 501:
            errors["infer"][501] = {"types": response.body}
    return errors


@cache
def shared_errors() -> Errors:
    """What is said of any model and path: that a body unpacks to too much, and that the mistake is ours."""
    bomb = zlib.compress(bytes(2 * 1024 * 1024))
    too_large = _nothing()("POST", "/v2", bomb, {"content-encoding": "deflate"})
    failed = failure_reply(Exception(), Outcome(), REQUEST_ID)
    return {too_large.status: {"unpacked": too_large.body}, failed.status: {"internal": failed.body}}


def _errors(ask: Asked, method: str, path: str, bodies: dict[str, bytes]) -> Errors:
    replies = {name: ask(method, path, body) for name, body in bodies.items()}
    if bodies:
        replies["contentType"] = ask(method, path, b"", {"content-type": "text/plain"})
    replies["noModel"] = _nothing()(method, path, b"{}")
    replies["method"] = ask("DELETE", path)
    found: Errors = {}
    for name, reply in replies.items():
        if 400 <= reply.status < 500:  # a model may need no input, and do anything without
            found.setdefault(reply.status, {})[name] = reply.body
    return found


def _nothing() -> Asked:
    """A service without models."""
    return Asked(ModelRepository(Path(os.devnull)))
