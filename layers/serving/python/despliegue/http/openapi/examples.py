"""A model as the service shows it: what it takes, and a request that works, really sent, with its reply."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
import orjson

from despliegue.errors import ModelNotReady
from despliegue.features import Predictions, Schema
from despliegue.http.messages import JSON
from despliegue.http.openapi.asked import Asked
from despliegue.http.openapi.example_jobs import JOB, REQUESTS, STATES
from despliegue.http.openapi.faults import Errors, errors_of
from despliegue.http.openapi.invocations import Invocations, invocations_of
from despliegue.http.openapi.responses import MAX_BYTES
from despliegue.http.served import Served
from despliegue.models import Model, ModelRepository
from despliegue.protocols.infer_client import example_values, plain_request
from despliegue.protocols.openapi.infer import json_inputs, json_outputs
from despliegue.protocols.predict_v1 import decoder_of, predictions_of
from despliegue.protocols.row_tensors import count_rows

MAX_SIZE: Final = MAX_BYTES // 4
"""Most values of an input that is made up."""


class Exchange(msgspec.Struct, frozen=True):
    """A request that works and its reply, as they travel; and how many bytes of it are JSON, where not all of them."""

    sent: bytes
    reply: bytes
    sent_json: int | None = None


class Described(msgspec.Struct, frozen=True):
    """What a model takes, and what the service said when it was asked for it.

    Attributes:
        below: its path, without the protocol's version.
        infer: an inference; None where none is known that works, or that is small enough.
        predict: a V1 prediction, likewise.
        invocations: what `/invocations` takes; None where that does not serve it.
        schema: its columns; None where it has none, or V1 predict does not serve it.
        predictions: what it predicts; None where that is not known.
        empty: whether V1 predict takes no rows.
        replies: to what has just one good answer, by operation.
        has_jobs: whether files are scored by it.
        card: its card; None where it has none.
        deprecated: whether the version is on its way out.
        errors: by operation.
    """

    below: str
    infer: Exchange | None
    predict: Exchange | None
    invocations: Invocations | None
    schema: Schema | None
    predictions: Predictions | None
    empty: bool
    replies: dict[str, bytes]
    has_jobs: bool
    card: str | None
    deprecated: bool
    errors: dict[str, Errors]


# Weak, so that a model that was reloaded or dropped is not held for its document's sake: nor may what is kept hold it.
_DESCRIBED: Final[WeakKeyDictionary[Model, dict[Any, Described]]] = WeakKeyDictionary()


def describe(served: Served, model: Model, *, by_version: bool) -> Described:
    """A model, asked for by name, or by name and version; it is run when it is first described, and when it changed.

    Raises:
        ModelNotFound: it was taken away meanwhile.
    """
    repository, has_jobs = served.repository, served.jobs is not None and not model.media_types
    below = f"/models/{model.name}/versions/{model.version}" if by_version else f"/models/{model.name}"
    known = _DESCRIBED.setdefault(model, {})
    deprecation = repository.deprecated.get((model.name, model.version))
    key = (below, has_jobs, deprecation, *repository.versions(model.name))
    if key not in known:
        known[key] = _describe(repository, model, below, has_jobs=has_jobs)
    card = Asked(repository)("GET", f"/v2{below}/card")  # each time: it is read off the disk, as it is then
    text = card.body.decode(errors="replace") if card.status == 200 else None
    return msgspec.structs.replace(known[key], card=text)


def _describe(repository: ModelRepository, model: Model, below: str, *, has_jobs: bool) -> Described:
    ask = Asked(repository, jobs=has_jobs)
    path, predict_path = f"/v2{below}", f"/v1{below}:predict"
    replies = _replies(ask, below)  # first: what is run after it is counted
    if has_jobs:
        replies |= _job_replies(ask, f"{path}/jobs")
    values, infer = next(_inferences(ask, f"{path}/infer", model), ({}, None))
    rows = schema = _rows(model)
    records = _tensors(values) if rows is not None and not rows.columns else []
    predict = predictions = None
    if schema is not None and schema.columns:
        records = _records(schema, values)
        sent = orjson.dumps({"instances": records})
        response = ask("POST", predict_path, sent)
        if response.status == 200:
            predict, predictions = _small(Exchange(sent, response.body)), _predictions(model, sent)
        twice = ask("POST", predict_path, orjson.dumps({"instances": records * 2}))
        if 501 in (response.status, twice.status):  # an output has no value for each row, which one row may not show
            rows = None
    invocations = invocations_of(ask, f"{below}/invocations", model, rows, records)
    if predictions is None and invocations is not None and invocations.given:
        instances = invocations.sent.get(JSON, {}).get("instances")
        if instances is not None or model.media_types:
            predictions = _predictions(model, instances)
    return Described(
        below,
        infer,
        predict,
        invocations,
        rows if rows is not None and rows.columns else None,
        predictions,
        ask("POST", predict_path, b'{"instances":[]}').status == 200,
        replies,
        has_jobs,
        None,
        (model.name, model.version) in repository.deprecated,
        errors_of(ask, model, below, jobs=has_jobs),
    )


def _replies(ask: Asked, below: str) -> dict[str, bytes]:
    paths = {
        "metadata": f"/v2{below}",
        "ready": f"/v2{below}/ready",
        "configuration": f"/v2{below}/config",
        "statistics": f"/v2{below}/stats",
        "status": f"/v1{below}",
    }
    return {name: ask("GET", path).body for name, path in paths.items()}


def _job_replies(ask: Asked, path: str) -> dict[str, bytes]:
    created = {f"createJob.{name}": ask("POST", path, body).body for name, body in REQUESTS.items()}
    return created | {f"jobStatus.{state}": ask("GET", f"{path}/{JOB}").body for state in STATES}


def _inferences(ask: Asked, path: str, model: Model) -> Iterator[tuple[dict[str, Any], Exchange]]:
    """Inferences that work, with the values of their inputs: the one of the manifest's example comes first."""
    signature = model.signature
    shapes = [signature.inputs[name].shape for name in signature.required]
    if sum(math.prod(max(size, 1) for size in shape) for shape in shapes) > MAX_SIZE:
        return
    if not (json_inputs(signature) and json_outputs(signature)):
        sent, length, response = ask.zeros(path, model)
        if response.status == 200:
            yield {}, Exchange(sent, response.body, length)
        return
    names = [name for name, spec in signature.outputs.items() if spec.datatype.in_json]
    wanted = {"outputs": [{"name": name} for name in names]} if len(names) < len(signature.outputs) else {}
    zeros = {name: array.tolist() for name, array in model.zeros().items()}
    for values in (example_values(model), zeros):
        sent = orjson.dumps(plain_request(model, values) | wanted)
        response = ask("POST", path, sent)
        if response.status == 200 and (exchange := _small(Exchange(sent, response.body))):
            yield values, exchange


