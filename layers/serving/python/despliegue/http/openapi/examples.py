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
from despliegue.http.openapi.asked import Asked
from despliegue.http.openapi.faults import Errors, errors_of
from despliegue.models import Model, ModelRepository
from despliegue.protocols.infer_client import example_values, plain_request
from despliegue.protocols.openapi.infer import json_inputs, json_outputs
from despliegue.protocols.predict_v1 import decoder_of, predictions_of
from despliegue.protocols.row_tensors import count_rows

MAX_BYTES: Final = 64 * 1024
"""A request or reply larger than this is no example: nobody reads it, and the pages that show documents choke."""
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
        path: that of its metadata.
        predict_path: that of its V1 predict.
        infer: an inference; None where none is known that works, or that is small enough.
        predict: a V1 prediction, likewise.
        schema: its columns; None where it has none, or V1 predict does not serve it.
        predictions: what it predicts; None where that is not known.
        empty: whether V1 predict takes no rows.
        metadata: its metadata.
        ready: that it is ready.
        deprecated: whether the version is on its way out.
        errors: by operation.
    """

    path: str
    predict_path: str
    infer: Exchange | None
    predict: Exchange | None
    schema: Schema | None
    predictions: Predictions | None
    empty: bool
    metadata: bytes
    ready: bytes
    deprecated: bool
    errors: dict[str, Errors]


# Weak, so that a model that was reloaded or dropped is not held for its document's sake: nor may what is kept hold it.
_DESCRIBED: Final[WeakKeyDictionary[Model, dict[Any, Described]]] = WeakKeyDictionary()


def describe(repository: ModelRepository, model: Model, *, by_version: bool) -> Described:
    """A model, asked for by name, or by name and version; it is run when it is first described, and when it changed.

    Raises:
        ModelNotFound: it was taken away meanwhile.
    """
    path = f"/models/{model.name}/versions/{model.version}" if by_version else f"/models/{model.name}"
    known = _DESCRIBED.setdefault(model, {})
    deprecation = repository.deprecated.get((model.name, model.version))
    key = (path, deprecation, *repository.versions(model.name))
    if key not in known:
        known[key] = _describe(repository, model, path)
    return known[key]


def _describe(repository: ModelRepository, model: Model, below: str) -> Described:
    ask = Asked(repository)
    path, predict_path = f"/v2{below}", f"/v1{below}:predict"
    values, infer = next(_inferences(ask, f"{path}/infer", model), ({}, None))
    schema = _columns(model)
    predict = predictions = None
    if schema is not None:
        records = _records(schema, values)
        sent = orjson.dumps({"instances": records})
        response = ask("POST", predict_path, sent)
        if response.status == 200:
            predict, predictions = _small(Exchange(sent, response.body)), _predictions(model, sent)
        twice = ask("POST", predict_path, orjson.dumps({"instances": records * 2}))
        if 501 in (response.status, twice.status):  # an output has no value for each row, which one row may not show
            schema = None
    return Described(
        path,
        predict_path,
        infer,
        predict,
        schema,
        predictions,
        ask("POST", predict_path, b'{"instances":[]}').status == 200,
        ask("GET", path).body,
        ask("GET", f"{path}/ready").body,
        (model.name, model.version) in repository.deprecated,
        errors_of(ask, model, path, predict_path),
    )


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


def _columns(model: Model) -> Schema | None:
    try:
        schema = decoder_of(model).schema
    except ModelNotReady:  # the manifest's features do not fit the inputs: V2 serves it all the same
        return None
    return schema if schema.columns and model.in_json else None


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


def _predictions(model: Model, sent: bytes) -> Predictions:
    decoder = decoder_of(model)
    inputs = decoder.decode(sent)
    names = list(model.signature.outputs)
    outputs = dict(zip(names, model.run(inputs, names), strict=True))
    return predictions_of(model, outputs, count_rows(inputs, decoder.schema))
