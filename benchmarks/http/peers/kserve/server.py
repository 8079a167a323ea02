"""KServe's Python server with a custom model, as its documentation has it: Open Inference V2, JSON and binary.

- `async def predict`: on the event loop, without a hop to a thread.
- No gRPC server, no line of latencies for each request, logging as uvicorn has it at level warning; uvloop, one worker.
"""

import logging
import os

from kserve import InferOutput, InferResponse, Model, ModelServer
from kserve.utils.numpy_codec import from_np_dtype
from onnx_session import open_session


class OnnxModel(Model):
    """Tensors in, labels and probabilities out."""

    def __init__(self, name):
        super().__init__(name)
        self.session = open_session()
        self.names = [output.name for output in self.session.get_outputs()]
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        """The outputs, in the form that the request asks for."""
        binary = payload.use_binary_outputs
        outputs = []
        arrays = self.session.run(self.names, {"input": payload.inputs[0].as_numpy()})
        for name, array in zip(self.names, arrays, strict=True):
            output = InferOutput(name, list(array.shape), from_np_dtype(array.dtype))
            output.set_data_from_numpy(array, binary_data=binary)
            outputs.append(output)
        return InferResponse(payload.id or "", self.name, outputs, use_binary_outputs=binary)


if __name__ == "__main__":
    logging.getLogger("uvicorn.access").disabled = True
    ModelServer(http_port=int(os.environ["PORT"]), workers=1, enable_grpc=False, enable_latency_logging=False).start(
        [OnnxModel("model")]
    )
