"""The classes of highest value, as texts. Source: Triton's classification extension."""

import numpy as np

from despliegue.errors import InvalidRequest
from despliegue.models.model import Array


def top_classes(array: Array, count: int, labels: tuple[int | str, ...], name: str) -> Array:
    """`value:index:label` of the `count` highest values of each row, highest first; no label where there is none.

    Args:
        array: numbers, [K] or [N, …], each row taken flat.
        count: how many; all where a row has fewer.
        labels: a name for each index, or nothing.
        name: the output's, for messages.

    Returns:
        Strings, [count] or [N, count].

    Raises:
        InvalidRequest: the output is no numbers.
    """
    if array.dtype.kind not in "iuf" or not array.ndim:
        raise InvalidRequest(f"output '{name}' holds no numbers to be classified by", subject=name)
    rows = array.reshape(1, -1) if array.ndim == 1 else array.reshape(array.shape[0], int(np.prod(array.shape[1:])))
    named = labels if len(labels) == rows.shape[1] else ()
    best = np.argsort(-rows.astype(np.float64), axis=1, kind="stable")[:, :count]
    texts = [
        [f"{row[index]}:{index}" + (f":{named[index]}" if named else "") for index in indices]
        for row, indices in zip(rows, best.tolist(), strict=True)
    ]
    result = np.array(texts, np.object_).reshape(best.shape)
    return result[0] if array.ndim == 1 else result
