"""The session that every peer runs: the model that $MODEL names, on one thread."""

import os

import onnxruntime


def open_session() -> onnxruntime.InferenceSession:
    """The session, with the options of `despliegue.models.SessionSettings`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
