"""Random ONNX graphs of Identity, Cast, Add, Concat and Constant over all tensor types, and arrays to feed them."""

from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import helper, numpy_helper

from despliegue.models import DATATYPES

type Array = np.ndarray[Any, Any]

TYPES = {
    "BOOL": onnx.TensorProto.BOOL,
    "UINT8": onnx.TensorProto.UINT8,
    "UINT16": onnx.TensorProto.UINT16,
    "UINT32": onnx.TensorProto.UINT32,
    "UINT64": onnx.TensorProto.UINT64,
    "INT8": onnx.TensorProto.INT8,
    "INT16": onnx.TensorProto.INT16,
    "INT32": onnx.TensorProto.INT32,
    "INT64": onnx.TensorProto.INT64,
    "FP16": onnx.TensorProto.FLOAT16,
    "BF16": onnx.TensorProto.BFLOAT16,
    "FP32": onnx.TensorProto.FLOAT,
    "FP64": onnx.TensorProto.DOUBLE,
    "BYTES": onnx.TensorProto.STRING,
}
IN_NUMPY = sorted(set(TYPES) - {"BF16"})
FLOATS = ("FP16", "FP32", "FP64")
NAMES = ("x", "dos palabras", "ñandú", 'quo"te', "back\\slash", "[", "a/b")


class Case(NamedTuple):
    """A model, arrays that it takes, and in which form each of them and of the outputs travels."""

    model: onnx.ModelProto
    datatypes: dict[str, str]
    arrays: dict[str, Array]
    forms: dict[str, str]
    binary_outputs: tuple[bool, ...] | bool | None


@st.composite
def arrays(draw: st.DrawFn, datatype: str, shape: tuple[int, ...]) -> Array:
    dtype = DATATYPES[datatype].dtype
    if datatype != "BYTES":
        return draw(hnp.arrays(dtype, shape))
    size = int(np.prod(shape))
    text = st.text(max_size=6)  # any Unicode but surrogates, which are no text
    return np.array(draw(st.lists(text, min_size=size, max_size=size)), np.object_).reshape(shape)


class Graph:
    """A graph as it is drawn, node by node."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.arrays: dict[str, Array] = {}
        self.datatypes: dict[str, str] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.initialisers: list[onnx.TensorProto] = []

    def shape(self, min_rank: int = 0) -> tuple[int, ...]:
        return tuple(self.draw(st.lists(st.integers(0, 3), min_size=min_rank, max_size=4)))

    def input(self, datatype: str, shape: tuple[int, ...]) -> str:
        name = f"{self.draw(st.sampled_from(NAMES))}{len(self.datatypes)}"
        self.datatypes[name] = datatype
        array = self.draw(arrays(datatype, shape))
        optional = datatype != "BF16" and self.draw(st.integers(0, 3)) == 0
        if optional:
            self.initialisers.append(numpy_helper.from_array(self.draw(arrays(datatype, shape)), name))
        if not optional or self.draw(st.booleans()):
            self.arrays[name] = array
        declared = [size if optional else self.draw(st.sampled_from([size, f"d{size}", None])) for size in shape]
        self.inputs.append(helper.make_tensor_value_info(name, TYPES[datatype], declared))
        return name

    def add(self, operation: str, inputs: list[str], datatype: str, rank: int, **attributes: Any) -> None:
        name = f"y{len(self.outputs)}"
        self.nodes.append(helper.make_node(operation, inputs, [name], **attributes))
        self.outputs.append(helper.make_tensor_value_info(name, TYPES[datatype], [None] * rank))
        self.datatypes[name] = datatype

    def identity(self) -> None:
        datatype, shape = self.draw(st.sampled_from(list(TYPES))), self.shape()
        self.add("Identity", [self.input(datatype, shape)], datatype, len(shape))

    def cast(self) -> None:
        """Not of strings, which need not be numbers, nor of floats to integers, where NaN is undefined."""
        given = self.draw(st.sampled_from(sorted(set(TYPES) - {"BYTES"})))
        takes = {"BF16": ["FP32"], "FP32": [*FLOATS, "BOOL", "BYTES", "BF16"]}
        made = self.draw(st.sampled_from(takes.get(given, [*FLOATS, "BOOL", "BYTES"] if given in FLOATS else IN_NUMPY)))
        shape = self.shape()
        self.add("Cast", [self.input(given, shape)], made, len(shape), to=TYPES[made])

    def sum(self) -> None:
        datatype, shape = self.draw(st.sampled_from(sorted(set(IN_NUMPY) - {"BOOL", "BYTES"}))), self.shape()
        self.add("Add", [self.input(datatype, shape), self.input(datatype, shape)], datatype, len(shape))

    def concat(self) -> None:
        datatype, first = self.draw(st.sampled_from(list(TYPES))), self.shape(1)
        axis = self.draw(st.integers(0, len(first) - 1))
        second = (*first[:axis], self.draw(st.integers(0, 3)), *first[axis + 1 :])
        self.add("Concat", [self.input(datatype, first), self.input(datatype, second)], datatype, len(first), axis=axis)

    def constant(self) -> None:
        datatype, shape = self.draw(st.sampled_from(IN_NUMPY)), self.shape()
        value = numpy_helper.from_array(self.draw(arrays(datatype, shape)))
        self.add("Constant", [], datatype, len(shape), value=value)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    graph = Graph(draw)
    operations = [graph.identity, graph.cast, graph.sum, graph.concat, graph.constant]
    for _ in range(draw(st.integers(1, 3))):
        draw(st.sampled_from(operations))()
    made = helper.make_graph(graph.nodes, "generated", graph.inputs, graph.outputs, graph.initialisers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    json_or_binary = st.sampled_from(["flat", "nested", "binary"])
    forms = {
        name: "binary" if graph.datatypes[name] == "BF16" else draw(json_or_binary, label=name) for name in graph.arrays
    }
    outputs = len(graph.outputs)
    wanted = draw(st.none() | st.booleans() | st.tuples(*[st.booleans()] * outputs), label="binary outputs")
    if any(graph.datatypes[output.name] == "BF16" for output in graph.outputs):
        wanted = True
    return Case(model, graph.datatypes, graph.arrays, forms, wanted)


@pytest.fixture(scope="session", name="cases")
def fixture_cases() -> st.SearchStrategy[Case]:
    """The strategy: test files cannot import one another."""
    return cases()
