"""ONNX that cannot be served is refused before it is deployed: by name, in one line, with what to do."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from despliegue.models.manifest import Feature
from despliegue_cli.convert.from_onnx import OnnxModel
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.onnx_data import check_external_data
from despliegue_cli.convert.onnx_locale import replace_locales
from despliegue_cli.convert.onnx_parts import nodes
from despliegue_cli.convert.served import load_served

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from despliegue_cli.convert import Converted

FLOAT = TensorProto.FLOAT
IDENTITY = '<ir_version: 10, opset_import: ["": 21]> m (float[N, 2] x) => (float[N, 2] y) { y = Identity(x) }'


def graph(text: str) -> onnx.ModelProto:
    model: onnx.ModelProto = onnx.parser.parse_model(text)
    return model


def with_types(kind: onnx.TypeProto, output: onnx.TypeProto | None = None) -> onnx.ModelProto:
    """A graph of one input and one output of these types."""
    values = [helper.make_value_info("x", kind)], [helper.make_value_info("y", output or kind)]
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    opsets = [helper.make_opsetid("", 21)]
    return helper.make_model(helper.make_graph(nodes, "m", *values), opset_imports=opsets, ir_version=10)


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[[onnx.ModelProto], str]:
    """What is said of a graph that is refused when it is loaded."""

    def load(model: onnx.ModelProto) -> str:
        (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(ConversionError) as error:
            OnnxModel(tmp_path / "net.onnx", ())
        return str(error.value)

    return load


def test_an_opset_above_the_runtimes_is_refused_with_both(refusal: Callable[[Any], str]) -> None:
    model = graph(IDENTITY)
    model.opset_import[0].version = 99
    said = refusal(model)
    most = onnx.defs.onnx_opset_version()
    assert f"opset 99 of ai.onnx, and ONNX Runtime {ort.__version__} takes none above {most}; export it again" in said
    assert f"opset_version={most} (PyTorch)" in said
    model.opset_import[0].version = 21
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 9))
    assert "opset 9 of ai.onnx.ml" in refusal(model)


def test_an_ir_version_above_the_runtimes_is_refused_with_both(refusal: Callable[[Any], str]) -> None:
    model = graph(IDENTITY)
    model.ir_version = 99
    said = f"IR version 99, and ONNX Runtime {ort.__version__} takes none above {onnx.IR_VERSION}; export it again"
    assert said in refusal(model)


def test_custom_operators_are_named_and_counted(refusal: Callable[[Any], str]) -> None:
    model = graph("""
        <ir_version: 10, opset_import: ["": 21, "com.acme": 1, "com.microsoft": 1]> m (float[N] x) => (float[N] y) {
            a = com.acme.Foo(x)
            b = com.acme.Foo(a)
            c = com.microsoft.NoSuch(b)
            d = com.microsoft.Gelu(c)
            y = Identity(d)
        }
    """)
    assert "operator 'com.acme::Foo' ×2, operator 'com.microsoft::NoSuch' ×1, which ONNX Runtime" in refusal(model)


def test_an_operator_that_the_file_defines_itself_is_no_custom_one(tmp_path: Path) -> None:
    model = graph("""
        <ir_version: 10, opset_import: ["": 21, "local": 1]> m (float[N, 2] x) => (float[N, 2] y) { y = local.Twice(x) }
        <opset_import: ["": 21], domain: "local"> Twice (x) => (y) { y = Add(x, x) }
    """)
    onnx.save(model, tmp_path / "net.onnx")
    found = OnnxModel(tmp_path / "net.onnx", ())
    assert found.predict({"x": np.ones((1, 2))})["y"].tolist() == [[2, 2]]


def test_a_type_that_the_runtime_has_no_operator_for_is_refused(refusal: Callable[[Any], str]) -> None:
    model = graph('<ir_version: 10, opset_import: ["": 21]> m (int16[N] x) => (int16[N] y) { y = Sin(x) }')
    assert "cannot load it: This is an invalid model. Type Error" in refusal(model)


TENSOR = helper.make_tensor_type_proto(FLOAT, ["N"])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (helper.make_sequence_type_proto(TENSOR), "a sequence"),
        (helper.make_map_type_proto(TensorProto.INT64, TENSOR), "a map"),
        (helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.INT64, TENSOR)), "a sequence"),
        (helper.make_optional_type_proto(TENSOR), "optional"),
        (helper.make_sparse_tensor_type_proto(FLOAT, [3, 3]), "a sparse tensor"),
        (helper.make_tensor_type_proto(TensorProto.COMPLEX64, ["N"]), "a tensor of complex64"),
        (helper.make_tensor_type_proto(TensorProto.FLOAT8E4M3FN, ["N"]), "a tensor of float8e4m3fn"),
        (helper.make_tensor_type_proto(TensorProto.INT4, ["N"]), "a tensor of int4"),
    ],
)
def test_an_input_of_a_kind_that_is_not_served_is_named(
    kind: onnx.TypeProto, words: str, refusal: Callable[[Any], str]
) -> None:
    said = refusal(with_types(kind))
    assert f"input 'x' is {words}, which is not served: expected a tensor of BOOL, UINT8" in said
    assert "export it with tensors" in said


def test_an_output_of_a_kind_that_is_not_served_is_named(refusal: Callable[[Any], str]) -> None:
    said = refusal(with_types(TENSOR, helper.make_sequence_type_proto(TENSOR)))
    assert "output 'y' is a sequence, which is not served" in said


def external(location: str, **entries: int) -> TensorProto:
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def holding(tensor: TensorProto, where: str) -> onnx.ModelProto:
    """A graph that keeps a constant as an initialiser, in a node, in a branch, or in a function."""
    value = helper.make_tensor_value_info("y", FLOAT, [2])
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    nodes = [constant]
    if where == "a branch":
        body = helper.make_graph([constant], "branch", [], [value])
        nodes = [helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)]
    elif where == "a function":
        nodes = [helper.make_node("Weights", [], ["y"], domain="local")]
    model = helper.make_model(helper.make_graph(nodes, "m", [], [value]))
    if where == "a function":
        model.functions.append(helper.make_function("local", "Weights", [], ["y"], [constant], []))
    elif where == "an initialiser":
        del model.graph.node[:]
        model.graph.initializer.append(tensor)
    return model


@pytest.mark.parametrize("where", ["an initialiser", "a node", "a branch", "a function"])
@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("../weights", "lies outside of its folder"),
        ("a/../../weights", "lies outside of its folder"),
        ("/etc/passwd", "lies outside of its folder"),
        ("link", "lies outside of its folder"),
        ("gone", "is not beside it; put it there"),
        ("short", "is cut short: it has 4 bytes, and 'w' needs 8"),
    ],
)
def test_external_data_that_is_not_in_the_folder_is_refused_wherever_it_is_used(
    where: str, location: str, message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "weights").write_bytes(bytes(8))
    (folder / "link").symlink_to(tmp_path / "weights")
    (folder / "short").write_bytes(bytes(4))
    with pytest.raises(ConversionError, match=message):
        check_external_data(holding(external(location), where), folder)


@pytest.mark.parametrize(
    ("entries", "needed"), [({"offset": 4}, 12), ({"length": 9}, 9), ({"offset": 8, "length": 8}, 16)]
)
def test_external_data_of_a_stated_place_and_length_must_be_there(
    entries: dict[str, int], needed: int, tmp_path: Path
) -> None:
    (tmp_path / "w").write_bytes(bytes(needed - 1))
    with pytest.raises(ConversionError, match=f"needs {needed}"):
        check_external_data(holding(external("w", **entries), "a node"), tmp_path)
    (tmp_path / "w").write_bytes(bytes(needed))
    assert check_external_data(holding(external("w", **entries), "a node"), tmp_path)


def test_a_file_nested_too_deeply_is_one_line(tmp_path: Path) -> None:
    def field(number: int, content: bytes) -> bytes:
        size, length = len(content), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    inner = b""
    for _ in range(300):
        inner = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(6, inner)))
    (tmp_path / "net.onnx").write_bytes(field(7, inner) + field(8, struct.pack("BB", 16, 21)))
    with pytest.raises(ConversionError, match="it cannot be read as ONNX, or is nested too deeply"):
        OnnxModel(tmp_path / "net.onnx", ())


def bomb(op: str, size: int, *, at: str = "constant") -> onnx.ModelProto:
    """A small file that unpacks to `size` floats: where it is loaded, or where it first predicts."""
    makes = {
        "ConstantOfShape": [helper.make_node("ConstantOfShape", ["shape"], ["big"])],
        "Expand": [helper.make_node("Expand", ["one", "shape"], ["big"])],
        "Tile": [helper.make_node("Tile", ["one", "shape"], ["big"])],
    }
    nodes = [
        *makes[op],
        helper.make_node("ReduceMax", ["big"], ["most"], keepdims=0),
        helper.make_node("Add", ["x", "most"], ["y"]),
    ]
    rows = [helper.make_tensor_value_info(name, FLOAT, ["N", 2]) for name in ("x", "y")]
    constants = [numpy_helper.from_array(np.array([size]), "shape"), numpy_helper.from_array(np.ones(1, "f4"), "one")]
    model = helper.make_graph(nodes, "m", rows[:1], rows[1:], constants)
    return helper.make_model(model, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.mark.parametrize("op", ["ConstantOfShape", "Expand", "Tile"])
def test_a_bomb_of_initialisers_is_one_line(op: str, tmp_path: Path, converted: Callable[..., Converted]) -> None:
    onnx.save(bomb(op, 1 << 40), tmp_path / "net.onnx")
    with pytest.raises(ConversionError, match="more memory than this machine has") as error:
        converted(tmp_path / "net.onnx")
    assert "\n" not in str(error.value)


def test_absurd_dimensions_are_one_line(refusal: Callable[[Any], str]) -> None:
    model = bomb("Tile", 1)
    model.graph.initializer[1].CopyFrom(TensorProto(name="one", data_type=FLOAT, dims=[1 << 40]))
    assert "it unpacks to more memory than this machine has" in refusal(model)
    model.graph.initializer[1].dims[0] = -5
    assert "cannot load it" in refusal(model)


def test_columns_that_do_not_fit_the_inputs_are_refused(tmp_path: Path) -> None:
    onnx.save(graph(IDENTITY), tmp_path / "model.onnx")
    with pytest.raises(ConversionError, match="names 3 features, but input 'x' takes 2"):
        load_served(tmp_path, tuple(Feature(name) for name in "abc"))
    assert load_served(tmp_path, tuple(Feature(name) for name in "ab")).signature.required == ("x",)


def test_texts_of_whoever_exported_it_are_written_nowhere_however_deep_they_lie(tmp_path: Path) -> None:
    model = graph("""
        <ir_version: 10, opset_import: ["": 21, "local": 1]> m (float[N, 2] x) => (float[N, 2] y) {
            t = Constant <value = bool {1}> ()
            y = If (t) <then_branch = a () => (float[N, 2] b) { b = local.Same(x) },
                        else_branch = c () => (float[N, 2] d) { d = Identity(x) }>
        }
        <opset_import: ["": 21], domain: "local"> Same (x) => (y) { y = Identity(x) }
    """)
    branch = model.graph.node[1].attribute[0].g
    for part in (model, model.graph, *model.graph.node, branch, branch.node[0], *model.functions):
        part.doc_string = "/home/alice"
        part.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="/home/alice/train.py")
    model.functions[0].node[0].doc_string = model.graph.input[0].doc_string = "/home/alice"
    # Small integers take more bytes the other way that they can be stored.
    model.graph.initializer.append(helper.make_tensor("table", TensorProto.INT64, [4000], range(4000)))
    onnx.save(model, tmp_path / "net.onnx")
    assert b"alice" in (tmp_path / "net.onnx").read_bytes()

    (tmp_path / "made").mkdir()
    OnnxModel(tmp_path / "net.onnx", ()).convert(tmp_path / "made" / "model.onnx")

    assert b"alice" not in (tmp_path / "made" / "model.onnx").read_bytes()


def test_nodes_are_found_in_branches_of_functions_and_in_lists_of_graphs() -> None:
    model = graph("""
        <ir_version: 10, opset_import: ["": 21, "local": 1]> m (string[N] x) => (string[N] y) { y = local.Lower(x) }
        <opset_import: ["": 21], domain: "local"> Lower (x) => (y) {
            t = Constant <value = bool {1}> ()
            y = If (t) <then_branch = a () => (string[N] b) { b = StringNormalizer <case_change_action = "LOWER"> (x) },
                        else_branch = c () => (string[N] d) { d = Identity(x) }>
        }
    """)
    bodies = [helper.make_graph([helper.make_node("StringNormalizer", ["x"], ["z"])], "body", [], [])]
    model.graph.node.append(helper.make_node("Switch", ["x"], ["z"], domain="local", bodies=bodies))

    replaced = replace_locales(model)

    assert replaced == "locale C.UTF-8 instead of en_US.UTF-8"
    found = [node for node in nodes(model) if node.op_type == "StringNormalizer"]
    assert [onnx.helper.get_node_attr_value(node, "locale") for node in found] == [b"C.UTF-8"] * 2
