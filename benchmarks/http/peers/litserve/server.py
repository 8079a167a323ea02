"""LitServe: the smallest LitAPI, one API server and one worker process, as it always has two.

- `fast_queue=True`: its documentation says so from a hundred requests a second on.
- No batching: it waits for further requests, which costs latency, and a request here is a batch already.
- uvicorn with httptools and uvloop, no access log.
"""

import os

import numpy as np
from litserve import LitAPI, LitServer
from onnx_session import open_session


class OnnxAPI(LitAPI):
    """Rows in, labels and probabilities out."""

    def setup(self, device):
        """Load the model, in the worker."""
        self.session = open_session()

    def decode_request(self, request):
        """The rows."""
        return np.array(request["instances"], np.float32)

    def predict(self, x):
        """The outputs."""
        return self.session.run(None, {"input": x})

    def encode_response(self, output):
        """What FastAPI writes as JSON."""
        label, probabilities = output
        return {"label": label.tolist(), "probabilities": probabilities.tolist()}


if __name__ == "__main__":
    server = LitServer(OnnxAPI(), accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=1,
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )
