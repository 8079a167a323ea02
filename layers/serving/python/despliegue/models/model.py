"""One version of a model: an ONNX Runtime session and its signature. Arrays in, arrays out."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from despliegue.errors import InferenceError, InvalidRequest, ModelNotReady
from despliegue.models.manifest import Manifest
from despliegue.models.signature import Signature

FILE_NAME = "model.onnx"

type Array = np.ndarray[tuple[int, ...], np.dtype[Any]]
"""An array of any datatype of `despliegue.models.datatypes`."""


class SessionSettings(msgspec.Struct, frozen=True):
    """How sessions are made.

    Attributes:
        threads: threads inside one operator. ONNX Runtime would take the host's count, which on Lambda is not what
            the memory buys; one is fastest for small tabular models.
    """

    threads: int = 1

    def options(self) -> ort.SessionOptions:
        """The session options; a new object each time, since a session may keep it."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        # Spinning threads burn billed CPU between two operators and gain nothing at this size.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A failing run is raised, and logged by whoever catches it: not printed a second time by the runtime.
        options.log_severity_level = 4
        return options


class Model:
    """A loaded model, ready to run. Safe to use from several threads at once.

    Attributes:
        name: as in the repository.
        version: as in the repository.
        signature: its inputs and outputs.
        manifest: what the ONNX file cannot say; empty for a bare file.
    """

    def __init__(
        self, name: str, version: str, session: ort.InferenceSession, signature: Signature, manifest: Manifest
    ) -> None:
        self.name = name
        self.version = version
        self.signature = signature
        self.manifest = manifest
        self._session = session

    @classmethod
    def load(cls, folder: Path, name: str, version: str, settings: SessionSettings) -> Self:
        """Load `folder/model.onnx` (external-data weights beside it) and its manifest.

        Raises:
            ModelNotReady: the file cannot be loaded, or its manifest does not fit it; the message says why.
            NotSupported: its inputs or outputs have a type that is not served.
        """
        manifest = Manifest.read(folder)
        try:
            # By path, never by bytes: bytes cost a second copy of the weights and cannot find external data.
            session = ort.InferenceSession(folder / FILE_NAME, settings.options(), providers=["CPUExecutionProvider"])
        except Exception as error:  # ORT's exceptions share no base class
            reason = _reason(error).replace(f"{folder}/", "")
            raise ModelNotReady(f"ONNX Runtime cannot load {FILE_NAME}: {reason}") from error
        signature = Signature.read(session.get_inputs(), session.get_outputs(), session.get_overridable_initializers())
        return cls(name, version, session, signature, manifest)

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Run the model once.

        Args:
            inputs: an array for every required input, of its datatype and a shape that fits it.
            outputs: names of the wanted outputs.

        Returns:
            An array per wanted output, in their order.

        Raises:
            InvalidRequest: the arrays do not go together, or hold a value that the graph refuses, such as an index
                out of bounds.
            InferenceError: the model failed.
        """
        try:
            return self._session.run(outputs, inputs)  # type: ignore[no-any-return]
        except InvalidArgument as error:
            raise InvalidRequest(f"model '{self.name}' refused its inputs: {_reason(error)}") from error
        except Exception as error:  # ORT's exceptions share no base class
            # Looked at only now: a graph may name dimensions alike that it can broadcast.
            if conflict := self.signature.conflict({name: array.shape for name, array in inputs.items()}):
                raise InvalidRequest(conflict) from error
            raise InferenceError(
                f"model '{self.name}' version {self.version} failed while running: {_reason(error)}"
            ) from error

    def zeros(self) -> dict[str, Array]:
        """One row of zeros (empty strings) for every required input, open dimensions being 1: enough to warm up."""
        specs = [self.signature.inputs[name] for name in self.signature.required]
        return {
            spec.name: np.full(
                [max(size, 1) if size < 0 else size for size in spec.shape],
                "" if spec.datatype.kind == "O" else 0,
                dtype=spec.datatype.dtype,
            )
            for spec in specs
        }


def _reason(error: Exception) -> str:
    """ORT's message without its prefix and the places in its own sources."""
    text = str(error).rpartition("Status Message: ")[2]
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : |/onnxruntime_src/\S+ ", "", text).strip()
