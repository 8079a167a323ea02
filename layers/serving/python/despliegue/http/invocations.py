"""MLflow's and SageMaker's endpoints: `/invocations` in the formats that people have, `/ping`, `/health`, `/version`.

Sources: mlflow.org/docs, "Inference Server Specification"; SageMaker's developer guide, "Custom inference code".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import despliegue
from despliegue.errors import InvalidRequest, ModelNotFound, UnsupportedContentType, shorten
from despliegue.http.messages import JSON, Outcome, Request, Response
from despliegue.http.open_inference import health, load
from despliegue.http.predict_v1 import predict_rows
from despliegue.models import signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from despliegue.http.served import Served
    from despliegue.models import Model
    from despliegue.models.model import Array
    from despliegue.protocols.predict_v1 import Decoder

CSV: Final = "text/csv"
JSON_LINES: Final = ("application/jsonlines", "application/x-ndjson", "application/x-jsonlines", "application/ndjson")
PARQUET: Final = ("application/vnd.apache.parquet", "application/x-parquet")
NPY: Final = "application/x-npy"
IMAGES: Final = (*signature.IMAGES, "application/x-image")
"""Whichever is named, the bytes tell which it is; SageMaker's names neither."""
_OF_ROWS: Final = f"{JSON}, {CSV}, {JSON_LINES[0]}, {PARQUET[0]} or {NPY}"
_OF_IMAGES: Final = f"{', '.join(IMAGES[:-1])} or {IMAGES[-1]}"
_REPLIES: Final = (JSON, CSV, *JSON_LINES)
_LISTED: Final = 10


def invoke(
    served: Served, request: Request, outcome: Outcome, model: str | None = None, version: str | None = None
) -> Response:
    """POST /invocations and /models/{model}[/versions/{version}]/invocations."""
    # Here, not above: most services are never asked for it, and it would be a part of their cold start.
    from despliegue.http.media_types import choose, read_content_type
    from despliegue.protocols import invocations_response as response

    kind, options = read_content_type(request.headers.get("content-type") or JSON)
    decode = _reader(request, kind, options)
    accepted = choose(request.headers.get("accept", ""), _REPLIES)
    found = load(served, outcome, *(_default(served) if model is None else (model, version)))
    _check_images(request, kind, found)
    encoders = {JSON: response.encode_response, CSV: response.encode_csv}
    body = predict_rows(found, outcome, decode, encoders.get(accepted, response.encode_json_lines))
    content_type = f"{CSV}; charset=utf-8" if accepted == CSV else accepted
    return Response(200, body, {"content-type": content_type}, outcome)


def ping(served: Served, request: Request, outcome: Outcome) -> Response:
    """GET /ping and /health: 200 when there is a model to answer with.

    That which `/invocations` means is loaded for it: it is what SageMaker waits for before it sends requests. Where
    there are several and none is meant, the service is as healthy as /v2/health/ready says.
    """
    names = list(served.repository.index())
    if served.default_model or len(names) < 2:
        load(served, outcome, *_default(served))
    return health(served, request, outcome)


def version(served: Served, request: Request, outcome: Outcome) -> Response:
    """GET /version: ours, as bare text; MLflow's server tells its own so."""
    return Response(200, despliegue.__version__.encode(), {"content-type": "text/plain"}, outcome)


def _default(served: Served) -> tuple[str, str | None]:
    """The name and version of the model that is meant where the path names none.

    Raises:
        InvalidRequest: there are several, and the service was not told which.
        ModelNotFound: there is none.
    """
    if chosen := served.default_model or served.repository.only_model():
        name, _, number = chosen.partition("@")
        return name, number or None
    names = list(served.repository.index())
    if not names:
        raise ModelNotFound("there is no model to invoke")
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    raise InvalidRequest(
        f"the path names no model, and several are served: {', '.join(names[:_LISTED])}{more}; expected"
        " /models/{model}/invocations"
    )


def _check_images(request: Request, kind: str, model: Model) -> None:
    """Refuse an image for a model that takes none, and anything else for one that does.

    Raises:
        UnsupportedContentType: it is.
    """
    given = request.headers.get("content-type")
    if (kind in IMAGES) != bool(model.media_types):
        takes = f"an image; expected {_OF_IMAGES}" if model.media_types else f"no image; expected {_OF_ROWS}"
        came = f"content type is {shorten(given)}" if given else "there is no content type"
        raise UnsupportedContentType(f"{came}, but model '{model.name}' takes {takes}")


def _reader(request: Request, name: str, options: dict[str, str]) -> Callable[[Decoder], dict[str, Array]]:
    """What reads the body, by the name and the parameters of its content type.

    Raises:
        UnsupportedContentType: it is in none of the formats.
    """
    if options.get("charset", "utf-8") not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedContentType(f"the charset is {shorten(options['charset'])}; expected utf-8")
    if name == JSON and "format" not in options:
        from despliegue.protocols.invocations import decode_json

        return lambda decoder: decode_json(request.body, decoder)
    if name == CSV:
        from despliegue.protocols.csv_request import decode_csv

        return lambda decoder: decode_csv(request.body, decoder.schema, options.get("header", ""))
    if name in JSON_LINES:
        from despliegue.protocols.json_lines_request import decode_json_lines

        return lambda decoder: decode_json_lines(request.body, decoder)
    if name in PARQUET:
        from despliegue.protocols.parquet_request import decode_parquet

        return lambda decoder: decode_parquet(request.body, decoder.schema)
    if name == NPY:
        from despliegue.protocols.npy_request import decode_npy

        return lambda decoder: decode_npy(request.body, decoder.schema)
    if name in IMAGES:
        from despliegue.protocols.image_request import decode_image

        return lambda decoder: decode_image(request.body, decoder.schema)
    given = shorten(request.headers["content-type"])
    raise UnsupportedContentType(
        f"content type is {given}; expected {_OF_ROWS}; where the model takes an image, {_OF_IMAGES}"
    )
