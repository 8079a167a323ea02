"""Models: signature, session, manifest, and the repository of them. Arrays in, arrays out; no wire format here."""

from despliegue.models.datatypes import DATATYPES, Datatype
from despliegue.models.manifest import Manifest
from despliegue.models.model import Model, SessionSettings
from despliegue.models.repository import ModelRepository, ModelState
from despliegue.models.signature import Signature, TensorSpec

__all__ = [
    "DATATYPES",
    "Datatype",
    "Manifest",
    "Model",
    "ModelRepository",
    "ModelState",
    "SessionSettings",
    "Signature",
    "TensorSpec",
]
