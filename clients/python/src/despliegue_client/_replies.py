"""What the service answers → typed Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Classification:
    """What a classifier says of a row.

    Attributes:
        label: the class.
        probabilities: of each class; empty where the model gives none.
    """

    label: str | int | bool
    probabilities: dict[str, float]


Prediction = Classification | float | dict[str, Any]
"""Of one row: a class, a number, or all outputs of a model that is neither classifier nor regressor."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model; -1 in `shape` stands for any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ModelMetadata:
    """What the service says of a model.

    Attributes:
        name: the model's.
        version: the version that is described.
        versions: all that there are.
        description: what it is for.
        features: the columns that it wants; empty where the model does not name them.
        labels: the classes; empty where it does not name them.
        inputs: the tensors that go in.
        outputs: the tensors that come out.
        deprecated: `since`, `sunset` and `successor`, as far as known, of a version on its way out; else empty.
    """

    name: str
    version: str
    versions: tuple[str, ...]
    description: str
    features: tuple[str, ...]
    labels: tuple[str, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    deprecated: dict[str, str]


def read_prediction(value: Any) -> Prediction:
    """One item of V1's `predictions`. A null where a number stood is NaN."""
    if value is None:
        return float("nan")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, dict) and value.keys() == {"label", "probabilities"}:
        return Classification(
            value["label"],
            {name: float("nan") if p is None else float(p) for name, p in value["probabilities"].items()},
        )
    return value if isinstance(value, dict) else {"prediction": value}


def read_metadata(document: dict[str, Any]) -> ModelMetadata:
    """The metadata of the Open Inference Protocol, and what Despliegue adds under `parameters`."""
    said = document.get("parameters", {})
    return ModelMetadata(
        name=document["name"],
        version=said.get("version", ""),
        versions=tuple(document.get("versions", ())),
        description=said.get("description", ""),
        features=tuple(said.get("features", ())),
        labels=tuple(said.get("labels", ())),
        inputs=tuple(map(_read_tensor, document["inputs"])),
        outputs=tuple(map(_read_tensor, document["outputs"])),
        deprecated=dict(said.get("deprecated", {})),
    )


def _read_tensor(document: dict[str, Any]) -> Tensor:
    return Tensor(document["name"], document["datatype"], tuple(document["shape"]))
