"""Random ONNX graphs over all tensor types: what is served is what ONNX Runtime gives, to the last bit.

JSON (flat and nested) and binary, mixed by input and by output; random shapes and values.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx
import onnxruntime as ort
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper
from tritonclient.utils import deserialize_bytes_tensor

from despliegue.http import InferenceService, Request
from despliegue.models import DATATYPES, ModelRepository

type Array = np.ndarray[Any, Any]

repeatable = settings(
    max_examples=int(os.environ.get("GENERATED_MODELS", "1000")),
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@repeatable
@given(st.data())
def test_what_is_served_is_what_onnx_runtime_gives(cases: Any, data: st.DataObject) -> None:
    case = data.draw(cases, label="case")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m" / "1" / "model.onnx"
        path.parent.mkdir(parents=True)
        onnx.save(case.model, path)

        response = InferenceService(ModelRepository(Path(folder))).handle(request_of(case))

    if has_strings_in_and_bfloat16_out(case):
        assert response.status == 501, "ONNX Runtime's binding cannot"
        return
    assert response.status == 200, response.body
    came = read_reply(response.body, int(response.headers.get("inference-header-content-length", len(response.body))))
    expected = run_directly(case)
    assert list(came) == list(expected)
    for name, array in expected.items():
        assert_same(came[name], array)


@repeatable
@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5, unique=True)
    | st.lists(st.text(max_size=5), min_size=1, max_size=5, unique=True),
    st.integers(0, 3),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_maps_are_a_matrix_with_onnx_runtimes_keys(keys: list[Any], rows: int, binary: bool, random: Any) -> None:
    x = np.array([[random.uniform(-1, 1) for _ in keys] for _ in range(rows)], np.float32).reshape(rows, len(keys))
    model = zip_map(keys)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m" / "1" / "model.onnx"
        path.parent.mkdir(parents=True)
        onnx.save(model, path)
        document = {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [rows, len(keys)], "data": x.ravel().tolist()}],
            "parameters": {"binary_data_output": binary},
        }
        request = Request("POST", "/v2/models/m/infer", {}, to_json(document))

        response = InferenceService(ModelRepository(Path(folder))).handle(request)

    assert response.status == 200, response.body
    length = int(response.headers.get("inference-header-content-length", len(response.body)))
    (entry,) = json.loads(response.body[:length])["outputs"]
    (maps,) = make_session(model).run(None, {"x": x})
    labels = entry.get("parameters", {}).get("labels")  # none before the first row: the graph does not tell
    matrix = read_reply(response.body, length)["y"]
    assert [dict(zip(labels, row, strict=True)) for row in matrix.tolist()] == maps
    assert all(list(row) == labels for row in maps)


def has_strings_in_and_bfloat16_out(case: Any) -> bool:
    return any(case.datatypes[name] == "BYTES" for name in case.arrays) and any(
        case.datatypes[output.name] == "BF16" for output in case.model.graph.output
    )


def zip_map(keys: list[Any]) -> onnx.ModelProto:
    kind = "strings" if isinstance(keys[0], str) else "int64s"
    key_type = onnx.TensorProto.STRING if kind == "strings" else onnx.TensorProto.INT64
    attributes: dict[str, Any] = {f"classlabels_{kind}": keys}
    maps = helper.make_map_type_proto(key_type, helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, []))
    graph = helper.make_graph(
        [helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", **attributes)],
        "maps",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, len(keys)])],
        [helper.make_value_info("y", helper.make_sequence_type_proto(maps))],
    )
    domains = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=domains, ir_version=10)


def make_session(model: onnx.ModelProto) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(model.SerializeToString(), options)


def run_directly(case: Any) -> dict[str, Array]:
    """ONNX Runtime's own arrays; a bfloat16 output as its bits, the upper half of an FP32."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    halves = [output for output in model.graph.output if case.datatypes[output.name] == "BF16"]
    for output in halves:
        model.graph.node.append(helper.make_node("Cast", [output.name], [f"{output.name}_wide"], to=1))
        output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        output.name += "_wide"
    session = make_session(model)
    given = {
        name: ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, onnx.TensorProto.BFLOAT16)
        if case.datatypes[name] == "BF16"
        else array
        for name, array in case.arrays.items()
    }
    found = {}
    for output, array in zip(model.graph.output, session.run(None, given), strict=True):
        is_half = output.name.endswith("_wide")
        found[output.name.removesuffix("_wide")] = (array.view(np.uint32) >> 16).astype(np.uint16) if is_half else array
    return found


def assert_same(came: Array, expected: Array) -> None:
    """The same bits, but for those that a NaN may carry."""
    assert (came.shape, came.dtype) == (expected.shape, expected.dtype)
    if expected.dtype.kind != "f":
        assert came.tolist() == expected.tolist()
        return
    np.testing.assert_array_equal(np.isnan(came), np.isnan(expected))
    bits = np.dtype(f"u{expected.dtype.itemsize}")
    numbers = ~np.isnan(expected)
    assert came[numbers].view(bits).tolist() == expected[numbers].view(bits).tolist()


def request_of(case: Any) -> Request:
    entries, raw = [], []
    for name, array in case.arrays.items():
        entry = {"name": name, "shape": list(array.shape), "datatype": case.datatypes[name]}
        if case.forms[name] == "binary":
            raw.append(to_bytes(array))
            entry["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            entry["data"] = array.tolist() if case.forms[name] == "nested" else array.ravel().tolist()
        entries.append(entry)
    document: dict[str, Any] = {"inputs": entries}
    if isinstance(case.binary_outputs, bool):
        document["parameters"] = {"binary_data_output": case.binary_outputs}
    elif case.binary_outputs is not None:
        names = [output.name for output in case.model.graph.output]
        document["outputs"] = [
            {"name": name, "parameters": {"binary_data": binary}}
            for name, binary in zip(names, case.binary_outputs, strict=True)
        ]
    header = to_json(document)
    headers = {"inference-header-content-length": str(len(header))} if raw else {}
    return Request("POST", "/v2/models/m/infer", headers, header + b"".join(raw))


def to_json(value: Any) -> bytes:
    """Strict JSON as the contract writes NaN and the infinities."""
    match value:
        case dict():
            return b"{" + b",".join(to_json(key) + b":" + to_json(item) for key, item in value.items()) + b"}"
        case list():
            return b"[" + b",".join(map(to_json, value)) + b"]"
        case float():
            constants = {"nan": b"null", "inf": b"1e999", "-inf": b"-1e999"}
            return constants.get(repr(value), repr(value).encode())
        case _:
            return json.dumps(value, ensure_ascii=False).encode()


def to_bytes(array: Array) -> bytes:
    if array.dtype.kind != "O":
        return array.tobytes()
    texts = [text.encode() for text in array.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def read_reply(body: bytes, header_length: int) -> dict[str, Array]:
    """The reply's arrays, read with the standard library and numpy."""
    raw, found = body[header_length:], {}
    for entry in json.loads(body[:header_length], parse_constant=refuse)["outputs"]:
        dtype = DATATYPES[entry["datatype"]].dtype
        size = entry.get("parameters", {}).get("binary_data_size")
        if size is None:
            wide = np.float64 if dtype.kind == "f" else dtype
            values = np.array(entry["data"], wide).astype(dtype)
        elif dtype.kind == "O":
            values = np.array([text.decode() for text in deserialize_bytes_tensor(raw[:size])], dtype)
        else:
            values = np.frombuffer(raw[:size], dtype)
        raw = raw[size or 0 :]
        found[entry["name"]] = values.reshape(entry["shape"])
    assert not raw
    return found


def refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")
