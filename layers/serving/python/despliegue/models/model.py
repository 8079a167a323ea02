"""One version of a model: an ONNX Runtime session and its signature. Arrays in, arrays out."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from despliegue.errors import DespliegueError, InferenceError, InvalidRequest, ModelNotReady, NotSupported
from despliegue.models import bfloat16
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
        memory: bytes that the process of a session that has one of its own may take.
        isolated: whether a graph with custom operators gets one; not where this process is for nothing else.
        quick: whether a large one is soon there and exchanged later, as where callers wait for it; see `quick_session`.
    """

    threads: int = 1
    memory: int = 2**30
    isolated: bool = True
    quick: bool = False

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
        in_json: whether JSON can carry all its inputs and outputs.
        labels: the keys of each output that is a sequence of maps, in ONNX Runtime's order; known after a first run.
        isolated: whether it runs in a process of its own.
    """

    def __init__(
        self,
        name: str,
        version: str,
        session: ort.InferenceSession,
        signature: Signature,
        manifest: Manifest,
        *,
        isolated: bool = False,
    ) -> None:
        self.name = name
        self.version = version
        self.signature = signature
        self.manifest = manifest
        self.labels: dict[str, tuple[int | str, ...]] = {}
        self.isolated = isolated
        self._session = session
        self._run = _run_of(session)
        if any(spec.datatype.kind == "O" for spec in signature.inputs.values()):
            from despliegue.models.interrupts import uninterrupted  # here: most models take numbers alone

            self._run = uninterrupted(self._run)
        specs = [*signature.inputs.values(), *signature.outputs.values()]
        self.in_json = all(spec.datatype.in_json for spec in specs)
        self._is_plain = self.in_json and not signature.media_types and not any(spec.maps for spec in specs)

    @classmethod
    def load(cls, folder: Path, name: str, version: str, settings: SessionSettings) -> Self:
        """Load `folder/model.onnx` (external-data weights beside it) and its manifest.

        Raises:
            ModelNotReady: the file cannot be loaded, or its manifest does not fit it; the message says why.
            NotSupported: its inputs or outputs have a type that is not served.
        """
        manifest = Manifest.read(folder)
        try:
            session, is_custom = open_session(folder / FILE_NAME, settings)
        except ModelNotReady:
            raise
        except Exception as error:  # ORT's exceptions share no base class
            text = reason(error).replace(f"{folder}/", "")
            raise ModelNotReady(f"ONNX Runtime cannot load {FILE_NAME}: {text}") from error
        nodes = (session.get_inputs(), session.get_outputs(), session.get_overridable_initializers())
        signature = Signature.read(*nodes, decodes=is_custom)
        model = cls(name, version, session, signature, manifest, isolated=is_custom and settings.isolated)
        if is_custom and not model.in_json:
            raise NotSupported("bfloat16 beside operators of onnxruntime-extensions is not served")
        return model

    @property
    def media_types(self) -> tuple[str, ...]:
        """What a body that is its only input may be, such as image/png; empty where that takes no image."""
        return self.signature.media_types

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Run the model once.

        Args:
            inputs: an array for every required input, of its datatype and a shape that fits it. Of a model that takes
                an image also [N, n]: N of them, the shorter ones filled up behind their ends.
            outputs: names of the wanted outputs.

        Returns:
            An array per wanted output, in their order.

        Raises:
            InvalidRequest: the arrays do not go together, or hold a value that the graph refuses, such as an index
                out of bounds.
            InferenceError: the model failed.
        """
        try:
            if self._is_plain:
                return self._run(outputs, inputs)
            return self._run_special(inputs, outputs)
        except DespliegueError:
            raise
        except InvalidArgument as error:
            raise InvalidRequest(f"model '{self.name}' refused its inputs: {reason(error)}") from error
        except Exception as error:  # ORT's exceptions share no base class
            # Looked at only now: a graph may name dimensions alike that it can broadcast.
            if conflict := self.signature.conflict({name: array.shape for name, array in inputs.items()}):
                raise InvalidRequest(conflict) from error
            if self.media_types:  # nothing else can be at fault
                raise InvalidRequest(f"model '{self.name}' does not take this image: {reason(error)}") from error
            raise InferenceError(
                f"model '{self.name}' version {self.version} failed while running: {reason(error)}"
            ) from error

    def _run_special(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """As `run`, with images, bfloat16, which numpy lacks, and sequences of maps, which are made matrices."""
        if self.media_types:
            return self._run_images(inputs, outputs)
        given = {
            name: array if self.signature.inputs[name].datatype.in_json else bfloat16.to_ort(array)
            for name, array in inputs.items()
        }
        if all(self.signature.outputs[name].datatype.in_json for name in outputs):
            found = self._run(outputs, given)
        elif strings := next((name for name, array in inputs.items() if array.dtype.kind == "O"), None):
            # ONNX Runtime's binding gives bfloat16 as an OrtValue only, and makes none of strings.
            raise NotSupported(
                f"bfloat16 outputs cannot be given where an input is strings, as '{strings}' is; ask for other outputs",
                subject=strings,
            )
        else:
            values = {
                name: value if isinstance(value, ort.OrtValue) else ort.OrtValue.ortvalue_from_numpy(value)
                for name, value in given.items()
            }
            found = [bfloat16.from_ort(value) for value in self._session.run_with_ort_values(outputs, values)]
        return self._matrices(outputs, found)

    def _run_images(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """As `run`, of an image, or of several: each is decoded alone, and is a row of all outputs."""
        from despliegue.models.images import check_image  # here: few models take any

        [(name, given)] = inputs.items()
        found = []
        for image in given if given.ndim > 1 else [given]:
            check_image(image)
            found.append(self._matrices(outputs, self._run(outputs, {name: image})))
        if given.ndim == 1:
            return found[0]
        rows = [[array if array.shape[:1] == (1,) else array[None] for array in arrays] for arrays in found]
        return [np.concatenate(column) for column in zip(*rows, strict=True)]

    def _matrices(self, outputs: Sequence[str], found: Sequence[Any]) -> list[Array]:
        """The outputs, those of maps as matrices."""
        return [
            self._matrix(name, value) if self.signature.outputs[name].maps else value
            for name, value in zip(outputs, found, strict=True)
        ]

    def _matrix(self, name: str, rows: list[dict[int | str, float]]) -> Array:
        if rows:
            self.labels[name] = tuple(rows[0])
        keys = self.labels.get(name, ())
        if any(tuple(row) != keys for row in rows):
            raise NotSupported(f"'{name}' gives maps of differing keys, which is not served", subject=name)
        return np.array([list(row.values()) for row in rows], np.float32).reshape(len(rows), len(keys))

    def zeros(self) -> dict[str, Array]:
        """One row of zeros (empty strings) for every required input, open dimensions being 1: enough to warm up.

        An image is black.
        """
        if self.media_types:
            from despliegue.models.images import black_image

            return {name: black_image() for name in self.signature.required}
        specs = [self.signature.inputs[name] for name in self.signature.required]
        return {
            spec.name: np.full(
                [max(size, 1) if size < 0 else size for size in spec.shape],
                "" if spec.datatype.kind == "O" else 0,
                dtype=spec.datatype.dtype,
            )
            for spec in specs
        }


def open_session(path: Path, settings: SessionSettings) -> tuple[Any, bool]:
    """A session of the graph at `path`, and whether it has operators of onnxruntime-extensions.

    By path, never by bytes: bytes cost a second copy of the weights and cannot find external data.

    Raises:
        ModelNotReady: it has such operators, and they are not installed or their process cannot load it.
        Exception: ONNX Runtime's, of any class; it cannot load it.
    """
    try:
        if settings.quick and path.with_name(f"{path.name}.data").exists():
            from despliegue.models.quick_session import QuickSession, has_convolutions  # here: few models are so large

            if has_convolutions(path):
                return QuickSession(path, settings), False
        return ort.InferenceSession(path, settings.options(), providers=["CPUExecutionProvider"]), False
    except Exception as error:  # ORT's exceptions share no base class
        from despliegue.models import extensions  # here, not above: few graphs have such operators

        if not extensions.are_needed(str(error)):
            raise
        return extensions.open_session(path, settings), True


def _run_of(session: Any) -> Callable[[Sequence[str], Mapping[str, Array]], list[Array]]:
    """`session.run`, by ONNX Runtime's binding where the session has one.

    Around it, in Python, is what looks at each run for missing inputs, which the binding finds too, and for values of
    other devices: a quarter of the time that a small model takes. Options are made anew for each run that has none.
    """
    binding = getattr(session, "_sess", None)
    if binding is None:
        return session.run  # type: ignore[no-any-return]
    options = ort.RunOptions()
    return lambda outputs, inputs: binding.run(outputs, inputs, options)


def reason(error: Exception) -> str:
    """ORT's message without its prefix and the places in its own sources."""
    text = str(error).rpartition("Status Message: ")[2]
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : |/onnxruntime_src/\S+ ", "", text).strip()
