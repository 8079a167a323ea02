"""What of an ONNX file cannot be served or loaded, by name: kinds of inputs, operators, opset, IR version, memory."""

import re
from collections import Counter
from typing import Final

import onnx
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

from despliegue.models import DATATYPES
from despliegue.models.datatypes import of_ort_type
from despliegue.models.extensions import DOMAINS
from despliegue.models.model import reason
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.onnx_parts import nodes

_KINDS: Final = {
    "sparse_tensor_type": "a sparse tensor",
    "sequence_type": "a sequence",
    "map_type": "a map",
    "optional_type": "optional",
    "opaque_type": "opaque",
}
_LISTED: Final = 5
_NO_MEMORY: Final = re.compile(
    r"Failed to allocate memory|bad_alloc|Integer overflow|exceeds the (\d+ byte limit|supported maximum of)"
)


def check_kinds(graph: onnx.GraphProto) -> None:
    """Make sure that each input and output is of a kind that is served.

    Raises:
        ConversionError: one is not; the message names it, its kind, and what is served.
    """
    for what, values in (("input", graph.input), ("output", graph.output)):
        for value in values:
            if kind := _unserved(value.type, what):
                raise ConversionError(
                    f"{what} '{value.name}' is {kind}, which is not served: expected a tensor of"
                    f" {', '.join(DATATYPES)} (BYTES are strings); export it with tensors of these only"
                )


def explain(model: onnx.ModelProto, error: Exception) -> str:
    """Why ONNX Runtime does not load a model, and what to do.

    Args:
        model: it.
        error: ONNX Runtime's.
    """
    text = re.sub(r"^Load model from .*? failed: ?", "", " ".join(reason(error).split()))
    runtime = f"ONNX Runtime {ort.__version__}"
    if unknown := _unknown_operators(model):
        return (
            f"the graph has {unknown}, which {runtime} does not know, and custom operators cannot be deployed"
            " but for onnxruntime-extensions'; export it with those of ai.onnx, ai.onnx.ml and com.microsoft only"
        )
    if found := re.search(r"model IR version: (\d+), max supported IR version: (\d+)", text):
        came, most = found.groups()
        return (
            f"it is of ONNX IR version {came}, and {runtime} takes none above {most}; export it again with an older"
            f" onnx package, one of IR version {most}"
        )
    if found := re.search(r"Opset (\d+) is under development.*for domain (\S+) is till opset (\d+)", text):
        came, domain, most = found.groups()
        return (
            f"it is of opset {came} of {domain}, and {runtime} takes none above {most}; export it again with"
            f" opset_version={most} (PyTorch), target_opset={most} (skl2onnx) or --opset {most} (tf2onnx)"
        )
    if found := re.search(r"Failed to construct locale with name: ?([\w.@-]+)", text):
        return f"its StringNormalizer needs the locale {found[1]}, which this machine lacks; add the model on Linux"
    if needs_memory(text):
        return f"it unpacks to more memory than this machine has; {runtime} says: {text}"
    if "Could not find an implementation" in text:
        return f"{runtime} has an operator of it for other types or opsets only: {text}; export it with an older opset"
    return f"{runtime} cannot load it: {text}"


def needs_memory(text: str) -> bool:
    """Whether a message of ONNX Runtime's says that memory ran out."""
    return _NO_MEMORY.search(text) is not None


def _unserved(kind: onnx.TypeProto, what: str) -> str:
    """What an input or output is, where that is not served; empty where it is, or the graph is silent."""
    which: str | None = kind.WhichOneof("value")
    if which is None:
        return ""
    if which == "tensor_type":
        element = kind.tensor_type.elem_type
        known = element in onnx.TensorProto.DataType.values()
        name = onnx.TensorProto.DataType.Name(element).lower() if known else f"type {element}"
        is_served = element == onnx.TensorProto.UNDEFINED or of_ort_type(f"tensor({name})")
        return "" if is_served else f"a tensor of {name}"
    # ZipMap's, which becomes a matrix.
    if what == "output" and kind.sequence_type.elem_type.WhichOneof("value") == "map_type":
        return ""
    return _KINDS.get(which, which)


def _unknown_operators(model: onnx.ModelProto) -> str:
    """The operators that the runtime has no schema of, with how often each comes; empty where it knows all."""
    known = {(schema.domain, schema.name) for schema in get_all_operator_schema()}
    own = {(function.domain, function.name) for function in model.functions}
    counts = Counter(
        (domain, node.op_type)
        for node in nodes(model)
        if node.domain not in DOMAINS
        and (domain := "" if node.domain == "ai.onnx" else node.domain, node.op_type) not in known
        and (node.domain, node.op_type) not in own
    )
    names = [f"operator '{domain or 'ai.onnx'}::{name}' ×{count}" for (domain, name), count in counts.items()]
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
