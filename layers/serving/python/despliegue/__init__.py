"""Despliegue: a trained ONNX model, served.

Everything that runs in Lambda lives here and nothing that does not. An import goes inwards only:
aws, asgi → http → protocols → features → models → errors (checked by import-linter in `make test`).
"""

import os

__version__ = "0.1.0"

# Read by native code when numpy and onnxruntime are first imported, so they must be set before anything else here is.
# ONNX Runtime ≥ 1.29 otherwise starts a telemetry thread that writes below $HOME, which Lambda mounts read-only;
# OpenBLAS otherwise starts a thread pool that an inference never uses, at the price of twice the import time.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