def _small(exchange: Exchange) -> Exchange | None:
    return exchange if max(len(exchange.sent), len(exchange.reply)) <= MAX_BYTES else None


def _rows(model: Model) -> Schema | None:
    """The columns or tensors whose rows are predicted; None where JSON cannot carry them, or they are an image."""
    try:
        schema = decoder_of(model).schema
    except ModelNotReady:  # the manifest's features do not fit the inputs: V2 serves it all the same
        return None
    return schema if model.in_json and not model.media_types else None


def _tensors(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of an inference, each an object of a tensor for each input."""
    columns = [value if isinstance(value, list) else [value] for value in values.values()]
    return [dict(zip(values, row, strict=True)) for row in zip(*columns, strict=False)]


def _records(schema: Schema, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of an inference as records; one of zeros where they are not as wide as the schema."""
    names, rows = list(schema.columns), values.get(schema.matrix.name, []) if schema.matrix is not None else []
    if schema.matrix is None:
        names = list(values)
        rows = list(zip(*(np.asarray(column, np.object_).ravel().tolist() for column in values.values()), strict=False))
    if rows and len(rows[0]) == len(names):
        return [dict(zip(names, row, strict=True)) for row in rows]
    zeros = {"O": "", "b": False}
    required = [column for column in schema.columns.values() if not column.optional]
    return [{column.name: zeros.get(column.datatype.kind, 0) for column in required}]


def _predictions(model: Model, sent: bytes | None) -> Predictions:
    """What a V1 request that works predicts; without one, for it is an image, what a black one does."""
    decoder = decoder_of(model)
    inputs = {name: image[None] for name, image in model.zeros().items()} if sent is None else decoder.decode(sent)
    names = list(model.signature.outputs)
    outputs = dict(zip(names, model.run(inputs, names), strict=True))
    return predictions_of(model, outputs, count_rows(inputs, decoder.schema))
