"""KServe's and TensorFlow Serving's V1 `:predict`: rows, records or columns in, a prediction a row out.

Sources: kserve.github.io, "V1 Inference Protocol"; tensorflow.org/tfx/serving/api_rest, "Predict API".
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
import orjson

from despliegue.errors import InvalidRequest, ModelNotReady, NotSupported
from despliegue.features import Classification, Predictions, RecordType, Regression, Schema, read_predictions
from despliegue.models import Model
from despliegue.models.model import Array
from despliegue.protocols import tensors
from despliegue.protocols.document import occurrences, parse_object, pick
from despliegue.protocols.instances import decode_inputs, decode_instances, max_values

_RECORDS: Final = re.compile(rb'\s*\{\s*(?P<signature>"signature_name"\s*:\s*"\w*"\s*,\s*)?"instances"\s*:\s*\[\s*\{')
"""How a body of records begins; TensorFlow Serving's clients name a signature, which is ignored."""


class Decoder:
    """Decodes the requests of one model. Safe to use from several threads."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        # A colon in a name would spoil the count of colons, by which duplicate keys are found.
        named = not any(":" in name for name in schema.columns)
        self._records = RecordType.of(schema) if named else None
        if self._records is not None:
            body = msgspec.defstruct("Body", [("instances", list[self._records.type])])  # type: ignore[name-defined]
            self._parse: Callable[[bytes], Any] = msgspec.json.Decoder(body).decode

    def decode(self, body: bytes) -> dict[str, Array]:
        """The model's inputs, an array each.

        Raises:
            InvalidRequest: `body` is not valid JSON, or does not fit the protocol or the model.
        """
        arrays = self.decode_records(body)
        return self.decode_carefully(body) if arrays is None else arrays

    def decode_carefully(self, body: bytes) -> dict[str, Array]:
        """As `decode`, without the shortcut for records, to say what is wrong; unknown keys beside them are ignored.

        Raises:
            InvalidRequest: as `decode`.
        """
        document = pick(parse_object(body), ("instances", "inputs"))
        if len(document) != 1:
            raise InvalidRequest(
                f"the body has {' and '.join(document) or 'neither'}; expected either instances or inputs"
            )
        if "instances" in document:
            return decode_instances(document["instances"], self.schema, body)
        return decode_inputs(document["inputs"], self.schema, body)

    def decode_records(self, body: bytes) -> dict[str, Array] | None:
        """The inputs from well-formed records at full speed, or None where the careful way must decide."""
        start = _RECORDS.match(body) if self._records is not None else None
        if start is None or self._records is None:
            return None
        if self._records.may_miss and occurrences(body, "{") * len(self.schema.columns) > max_values(body):
            return None
        try:
            records = self._parse(body).instances
            arrays, absent = self._records.arrays(records)
        except (msgspec.MsgspecError, UnicodeDecodeError, InvalidRequest):
            return None
        # msgspec takes the last of two equal keys, and what it need not read it does not check: all that adds a colon.
        expected = len(records) * len(self.schema.columns) - absent + (2 if start["signature"] else 1)
        return arrays if occurrences(body, ":") == expected else None


# Weak, so that a model that was reloaded or dropped is not held for its decoder's sake.
_DECODERS: Final[WeakKeyDictionary[Model, Decoder]] = WeakKeyDictionary()


def decoder_of(model: Model) -> Decoder:
    """The model's decoder, made when first asked for.

    Raises:
        ModelNotReady: its manifest's features do not fit its inputs.
    """
    decoder = _DECODERS.get(model)
    if decoder is None:
        try:
            decoder = _DECODERS[model] = Decoder(Schema.read(model.signature, model.manifest))
        except ModelNotReady as error:
            raise ModelNotReady(f"model '{model.name}' version {model.version} is not ready: {error}") from error
    return decoder


def encode_response(model: Model, outputs: Mapping[str, Array], rows: int) -> bytes:
    """The reply: `{"predictions": […]}`, an item for each row as `encode_rows` gives it.

    Raises:
        NotSupported: as `encode_rows`.
    """
    return b'{"predictions":[' + b",".join(encode_rows(model, outputs, rows)) + b"]}"


def encode_rows(model: Model, outputs: Mapping[str, Array], rows: int) -> list[bytes]:
    """The prediction of each row, in JSON.

    A number for a regressor, label and probabilities for a classifier, else an object of all outputs. NaN is null,
    ±Infinity ±1e999.

    Raises:
        NotSupported: an output does not have a value for each row, or no form in text.
    """
    predictions = predictions_of(model, outputs, rows)
    match predictions:
        case Regression():
            return texts_of(predictions.values)
        case Classification():
            return _classes(predictions)
        case _:
            names, columns = list(predictions.arrays), map(texts_of, predictions.arrays.values())
            return _filled(b"{%b}" % b",".join(_key(name) + b":%b" for name in names), zip(*columns, strict=True))


def predictions_of(model: Model, outputs: Mapping[str, Array], rows: int) -> Predictions:
    """What all outputs of a model are, for a reply in text.

    Raises:
        NotSupported: an output does not have a value for each row, or no form in text.
    """
    for name in outputs:
        if not (datatype := model.signature.outputs[name].datatype).in_json:
            raise NotSupported(f"output '{name}' is {datatype.name}, which JSON does not hold", subject=name)
    return read_predictions(outputs, rows, model.manifest.labels, model.labels)


def _classes(predictions: Classification) -> list[bytes]:
    fields = b",".join(_key(name) + b":%b" for name in predictions.classes)
    columns = [texts_of(column) for column in predictions.probabilities.T]
    rows = zip(texts_of(predictions.labels), *columns, strict=True)
    return _filled(b'{"label":%b,"probabilities":{' + fields + b"}}", rows)


def _filled(template: bytes, rows: Iterable[tuple[bytes, ...]]) -> list[bytes]:
    return [template % row for row in rows]


def _key(name: str) -> bytes:
    """A key, ready for a template."""
    return orjson.dumps(name).replace(b"%", b"%%")


def texts_of(array: Array) -> list[bytes]:
    """`array` [N, …] as JSON, a text for each row; numbers as short as their own datatype allows."""
    if array.dtype.kind == "O":
        values = array.ravel().tolist()
        written = {value: orjson.dumps(value) for value in set(values)}  # classes, mostly: few, and many times
        texts = [written[value] for value in values]
    else:
        joined = tensors.dumps(tensors.encode(array))[1:-1]
        texts = joined.split(b",") if joined else []
    for depth in range(array.ndim - 1, 0, -1):
        size, count = array.shape[depth], int(np.prod(array.shape[:depth]))
        texts = [b"[" + b",".join(texts[at * size : (at + 1) * size]) + b"]" for at in range(count)]
    return texts
