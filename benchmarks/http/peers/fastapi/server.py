"""FastAPI as one writes it by hand: pydantic checks the request, ONNX Runtime answers, orjson writes the reply.

- `async def`: the model runs on the event loop. A plain `def` would hop to a thread for each request.
- The reply is a Response of orjson's bytes (FastAPI's documentation, "Return a Response Directly"): a response model
  would check and copy each number once more, and `ORJSONResponse` is deprecated.
- uvicorn with httptools and uvloop (`uvicorn[standard]`), one worker, no access log.
"""

import numpy as np
import orjson
from fastapi import FastAPI, Response
from onnx_session import open_session
from pydantic import BaseModel

app = FastAPI()
session = open_session()


class Rows(BaseModel):
    """The request."""

    instances: list[list[float]]


@app.post("/predict")
async def predict(rows: Rows) -> Response:
    """The predictions."""
    label, probabilities = session.run(None, {"input": np.array(rows.instances, np.float32)})
    found = {"label": label.tolist(), "probabilities": probabilities}
    return Response(orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
