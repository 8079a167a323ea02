"""ONNX itself: repaired where it would not serve, its columns read off the graph, its labels where that names them."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from despliegue.features import Schema
from despliegue.models.extensions import are_needed, register
from despliegue.models.manifest import Feature, Manifest
from despliegue.models.model import Array, Model, SessionSettings
from despliegue.models.signature import Signature, TensorSpec
from despliegue_cli.convert.finishing import save
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.onnx_batch import fixed_batch, open_batch
from despliegue_cli.convert.onnx_data import check_external_data
from despliegue_cli.convert.onnx_limits import check_kinds, explain
from despliegue_cli.convert.onnx_locale import replace_locales
from despliegue_cli.convert.onnx_zipmap import drop_zipmaps, read_labels
from despliegue_cli.convert.originals import Columns
from despliegue_cli.convert.repaired import check_repairs
from despliegue_cli.convert.served import load_served


class OnnxModel:
    """An ONNX file. See `originals.Original`; its outputs keep their names.

    Where its inputs are no columns, it has no features, and `predict` takes its inputs as they are.
    """

    def __init__(self, path: Path, sample: tuple[str, ...]) -> None:
        self._graph = _read(path)
        graph = self._graph.graph
        self._batch = fixed_batch(graph)
        opsets = ", ".join(f"{each.domain or 'ai.onnx'} {each.version}" for each in self._graph.opset_import)
        producer = f"{self._graph.producer_name} {self._graph.producer_version}".strip()
        self.source = {"framework": "ONNX", "opsets": opsets} | ({"producer": producer} if producer else {})
        self._model = _load(path, self._graph)
        self.features = _features(self._model, sample)
        labels = read_labels(graph)
        repairs = [
            replace_locales(self._graph),
            drop_zipmaps(graph, labels),
            open_batch(graph, self._batch) if self._batch else "",
        ]
        self._repairs = ", ".join(filter(None, repairs))
        # The maps that stay are in the order of their own keys.
        self.labels = () if any(node.op_type == "ZipMap" for node in graph.node) else labels

    def predict(self, columns: Columns) -> dict[str, Array]:
        """What ONNX Runtime makes of it as it is; of one batch after the other, where it takes one size only."""
        inputs = self._model.signature.inputs
        if self.features:
            schema = Schema.read(self._model.signature, Manifest(features=self.features))
            arrays = schema.arrays_from_columns(columns)
        else:
            arrays = {name: values.astype(inputs[name].datatype.dtype) for name, values in columns.items()}
        return {
            name: array.astype(np.float64) if array.dtype.kind == "f" else array
            for name, array in self._run(arrays).items()
        }

    def convert(self, path: Path) -> None:
        """Write it, repaired."""
        save(self._graph, path)
        if self._repairs:
            self.source["repaired"] = self._repairs
            served = load_served(path.parent, self.features)
            check_repairs(self._run, self._model.signature, served, self._repairs, self._batch)

    def _run(self, arrays: dict[str, Array]) -> dict[str, Array]:
        names = list(self._model.signature.outputs)
        if not self._batch:
            found = self._model.run(arrays, names)
        else:
            rows = len(next(iter(arrays.values())))
            parts = [self._run_batch(arrays, start) for start in range(0, rows, self._batch)]
            found = [np.concatenate(output)[:rows] for output in zip(*parts, strict=True)]
        return {name: self._ordered(name, array) for name, array in zip(names, found, strict=True)}

    def _run_batch(self, arrays: dict[str, Array], start: int) -> list[Array]:
        part = {name: array[start : start + self._batch] for name, array in arrays.items()}
        # The last row once more where some are missing: it is surely one that the model takes.
        filled = {name: array[np.arange(self._batch).clip(max=len(array) - 1)] for name, array in part.items()}
        outputs = self._model.run(filled, list(self._model.signature.outputs))
        for name, array in zip(self._model.signature.outputs, outputs, strict=True):
            if array.shape[:1] != (self._batch,):
                raise ConversionError(
                    f"it takes {self._batch} rows, but output '{name}' has shape {list(array.shape)}, not a value for"
                    " each; export it with a dynamic batch and such outputs only"
                )
        return outputs

    def _ordered(self, name: str, array: Array) -> Array:
        """The columns of what were maps, in the order of the labels, as the matrix has them."""
        keys = tuple(map(str, self._model.labels.get(name, ())))
        return array[:, [keys.index(label) for label in self.labels]] if self.labels and keys else array


def _read(path: Path) -> onnx.ModelProto:
    """The graph with all of its weights."""
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own, which has no types
        raise ConversionError(f"it cannot be read as ONNX, or is nested too deeply: {error}") from error
    if check_external_data(model, path.parent):
        onnx.load_external_data_for_model(model, str(path.parent))
    check_kinds(model.graph)
    return model


def _load(path: Path, model: onnx.ModelProto, *, custom: bool = False) -> Model:
    """The model at `path` as it is: what optimisation changes is to be compared with this.

    Args:
        path: of the file.
        model: what is in it.
        custom: it has operators of onnxruntime-extensions. This process is for nothing else, and may end by them.

    Raises:
        ModelNotReady: those are not installed.
        ConversionError: it cannot be loaded.
    """
    options = SessionSettings().options()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if custom:
        register(options)
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ORT's exceptions share no base class
        if not custom and are_needed(str(error)):
            return _load(path, model, custom=True)
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        # This machine may lack a locale that Lambda lacks too. The one that replaces it gives the same.
        if "Failed to construct locale" not in str(error) or not replace_locales(copy):
            raise ConversionError(explain(model, error)) from error
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            save(copy, Path(folder) / path.name)
            return _load(Path(folder) / path.name, copy, custom=custom)
    nodes = (session.get_inputs(), session.get_outputs(), session.get_overridable_initializers())
    signature = Signature.read(*nodes, decodes=custom)
    return Model(path.stem, "1", session, signature, Manifest())


def _features(model: Model, sample: tuple[str, ...]) -> tuple[Feature, ...]:
    """Columns: the inputs, if each is one; or those of a matrix, if the sample names as many as it has.

    Raises:
        ConversionError: the sample names more or fewer, or the matrix takes any number.
    """
    signature = model.signature
    schema = Schema.read(signature, Manifest())
    if schema.columns:
        return tuple(_feature(name, signature.inputs[name]) for name in schema.columns)
    single = schema.single
    if single is None or len(single.shape) != 2 or not single.datatype.in_json or not sample:
        return ()
    if single.shape[1] == -1 and sample == (single.name,):
        return ()  # an npz with the matrix itself, of one column
    if single.shape[1] == -1:
        # Any of the sample's columns might be none of its: the target, or a number of the row.
        raise ConversionError(
            f"the width of input '{single.name}' is open, so nobody knows which of the sample's {len(sample):,} columns"
            " it takes; export it with its width, as [None, K], or give the sample as an npz with one array"
            f" '{single.name}' of the shape [rows, columns]"
        )
    if single.shape[1] != len(sample):
        raise ConversionError(
            f"input '{single.name}' takes {single.shape[1]:,} columns, and the sample has {len(sample):,};"
            " leave only the model's columns in it, in their order"
        )
    return tuple(_feature(name, single) for name in sample)


def _feature(name: str, spec: TensorSpec) -> Feature:
    kind = "category" if spec.datatype.kind == "O" else "number"
    return Feature(name, kind, "NaN" if spec.datatype.kind == "f" else None)
