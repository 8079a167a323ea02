"""Arrays → an Open Inference reply's bytes. Sources: as for `infer_request`."""

from functools import lru_cache
from typing import Any

import orjson

from despliegue.errors import InvalidRequest
from despliegue.models import DATATYPES, Model, Signature
from despliegue.models.model import Array
from despliegue.protocols import binary, tensors
from despliegue.protocols.classification import top_classes
from despliegue.protocols.infer_form import KNOWN
from despliegue.protocols.infer_request import InferRequest
from despliegue.protocols.requested_outputs import RequestedOutput


def encode_response(model: Model, request: InferRequest, arrays: list[Array]) -> tuple[bytes, int | None]:
    """The reply: an array for each of `request.outputs`, and how many bytes of it are JSON; None for all.

    Raises:
        InvalidRequest: an output is wanted in a form that it does not have.
    """
    values = [] if request.id is None else [orjson.dumps(request.id)]
    shapes, raw, sizes = [], [], []
    for wanted, array in zip(request.outputs, arrays, strict=True):
        if wanted.classes:
            labels = model.labels.get(wanted.name) or model.manifest.labels
            array = top_classes(array, wanted.classes, labels, wanted.name)
        shapes.append(array.shape)
        if wanted.binary:
            raw.append(binary.encode(array))
            sizes.append(len(raw[-1]))
        else:
            values.append(tensors.dumps(tensors.encode(array)))
    template = _template(
        model.name,
        model.version,
        model.signature,
        tuple(model.labels.items()) if model.labels else (),
        request.outputs,
        tuple(shapes),
        tuple(sizes),
        request.id is not None,
    )
    header = template % tuple(values)
    return (b"".join([header, *raw]), len(header)) if raw else (header, None)


@lru_cache(KNOWN)
def _template(
    name: str,
    version: str,
    signature: Signature,
    labels: tuple[tuple[str, tuple[int | str, ...]], ...],
    outputs: tuple[RequestedOutput, ...],
    shapes: tuple[tuple[int, ...], ...],
    sizes: tuple[int, ...],
    has_id: bool,
) -> bytes:
    """The reply's JSON with a `%b` for its id and for the data of each output that is in it: it seldom changes.

    Args:
        name: the model's.
        version: the model's.
        signature: the model's.
        labels: the keys of each output that the graph gives as maps.
        outputs: the wanted ones.
        shapes: theirs.
        sizes: in bytes, of the binary ones.
        has_id: whether the request has an id.
    """
    hole = orjson.Fragment(b"\0")  # which no JSON holds
    named = dict(labels)
    reply: dict[str, Any] = {"model_name": name, "model_version": version}
    if has_id:
        reply["id"] = hole
    reply["outputs"] = entries = []
    left = iter(sizes)
    for wanted, shape in zip(outputs, shapes, strict=True):
        datatype = DATATYPES["BYTES"] if wanted.classes else signature.outputs[wanted.name].datatype
        entry: dict[str, Any] = {"name": wanted.name, "datatype": datatype.name, "shape": shape}
        if wanted.name in named:
            entry["parameters"] = {"labels": named[wanted.name]}
        if wanted.binary:
            entry.setdefault("parameters", {})["binary_data_size"] = next(left)
        elif datatype.in_json:
            entry["data"] = hole
        else:
            raise InvalidRequest(
                f"output '{wanted.name}' is {datatype.name}, which JSON cannot carry; ask for it as binary_data",
                subject=wanted.name,
            )
        entries.append(entry)
    return orjson.dumps(reply).replace(b"%", b"%%").replace(b"\0", b"%b")
