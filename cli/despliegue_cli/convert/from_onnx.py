"""ONNX itself: copied with its external data; its columns read off the graph, its labels where the graph names them."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import onnx
import onnxruntime as ort

from despliegue.features import Schema
from despliegue.models.manifest import Feature, Manifest
from despliegue.models.model import Array, Model, SessionSettings
from despliegue.models.signature import TensorSpec
from despliegue_cli.convert.finishing import save
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.originals import Columns


class OnnxModel:
    """An ONNX file. See `originals.Original`; its outputs keep their names.

    Where its inputs are no columns, it has no features, and `predict` takes its inputs as they are.
    """

    def __init__(self, path: Path, sample: tuple[str, ...]) -> None:
        self._path = path
        self._graph = onnx.load(path, load_external_data=False)
        self._external = _external_files(self._graph, path.parent)
        self._model = _load(path)
        self.features = _features(self._model, sample)
        self.labels = _labels(self._graph.graph)
        opsets = ", ".join(f"{each.domain or 'ai.onnx'} {each.version}" for each in self._graph.opset_import)
        producer = f"{self._graph.producer_name} {self._graph.producer_version}".strip()
        self.source = {"framework": "ONNX", "opsets": opsets} | ({"producer": producer} if producer else {})

    def predict(self, columns: Columns) -> dict[str, Array]:
        """What ONNX Runtime makes of it as it is."""
        inputs = self._model.signature.inputs
        if self.features:
            schema = Schema.read(self._model.signature, Manifest(features=self.features))
            arrays = schema.arrays_from_columns(columns)
        else:
            arrays = {name: values.astype(inputs[name].datatype.dtype) for name, values in columns.items()}
        names = list(self._model.signature.outputs)
        return {
            name: array.astype(np.float64) if array.dtype.kind == "f" else array
            for name, array in zip(names, self._model.run(arrays, names), strict=True)
        }

    def convert(self, path: Path) -> None:
        """Copy it, its external data in files of the same names."""
        if self._external:
            onnx.load_external_data_for_model(self._graph, str(self._path.parent))
        save(self._graph, path)


def _load(path: Path) -> Model:
    from despliegue.models.signature import Signature

    options = SessionSettings().options()
    # As it is: what optimisation changes is to be compared with this.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ORT's exceptions share no base class
        raise ConversionError(f"ONNX Runtime {ort.__version__} cannot load it: {error}") from error
    signature = Signature.read(session.get_inputs(), session.get_outputs(), session.get_overridable_initializers())
    return Model(path.stem, "1", session, signature, Manifest())


def _external_files(model: onnx.ModelProto, folder: Path) -> list[str]:
    """The files beside the graph that hold its weights.

    Raises:
        ConversionError: one is not there, or would lie outside of the folder.
    """
    found: dict[str, None] = {}
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            found |= dict.fromkeys(entry.value for entry in tensor.external_data if entry.key == "location")
    for location in found:
        path = PurePosixPath(location)
        inside = (folder / location).resolve().is_relative_to(folder.resolve())
        if path.is_absolute() or ".." in path.parts or not inside:
            raise ConversionError(
                f"its external data '{location}' lies outside of its folder; save it beside the graph"
            )
        if not (folder / location).is_file():
            raise ConversionError(f"its external data '{location}' is not beside it; put it there")
    return list(found)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for each in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _tensors(each)


def _features(model: Model, sample: tuple[str, ...]) -> tuple[Feature, ...]:
    """Columns: the inputs, if each is one; or those of a matrix, if the sample names them."""
    signature = model.signature
    schema = Schema.read(signature, Manifest())
    if schema.columns:
        return tuple(_feature(name, signature.inputs[name]) for name in schema.columns)
    single = schema.single
    if single is None or len(single.shape) != 2 or not single.datatype.in_json or not sample:
        return ()
    if single.shape[1] not in (-1, len(sample)):
        raise ConversionError(
            f"input '{single.name}' takes {single.shape[1]:,} columns, and the sample has {len(sample):,};"
            " leave only the model's columns in it, in their order"
        )
    return tuple(_feature(name, single) for name in sample)


def _feature(name: str, spec: TensorSpec) -> Feature:
    kind = "category" if spec.datatype.kind == "O" else "number"
    return Feature(name, kind, "NaN" if spec.datatype.kind == "f" else None)


def _labels(graph: onnx.GraphProto) -> tuple[str, ...]:
    """The classes that a classifier's or ZipMap's node names; none where nodes differ."""
    found = set()
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name.startswith("classlabels_") and (attribute.strings or attribute.ints):
                found.add(tuple(each.decode() for each in attribute.strings) or tuple(map(str, attribute.ints)))
    return found.pop() if len(found) == 1 else ()
