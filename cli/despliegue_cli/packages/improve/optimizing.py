"""ONNX Runtime's own optimisation, done once here instead of at every load."""

from pathlib import Path
from typing import Final

import onnx
import onnxruntime as ort
from onnx import TensorProto

from despliegue.models.extensions import DOMAINS, register
from despliegue.models.model import FILE_NAME, SessionSettings, reason
from despliegue_cli.convert.onnx_data import tensors
from despliegue_cli.convert.onnx_parts import nodes
from despliegue_cli.packages.improve.edits import tidy

_LEFT_OUT: Final = (
    # It takes double → float → double for nothing, which rounds: forests trained in float32 need it. Off by default.
    "CastChainElimination",
    # What they make of a quantised graph is for this processor; whoever loads it does so for its own.
    "QDQS8ToU8Transformer",
    "QDQSelectorActionTransformer",
)


class CannotOptimize(Exception):
    """The graph is left as it is; the message says why."""


def optimize(folder: Path, scratch: Path) -> onnx.ModelProto:
    """The graph of `folder/model.onnx`, optimised at level EXTENDED.

    Never at ALL, which lays weights out for this processor. Its inputs and outputs are those that it had.

    Args:
        folder: of the model.
        scratch: an empty folder to write to.

    Raises:
        CannotOptimize: ONNX Runtime cannot, or the result would be for this processor.
    """
    before = onnx.load(folder / FILE_NAME, load_external_data=False)
    if _has_float16(before):
        # They are written where this processor has no such operator; another may have.
        raise CannotOptimize("it computes in float16, and the casts for it would be those of this processor")
    options = SessionSettings().options()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(scratch / FILE_NAME)
    options.add_session_config_entry("optimization.disable_specified_optimizers", ";".join(_LEFT_OUT))
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    if any(node.domain in DOMAINS for node in nodes(before)):
        register(options)
    try:
        ort.InferenceSession(folder / FILE_NAME, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ORT's exceptions share no base class
        raise CannotOptimize(f"ONNX Runtime cannot: {reason(error)[:200]}") from error
    after = onnx.load(scratch / FILE_NAME)
    _restore(after, before)
    tidy(after)
    return after


def _has_float16(model: onnx.ModelProto) -> bool:
    wanted = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    values = (*model.graph.input, *model.graph.output)
    casts = (each.i for node in nodes(model) if node.op_type == "Cast" for each in node.attribute if each.name == "to")
    types = (value.type.tensor_type.elem_type for value in values)
    return any(each in wanted for each in (*(tensor.data_type for tensor in tensors(model)), *types, *casts))


def _restore(after: onnx.ModelProto, before: onnx.ModelProto) -> None:
    """Undo what ONNX Runtime writes of its own: shapes it inferred, and versions of all domains it knows."""
    for field in ("input", "output"):
        values = getattr(after.graph, field)
        del values[:]
        values.extend(getattr(before.graph, field))
    after.ir_version, after.graph.name = before.ir_version, before.graph.name
    after.producer_name, after.producer_version = before.producer_name, before.producer_version
    used = {node.domain for node in nodes(after)} | {each.domain for each in before.opset_import}
    opsets = sorted((each for each in after.opset_import if each.domain in used), key=lambda each: each.domain)
    del after.opset_import[:]
    after.opset_import.extend(opsets)
