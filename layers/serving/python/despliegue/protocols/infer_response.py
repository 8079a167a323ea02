"""Arrays → an Open Inference reply's bytes. Sources: as for `infer_request`."""

from typing import Any

from despliegue.errors import InvalidRequest
from despliegue.models import DATATYPES, Model
from despliegue.models.model import Array
from despliegue.protocols import binary, tensors
from despliegue.protocols.classification import top_classes
from despliegue.protocols.infer_request import InferRequest


def encode_response(model: Model, request: InferRequest, arrays: list[Array]) -> tuple[bytes, int | None]:
    """The reply: an array for each of `request.outputs`, and how many bytes of it are JSON; None for all.

    Raises:
        InvalidRequest: an output is wanted in a form that it does not have.
    """
    reply: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
    if request.id is not None:
        reply["id"] = request.id
    reply["outputs"] = entries = []
    raw = []
    for wanted, array in zip(request.outputs, arrays, strict=True):
        datatype = model.signature.outputs[wanted.name].datatype
        labels = model.labels.get(wanted.name) or model.manifest.labels
        if wanted.classes:
            datatype, array = DATATYPES["BYTES"], top_classes(array, wanted.classes, labels, wanted.name)
        entry: dict[str, Any] = {"name": wanted.name, "datatype": datatype.name, "shape": array.shape}
        if wanted.name in model.labels:
            entry["parameters"] = {"labels": labels}
        if wanted.binary:
            raw.append(binary.encode(array))
            entry.setdefault("parameters", {})["binary_data_size"] = len(raw[-1])
        elif datatype.in_json:
            entry["data"] = tensors.encode(array)
        else:
            raise InvalidRequest(
                f"output '{wanted.name}' is {datatype.name}, which JSON cannot carry; ask for it as binary_data",
                subject=wanted.name,
            )
        entries.append(entry)
    header = tensors.dumps(reply)
    return (b"".join([header, *raw]), len(header)) if raw else (header, None)
