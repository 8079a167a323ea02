"""API Gateway's events ↔ `Request` and `Response`: REST API (payload 1.0), HTTP API and Function URL (payload 2.0)."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pybase64

from despliegue.errors import InvalidRequest, PayloadTooLarge
from despliegue.http import Request, Response
from despliegue.http.messages import JSON
from despliegue.http.service import WAY_ROUND

type Event = Mapping[str, Any]
type Envelope = dict[str, Any]

MAX_ENVELOPE: Final = 6_291_556
"""Most bytes that Lambda returns from a synchronous call, the JSON around the body included."""
_SURELY_FITS: Final = MAX_ENVELOPE // 2 - 8192
"""A body of this size fits whatever it holds: escaping at most doubles valid JSON, base64 adds a third."""


def read_event(event: Event) -> Request:
    """The request in an API Gateway event.

    Raises:
        InvalidRequest: the event is not API Gateway's, or its body is not the base64 that it says it is.
    """
    # Lambda's events are plain dicts; asking whether they are any mapping would take ten times as long.
    context = event.get("requestContext") if isinstance(event, dict) else None
    http = context.get("http") or {} if isinstance(context, dict) else {}
    method = http.get("method") or event.get("httpMethod") if isinstance(context, dict) else None
    if not isinstance(context, dict) or not method:
        raise InvalidRequest(
            "the event is not an API Gateway event; expected a REST API (payload 1.0), HTTP API or Function URL"
            " (payload 2.0) event"
        )
    headers = event.get("headers") or {}
    return Request(
        method=method,
        path=_path(event, context),
        headers={name.lower(): value for name, value in headers.items() if isinstance(value, str)},
        body=_body(event),
        id=str(context.get("requestId") or ""),
        caller=_caller(context),
    )


def read_origins(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The origins whose pages may read the replies, by the API's stage variable `corsOrigins`; none without it.

    A stage variable, and not the function's environment: it is a setting of the API, and a change of it publishes no
    new version of the function. Its value may hold no `*` (CreateStage's `variables`), so `any` stands for that.
    """
    text = variables.get("corsOrigins", "")
    return ("*",) if text == "any" else tuple(text.split(",")) if text else ()


def _caller(context: Mapping[str, Any]) -> str:
    """Whom API Gateway found the request to be from: the principal that signed it, else the id of its API key.

    Of an assumed role only the role counts. The name of a session is chosen by whoever assumes it, and is another one
    tomorrow.
    """
    identity = context.get("identity") or (context.get("authorizer") or {}).get("iam") or {}
    principal = identity.get("userArn")
    if not principal:
        return str(identity.get("apiKeyId") or "")
    return str(principal.rpartition("/")[0] if ":assumed-role/" in principal else principal)


def _path(event: Event, context: Mapping[str, Any]) -> str:
    """The path without stage or base path.

    The route `/{proxy+}` says what it matched, which is free of the stage and of a custom domain's base path: give it
    to an HTTP API too. So does the resource of a REST API that has no parameters. Without either only the stage, which
    payload 2.0 puts in front if it is a named one, can be told.
    """
    proxy = (event.get("pathParameters") or {}).get("proxy")
    if proxy is not None:
        path = f"/{proxy}"
    elif (resource := str(event.get("resource"))).startswith("/") and "{" not in resource:
        return resource
    else:
        path = event.get("rawPath") or event.get("path") or "/"
        if "rawPath" in event and (path + "/").startswith(stage := f"/{context.get('stage')}/"):
            path = "/" + path[len(stage) :]
    if "%" not in path:
        return path
    from urllib.parse import unquote  # here: names need no quoting, so that most starts never load it

    return unquote(path)


def _body(event: Event) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        # A lone surrogate, which JSON can carry into a Python string, stays invalid UTF-8 and is refused as that.
        return bytes(body.encode("utf-8", "surrogatepass"))
    try:
        return pybase64.b64decode(body, validate=True)
    except ValueError as error:
        raise InvalidRequest(f"the event's body is not valid base64: {error}") from error


def write_envelope(response: Response) -> Envelope:
    """The reply that API Gateway turns into an HTTP response; the same for both payload versions.

    Raises:
        PayloadTooLarge: Lambda would not return it.
    """
    is_text = (
        response.headers["content-type"].startswith((JSON, "text/")) and "content-encoding" not in response.headers
    )
    envelope: Envelope = {
        "statusCode": response.status,
        "headers": response.headers,
        "isBase64Encoded": not is_text,
        "body": response.body.decode() if is_text else pybase64.b64encode_as_string(response.body),
    }
    if len(response.body) > _SURELY_FITS:
        # The runtime client writes the envelope as JSON, so its quotes are escaped: only writing it tells. Under
        # Lambda's own Python (AWS_EXECUTION_ENV) it leaves characters beyond ASCII as they are, and so does this.
        size = len(json.dumps(envelope, ensure_ascii=False).encode())
        if size > MAX_ENVELOPE:
            raise PayloadTooLarge(
                f"the reply would be {size:,} bytes, over the {MAX_ENVELOPE:,} (6 MB) that Lambda returns;"
                f" send fewer rows in a request or name fewer outputs, {WAY_ROUND}"
            )
    return envelope
