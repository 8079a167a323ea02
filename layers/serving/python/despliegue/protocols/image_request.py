"""A body that is an image → the only input of a model whose graph decodes it."""

import numpy as np

from despliegue.features import Schema
from despliegue.models.model import Array


def decode_image(body: bytes, schema: Schema) -> dict[str, Array]:
    """A row that is the image's bytes, uint8 [1, n]: `Model.run` looks at them, whichever way they came."""
    return {name: np.frombuffer(body, np.uint8).reshape(1, -1) for name in schema.inputs}
