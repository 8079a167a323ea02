"""BentoML: the smallest service, one worker.

- `async def`: on the event loop. A plain `def` hops to its pool of threads, which has one thread by default.
- The input is an array of a known dtype, which BentoML makes of the JSON; no adaptive batching, which waits.
- No access log, no monitoring; uvicorn with httptools and uvloop, which it takes if they are installed.
"""

from typing import Annotated

import bentoml
import numpy as np
from bentoml.validators import DType
from onnx_session import open_session


@bentoml.service(workers=1, logging={"access": {"enabled": False}}, monitoring={"enabled": False})
class Predictor:
    """Rows in, labels and probabilities out."""

    def __init__(self):
        self.session = open_session()

    @bentoml.api
    async def predict(self, instances: Annotated[np.ndarray, DType("float32")]) -> dict:
        """The predictions."""
        label, probabilities = self.session.run(None, {"input": instances})
        return {"label": label.tolist(), "probabilities": probabilities.tolist()}
