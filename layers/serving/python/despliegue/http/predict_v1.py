"""The endpoints of the V1 protocol of KServe and TensorFlow Serving. Source: kserve.github.io, "V1 Protocol"."""

import time

import orjson

from despliegue.errors import InferenceError, InvalidRequest, ModelNotReady, NotSupported
from despliegue.http.messages import Outcome, Request, Response
from despliegue.http.open_inference import load, reply, require_json
from despliegue.http.served import Served


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
    from despliegue.protocols.predict_v1 import decoder_of, encode_response
    from despliegue.protocols.row_tensors import count_rows

    require_json(request)
    found = load(served, outcome, model, version)
    started = time.perf_counter_ns()
    decoder = decoder_of(found)
    inputs = decoder.decode(request.body)
    rows = count_rows(inputs, decoder.schema)
    ready = time.perf_counter_ns()
    outcome.durations = (ready - started, 0, 0)
    names = list(found.signature.outputs)
    try:
        arrays = found.run(inputs, names)
    except InferenceError as error:
        if rows:
            raise
        raise InvalidRequest(f"there is no row, which the model does not take: {error}") from error
    ran = time.perf_counter_ns()
    body = encode_response(found, dict(zip(names, arrays, strict=True)), rows)
    outcome.rows = rows
    outcome.durations = (ready - started, ran - ready, time.perf_counter_ns() - ran)
    return Response(200, body, outcome=outcome)
