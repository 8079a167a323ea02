"""The files of a model: its graph, and from a megabyte of weights on, these beside it, where they are mapped."""

import os
from pathlib import Path
from typing import Final, NamedTuple

import onnx
from onnx import TensorProto, numpy_helper

from despliegue.models.model import FILE_NAME
from despliegue_cli.convert.onnx_data import tensors
from despliegue_cli.convert.onnx_parts import all_graphs, nodes

DATA: Final = f"{FILE_NAME}.data"
EXTERNAL_FROM: Final = 1 << 20
"""Bytes of large weights from which they lie beside the graph.

Measured with five dense layers under ONNX Runtime 1.32, the first load in a process, in the graph → beside it:
0.5 MB 6.1 → 5.2 ms and 2.5 → 1.9 MB of the process's own memory; 1 MB 7.8 → 6.2 ms, 3.5 → 2.5 MB; 4 MB 15.7 → 8.2 ms,
9.5 → 5.9 MB; 10 MB 30 → 14 ms, 21 → 13 MB; 100 MB 253 → 105 ms, 170 → 121 MB. For less it is not worth a file."""
_LARGE: Final = 1 << 14
_PAGE: Final = 4096
"""Each starts on a page, as ONNX recommends for mapping; that wastes a quarter at most."""
_TYPED: Final = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64)


class Complexity(NamedTuple):
    """How much there is to load: nodes, constants, bytes in all files."""

    nodes: int
    constants: int
    size: int

    def gain(self, other: "Complexity") -> str:
        """What `other` has less of, in words; empty where it is not simpler.

        Fewer nodes may take up to a tenth more bytes; nothing else may grow.
        """
        if other.nodes > self.nodes or other.size > (self.size * 1.1 if other.nodes < self.nodes else self.size):
            return ""
        parts = [
            f"{before - after:,} {what if before - after > 1 else what[:-1]}"
            for before, after, what in zip(self, other, ("nodes", "weights", "bytes"), strict=True)
            if after < before
        ]
        return f"{', '.join(parts)} less" if parts else ""


def load(folder: Path) -> onnx.ModelProto:
    """The graph in `folder` with all its weights."""
    return onnx.load(folder / FILE_NAME)


def complexity(folder: Path) -> Complexity:
    """How much there is to load."""
    model = onnx.load(folder / FILE_NAME, load_external_data=False)
    return Complexity(
        sum(1 for _ in nodes(model)),
        sum(len(each.initializer) for each in all_graphs(model)),
        sum((folder / name).stat().st_size for name in (FILE_NAME, *external_files(model))),
    )


def external_files(model: onnx.ModelProto) -> list[str]:
    """The files beside a graph that hold its weights, by their paths from its folder."""
    entries = (tensor.external_data for tensor in tensors(model) if tensor.data_location == TensorProto.EXTERNAL)
    return sorted({entry.value for each in entries for entry in each if entry.key == "location"})


def store(model: onnx.ModelProto, folder: Path) -> None:
    """Write a model; the same model, the same bytes.

    Args:
        model: with all its weights; those that are written beside it are taken out of it.
        folder: made here.
    """
    folder.mkdir()
    constants = model.graph.initializer
    for constant in constants:
        if not constant.raw_data and constant.data_type in _TYPED:
            raw = numpy_helper.from_array(numpy_helper.to_array(constant), constant.name)
            # Small integers take less as they are.
            if raw.ByteSize() <= constant.ByteSize():
                constant.CopyFrom(raw)
    large = [constant for constant in constants if len(constant.raw_data) >= _LARGE]
    if sum(len(constant.raw_data) for constant in large) >= EXTERNAL_FROM:
        _store_beside(large, folder / DATA)
    (folder / FILE_NAME).write_bytes(model.SerializeToString(deterministic=True))


def _store_beside(constants: list[TensorProto], path: Path) -> None:
    with path.open("wb") as file:
        for constant in constants:
            file.write(bytes(-file.tell() % _PAGE))
            place = {"location": path.name, "offset": file.tell(), "length": len(constant.raw_data)}
            file.write(constant.raw_data)
            constant.ClearField("raw_data")
            constant.data_location = TensorProto.EXTERNAL
            for key, value in place.items():
                constant.external_data.add(key=key, value=str(value))


def replace(folder: Path, improved: Path) -> None:
    """Move the model from `improved` over that in `folder`, each file whole, and remove what it leaves unused."""
    before = external_files(onnx.load(folder / FILE_NAME, load_external_data=False))
    after = external_files(onnx.load(improved / FILE_NAME, load_external_data=False))
    for name in (*after, FILE_NAME):
        os.replace(improved / name, folder / name)
    for name in before:
        if name not in after:
            (folder / name).unlink()
