"""From a model file to ONNX, its columns and labels, and the original's own predictions to compare with.

Nothing of a model is ever loaded in this process: `worker` does it in one of its own, kept apart by `isolation`.
"""

# Whatever takes long or starts threads is imported where it is used: the worker imports this package before it is kept
# apart, which the kernel only does to a process of one thread.
from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from despliegue.features.column import Values
    from despliegue.models.manifest import Feature
    from despliegue.models.model import Array
    from despliegue_cli.convert.messages import Reply, Request

TIME_LIMIT_S = 300.0


@dataclass(frozen=True)
class Reference:
    """What the original predicts.

    Attributes:
        outputs: by the names of the graph's outputs, for the accepted rows only: float64, int64, or strings as objects.
        accepted: whether the original predicts a row, bool [N]; it may refuse an unknown category, say.
        refusal: the original's own words on the first row that it refuses; empty where it refuses none.
    """

    outputs: dict[str, Array]
    accepted: Array
    refusal: str = ""


@dataclass(frozen=True)
class Converted:
    """A converted model. It lies in a temporary folder, until `close` or the end of a `with` block.

    Attributes:
        folder: of `model.onnx` and its external data, and nothing else.
        features: the columns, in order.
        labels: the classes, in the order of the probabilities; empty for any other model.
        source: framework and versions, by name.
        isolation: how the process that loaded it was kept apart, in words.
    """

    folder: Path
    features: tuple[Feature, ...]
    labels: tuple[str, ...]
    source: dict[str, str]
    isolation: str
    _request: Request = field(repr=False)
    _scratch: tempfile.TemporaryDirectory[str] = field(repr=False)
    _time_limit_s: float = field(repr=False)

    def predict(self, columns: Mapping[str, Values]) -> Reference:
        """The original's predictions, made by loading it once more.

        Args:
            columns: for each of `features`, values [N]: numbers with NaN where one is missing, or strings with None. Of
                an ONNX model without features, an array [N, …] for each input.

        Raises:
            ConversionError: it cannot be loaded, refuses every row, or takes too long.
        """
        import msgspec

        from despliegue_cli.convert.process import run

        # An ONNX model may leave a column out, and takes integers as they are; all others read tables of doubles.
        exact = self._request.kind == "onnx"
        names = [feature.name for feature in self.features if feature.name in columns or not exact] or list(columns)
        vectors = {name: _vector(columns[name], exact=exact) for name in names}
        request = msgspec.structs.replace(self._request, task="predict", columns=vectors)
        reply = run(request, Path(self._scratch.name), self._time_limit_s)
        outputs = {name: vector.unpack() for name, vector in reply.outputs.items()}
        return Reference(outputs, reply.accepted.unpack(), reply.refusal)

    def close(self) -> None:
        """Remove the folder."""
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def convert(
    path: Path, *, trust: bool = False, sample: Path | None = None, time_limit_s: float = TIME_LIMIT_S
) -> Converted:
    """Convert a model file.

    Args:
        path: a file, or a folder with one ONNX file and its external data.
        trust: unpickle it, which runs whatever code is in it; and load what skops does not know.
        sample: a table whose columns name the model's, if it has no names of its own: CSV, Parquet or npz.
        time_limit_s: for loading and converting it; and for each later `predict`.

    Raises:
        DespliegueError: it is no model, is not trusted, cannot be converted exactly, or takes too long.
    """
    from despliegue_cli.convert.messages import ConversionError, Request
    from despliegue_cli.convert.process import MODEL, default_memory, run
    from despliegue_cli.convert.recognise import recognise
    from despliegue_cli.convert.sample_columns import sample_columns

    source = recognise(path)
    if source.kind == "pickle" and not trust:
        raise ConversionError(
            f"{path} is a pickle (joblib's are too): loading it runs whatever code is in it. If you trust whoever made"
            " it, add --trust; or save the model with skops.io.dump, which needs no trust"
        )
    names = sample_columns(sample) if sample is not None else ()
    request = Request("convert", str(source.path.resolve()), source.kind, trust, names, default_memory())
    scratch = tempfile.TemporaryDirectory(prefix="despliegue-", ignore_cleanup_errors=os.name == "nt")
    try:
        reply: Reply = run(request, Path(scratch.name), time_limit_s)
    except BaseException:
        scratch.cleanup()
        raise
    return Converted(
        Path(scratch.name) / MODEL,
        reply.features,
        reply.labels,
        reply.source,
        reply.isolation,
        request,
        scratch,
        time_limit_s,
    )


def _vector(values: Any, *, exact: bool) -> Any:
    import numpy as np

    from despliegue_cli.convert.messages import Vector

    array = np.asarray(values)
    if array.dtype.kind in "biuf":
        return Vector.pack(array if exact else array.astype("<f8"))
    if array.ndim > 1:
        return Vector.pack(array)
    items = np.asarray(values, object).tolist()
    if all(isinstance(item, str) or item is None or item != item for item in items):
        return Vector("text", (len(items),), text=[item if isinstance(item, str) else None for item in items])
    return Vector.pack(np.array([np.nan if item is None else item for item in items], "<f8"))
