"""An example as each way in takes it: the two protocols, and a file; where the model can be called so."""

import csv
import io
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
import orjson

from despliegue.errors import DespliegueError
from despliegue.features import Schema
from despliegue.models import Manifest, Model, Signature
from despliegue.protocols.predict_v1 import Decoder, encode_response
from despliegue.scoring import Options, Scoring
from despliegue.scoring.rows import run
from despliegue_cli.packages.description.public_example import required

FILE_NAME: Final = "example.csv"


class Calls(msgspec.Struct, frozen=True):
    """What is sent; empty where the model cannot be called so.

    Attributes:
        infer: body for the Open Inference Protocol.
        predict: body for V1, with a record by feature.
        file: CSV of one row, with a header.
        takes_image: whether an image as it is is what people send.
    """

    infer: bytes = b""
    predict: bytes = b""
    file: bytes = b""
    takes_image: bool = False

    def best(self, name: str, version: str = "") -> tuple[str, bytes]:
        """Path and body of the call to show, V1's where there is one; of the default version where none is named."""
        at = f"models/{name}/versions/{version}" if version else f"models/{name}"
        return (f"v1/{at}:predict", self.predict) if self.predict else (f"v2/{at}/infer", self.infer)


def calls(model: Model, manifest: Manifest, example: Mapping[str, Any]) -> Calls:
    """The calls of a model, each tried on it; none without an example.

    Raises:
        ModelNotReady: the manifest's features do not fit the inputs.
    """
    if not example:
        return Calls()
    schema = Schema.read(model.signature, manifest)
    infer = orjson.dumps(_infer_request(example, model.signature))
    row = record(example, schema)
    if not row:
        return Calls(infer, takes_image=bool(model.media_types))
    predict = orjson.dumps({"instances": [row]})
    file = _csv(row).encode()
    return Calls(
        infer,
        predict if _is_predicted(model, schema, predict) else b"",
        file if _is_scored(model, manifest, file) else b"",
    )


def record(example: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """The example by feature, as V1 takes it; empty where the model has no columns, or there is no example."""
    columns = required(schema)
    if not example or not columns:
        return {}
    if schema.matrix is not None:
        return dict(zip(columns, example[schema.matrix.name][0], strict=True))
    return {name: np.array(example[name], object).item() for name in columns}


def _infer_request(example: Mapping[str, Any], signature: Signature) -> dict[str, Any]:
    return {
        "inputs": [
            {
                "name": name,
                "shape": list(np.shape(data)),
                "datatype": signature.inputs[name].datatype.name,
                "data": data,
            }
            for name, data in example.items()
        ]
    }


def _csv(row: Mapping[str, Any]) -> str:
    text = io.StringIO()
    values = [str(value).lower() if isinstance(value, bool) else value for value in row.values()]
    csv.writer(text, lineterminator="\n").writerows([list(row), values])
    return text.getvalue()


def _is_predicted(model: Model, schema: Schema, body: bytes) -> bool:
    """Whether V1 answers; it has no form for some outputs."""
    try:
        encode_response(model, run(model, Decoder(schema).decode(body)), 1)
    except DespliegueError:
        return False
    return True


def _is_scored(model: Model, manifest: Manifest, file: bytes) -> bool:
    """Whether the row is scored; where all are rejected, or the model gives no table, that is an error too."""
    try:
        options = Options.read({}, manifest.scoring)
        Scoring.open(model, FILE_NAME, io.BytesIO(file), options).run(io.BytesIO(), io.BytesIO())
    except DespliegueError:
        return False
    return True
