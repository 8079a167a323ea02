"""What this process and the worker say to each other, in files: arrays and text only, never pickles."""

from typing import Any, Literal, Self

import msgspec
import numpy as np

from despliegue.errors import DespliegueError
from despliegue.models.manifest import Feature
from despliegue.models.model import Array

type Column = list[float] | list[str | None]


class ConversionError(DespliegueError):
    """A model file cannot be loaded or converted; the message says why, and what to do."""


class RefusesEveryRow(ConversionError):
    """The original is in order, and predicts none of the rows that it was given."""


class Vector(msgspec.Struct, frozen=True):
    """An array on its way.

    Attributes:
        dtype: numpy's name of it; `text` for strings.
        shape: of the array.
        data: the values, little-endian; empty for strings.
        text: the strings, where it holds such; None is missing.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes = b""
    text: list[str | None] = []

    @classmethod
    def pack(cls, array: Array) -> Self:
        """An array of numbers or of strings."""
        if array.dtype.kind in "OU":
            return cls("text", array.shape, text=array.ravel().tolist())
        return cls(array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes())

    def unpack(self) -> Array:
        """The array again; strings as objects."""
        if self.dtype == "text":
            array = np.empty(len(self.text), object)
            array[:] = self.text
            return array.reshape(self.shape)
        return np.frombuffer(self.data, np.dtype(self.dtype)).reshape(self.shape)


class Request(msgspec.Struct, frozen=True):
    """What the worker is to do.

    Attributes:
        task: `convert`, or `predict` on the rows in `columns`.
        path: the model file.
        kind: as `recognise` found it.
        trust: whether it may be unpickled, and types that skops does not know be loaded.
        names: of the columns, for a model that has none of its own; the sample's.
        memory: the most address space, bytes; 0 for no limit.
        columns: of each feature, for `predict`.
    """

    task: Literal["convert", "predict"]
    path: str
    kind: str
    trust: bool = False
    names: tuple[str, ...] = ()
    memory: int = 0
    columns: dict[str, Vector] = {}


class Reply(msgspec.Struct):
    """What the worker found.

    Attributes:
        error: what went wrong, in one line; empty where nothing did.
        refuses_every_row: whether that was `RefusesEveryRow`.
        isolation: how it was kept apart.
        features: for the manifest.
        labels: the classes, in the order of the probabilities; empty for any other model.
        source: framework and versions, for the manifest.
        outputs: the original's predictions, by the names of the graph's outputs.
        accepted: whether the original predicts a row [N]; `outputs` hold these rows only.
        refusal: the original's own words on the first row that it refuses.
    """

    error: str = ""
    refuses_every_row: bool = False
    isolation: str = ""
    features: tuple[Feature, ...] = ()
    labels: tuple[str, ...] = ()
    source: dict[str, str] = {}
    outputs: dict[str, Vector] = {}
    accepted: Vector = Vector("<i8", (0,))
    refusal: str = ""


def one_line(error: BaseException) -> str:
    """An exception as one line: its class where its text alone would not tell, and no more than 300 characters."""
    text = " ".join(str(error).split())
    known: tuple[type[Any], ...] = (DespliegueError,)
    text = text if isinstance(error, known) else f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= 300 else f"{text[:299]}…"
