"""Requests at fault, each really sent, and what is said to them."""

import zlib
from functools import cache
from typing import Final

import orjson

from despliegue.http.messages import Outcome, Response
from despliegue.http.openapi.asked import REQUEST_ID, Asked
from despliegue.http.openapi.example_jobs import ANOTHER
from despliegue.http.service import failure_reply
from despliegue.models import Model

type Errors = dict[int, dict[str, bytes]]
"""Bodies of the replies by status, and then by a name for what was wrong."""

_BODIES: Final = {
    "infer": {
        "empty": b"",
        "missingInput": b'{"inputs":[]}',
        "unknownInput": orjson.dumps({"inputs": [{"name": "", "shape": [], "datatype": "", "data": []}]}),
    },
    "predict": {"empty": b"", "noInstances": b"{}", "unknownFeature": b'{"instances":[{"":0}]}'},
    "invoke": {
        "empty": b"",
        "noForm": b"{}",
        "notANumber": b'{"instances":[NaN]}',
        "unknownFeature": b'{"dataframe_records":[{"":0}]}',
    },
    "createJob": {
        "format": b'{"format":"xlsx"}',
        "member": b'{"content_type":"csv"}',
        "option": b'{"options":{"delimiter":"::"}}',
    },
}


def errors_of(ask: Asked, model: Model, below: str, *, jobs: bool) -> dict[str, Errors]:
    """What is said to requests for a model that are at fault, by operation.

    Args:
        ask: whom to send them.
        model: the model.
        below: its path, without the protocol's version.
        jobs: whether there are jobs.
    """
    path, nothing = f"/v2{below}", Asked.without_models(jobs=jobs)
    errors = {
        "metadata": _errors(ask, nothing, "GET", path, {}),
        "ready": _errors(ask, nothing, "GET", f"{path}/ready", {}),
        "configuration": _errors(ask, nothing, "GET", f"{path}/config", {}),
        "statistics": _errors(ask, nothing, "GET", f"{path}/stats", {}),
        "status": _errors(ask, nothing, "GET", f"/v1{below}", {}),
        "card": _errors(ask, nothing, "GET", f"{path}/card", {}),
        "infer": _errors(ask, nothing, "POST", f"{path}/infer", _BODIES["infer"]),
        "predict": _errors(ask, nothing, "POST", f"/v1{below}:predict", _BODIES["predict"]),
        "invoke": invoke_errors(ask, f"{below}/invocations", jobs=jobs),
    }
    if jobs:
        errors["createJob"] = _errors(ask, nothing, "POST", f"{path}/jobs", _BODIES["createJob"])
        errors["jobStatus"] = _errors(ask, ask, "GET", f"{path}/jobs/{ANOTHER}", {}, missing="noJob")
    if not model.in_json:  # types that numpy lacks may not go together
        _, _, response = ask.zeros(f"{path}/infer", model)
        if response.status == 501:
            errors["infer"][501] = {"types": response.body}
    return errors


def invoke_errors(ask: Asked, path: str, *, jobs: bool) -> Errors:
    """What is said to requests at fault at a path of `/invocations`."""
    errors = _errors(ask, Asked.without_models(jobs=jobs), "POST", path, _BODIES["invoke"])
    accept = ask("POST", path, b"", {"accept": "text/html"})
    errors.setdefault(accept.status, {})["accept"] = accept.body
    return errors


@cache
def shared_errors(*, jobs: bool) -> Errors:
    """What is said of any model and path: of the method, that a body unpacks to too much, that the mistake is ours."""
    ask, bomb = Asked.without_models(jobs=jobs), zlib.compress(bytes(2 * 1024 * 1024))
    replies = {
        "method": ask("DELETE", "/v2"),
        "unpacked": ask("POST", "/v2", bomb, {"content-encoding": "deflate"}),
        "internal": failure_reply(Exception(), Outcome(), REQUEST_ID),
    }
    return {reply.status: {name: reply.body} for name, reply in replies.items()}


def _errors(
    ask: Asked, nothing: Asked, method: str, path: str, bodies: dict[str, bytes], missing: str = "noModel"
) -> Errors:
    """What is said at a path; `nothing` has not what `missing` says."""
    replies = {name: ask(method, path, body) for name, body in bodies.items()}
    if bodies:
        replies["contentType"] = ask(method, path, b"-", {"content-type": "text/plain"})
        replies["encoding"] = encoding_error(ask, path)
    replies[missing] = nothing(method, path, b"{}")
    found: Errors = {}
    for name, reply in replies.items():
        if 400 <= reply.status < 500:  # a model may need no input, and do anything without
            found.setdefault(reply.status, {})[name] = reply.body
    return found


def encoding_error(ask: Asked, path: str) -> Response:
    """What is said to a body in a coding that is not read."""
    return ask("POST", path, b"", {"content-encoding": "br"})
