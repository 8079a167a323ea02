"""MLflow: the model in its own form, with ONNX Runtime's options, for `mlflow models serve`.

- The mlflow.onnx flavor with a tensor signature: an array goes to the model with no pandas between.
- Served by `mlflow models serve --env-manager local --workers 1`, which is FastAPI on uvicorn; httptools and uvloop are
  installed, and there is no access log.
"""

import os
import sys

import mlflow.onnx
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

if __name__ == "__main__":
    mlflow.onnx.save_model(
        onnx.load(os.environ["MODEL"]),
        sys.argv[1],
        signature=ModelSignature(Schema([TensorSpec(np.dtype(np.float32), (-1, 30), "input")])),
        onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1},
    )
