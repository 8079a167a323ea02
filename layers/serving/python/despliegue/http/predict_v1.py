"""The endpoints of the V1 protocol of KServe and TensorFlow Serving. Source: kserve.github.io, "V1 Protocol"."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import orjson

from despliegue.errors import InferenceError, InvalidRequest, ModelNotReady, NotSupported
from despliegue.http.messages import Outcome, Request, Response
from despliegue.http.open_inference import load, reply, require_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from despliegue.http.served import Served
    from despliegue.models import Model
    from despliegue.models.model import Array
    from despliegue.protocols.predict_v1 import Decoder


def model_status(
    served: Served, request: Request, outcome: Outcome, model: str, version: str | None = None
) -> Response:
    """GET /v1/models/{model}[/versions/{version}]: whether it is ready; if not, 400 with the reason, as in V2."""
    try:
        load(served, outcome, model, version)
    except (ModelNotReady, NotSupported) as error:
        outcome.error = error.code
        return Response(400, orjson.dumps({"name": model, "ready": False, "error": str(error)}), outcome=outcome)
    return reply({"name": model, "ready": True}, outcome)


def predict(served: Served, request: Request, outcome: Outcome, model: str, version: str | None = None) -> Response:
    """POST /v1/models/{model}[/versions/{version}]:predict."""
    # Here, not above: what decodes records is a fiftieth of a cold start, and many services are never asked for it.
    from despliegue.protocols.predict_v1 import encode_response

    require_json(request)
    found = load(served, outcome, model, version)
    if found.media_types:
        raise NotSupported(
            f"model '{found.name}' takes an image, which V1 does not carry; POST it as it is to"
            f" /models/{found.name}/invocations, with its content type: {' or '.join(found.media_types)}"
        )
    body = predict_rows(found, outcome, lambda decoder: decoder.decode(request.body), encode_response)
    return Response(200, body, outcome=outcome)


def predict_rows(
    model: Model,
    outcome: Outcome,
    decode: Callable[[Decoder], dict[str, Array]],
    encode: Callable[[Model, Mapping[str, Array], int], bytes],
) -> bytes:
    """The body of the reply to rows, whatever they and it are written in; `outcome` learns how many, and the times."""
    from despliegue.protocols.predict_v1 import decoder_of
    from despliegue.protocols.row_tensors import count_rows

    started = time.perf_counter_ns()
    decoder = decoder_of(model)
    inputs = decode(decoder)
    rows = count_rows(inputs, decoder.schema)
    ready = time.perf_counter_ns()
    outcome.durations = (ready - started, 0, 0)
    names = list(model.signature.outputs)
    try:
        arrays = model.run(inputs, names)
    except InferenceError as error:
        if rows:
            raise
        raise InvalidRequest(f"there is no row, which the model does not take: {error}") from error
    ran = time.perf_counter_ns()
    body = encode(model, dict(zip(names, arrays, strict=True)), rows)
    outcome.rows = rows
    outcome.durations = (ready - started, ran - ready, time.perf_counter_ns() - ran)
    return body
