"""MLServer with a custom runtime, as its documentation has it: Open Inference V2 in JSON.

- settings.json: `parallel_workers` 0, so that the model runs in the server's process: its pool of processes is for more
  cores than one, and hands each request over. `debug` false: no access log.
- `async def predict`: on the event loop. No adaptive batching, which waits.
- uvicorn with httptools and uvloop.
"""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceResponse
from onnx_session import open_session


class OnnxModel(MLModel):
    """Tensors in, labels and probabilities out."""

    async def load(self):
        """Load the model."""
        self.session = open_session()
        return True

    async def predict(self, payload):
        """The outputs."""
        label, probabilities = self.session.run(None, {"input": NumpyCodec.decode_input(payload.inputs[0])})
        codec = StringCodec if label.dtype == object else NumpyCodec
        outputs = [
            codec.encode_output("label", label),
            NumpyCodec.encode_output("probabilities", probabilities),
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
