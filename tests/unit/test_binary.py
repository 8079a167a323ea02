"""The binary tensor extension and packed bodies: what is accepted, and every refusal with its message."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from despliegue.http import InferenceService, Request, Response
from despliegue.models import ModelRepository

type AddModel = Callable[..., Path]
type Ask = Callable[..., Response]

MODEL = """
    <ir_version: 10, opset_import: ["": 21]>
    g (float[N, 2] x, string[M] s, bool[K] b) => (float[N, 2] xx, string[M] ss, bool[K] bb)
    { xx = Identity(x)  ss = Identity(s)  bb = Identity(b) }
"""
ONE_INPUT = '<ir_version: 10, opset_import: ["": 21]> g ({0} x) => ({0} y) {{ y = Identity(x) }}'
X = {"name": "x", "shape": [1, 2], "datatype": "FP32"}
S = {"name": "s", "shape": [2], "datatype": "BYTES"}
B = {"name": "b", "shape": [3], "datatype": "BOOL"}
RAW_X = np.array([1, 2.5], "<f4").tobytes()
RAW_S = b"\2\0\0\0\xc3\xb1\0\0\0\0"
RAW_B = b"\1\0\1"
INFER = "/v2/models/m/infer"


@pytest.fixture
def ask(add_model: AddModel, repository: ModelRepository) -> Ask:
    """Posts a header and the bytes behind it, with the header's length, to a service over model `m`."""
    add_model(MODEL)
    service = InferenceService(repository)

    def call(document: Any, raw: bytes = b"", length: str | None = "", **headers: str) -> Response:
        header = document if isinstance(document, bytes) else json.dumps(document).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if length is not None:
            named["inference-header-content-length"] = length or str(len(header))
        return service.handle(Request("POST", INFER, named, header + raw, "request-1"))

    return call


def sized(tensor: dict[str, Any], size: Any, **more: Any) -> dict[str, Any]:
    return {**tensor, "parameters": {"binary_data_size": size}, **more}


def all_three(x: Any = 8, s: Any = 10, b: Any = 3) -> dict[str, Any]:
    return {"inputs": [sized(X, x), sized(S, s), sized(B, b)]}


def error(response: Response, status: int = 400) -> str:
    assert response.status == status, response.body
    document = json.loads(response.body)
    assert list(document) == ["error"]
    assert response.headers["content-type"] == "application/json"
    message: str = document["error"]
    assert len(message) < 400
    return message


def split(response: Response) -> tuple[Any, bytes]:
    length = int(response.headers["inference-header-content-length"])
    return json.loads(response.body[:length]), response.body[length:]


# What is accepted


def test_tensors_go_in_and_out_as_bytes_in_the_listed_order(ask: Ask) -> None:
    response = ask({**all_three(), "parameters": {"binary_data_output": True}}, RAW_X + RAW_S + RAW_B)

    document, raw = split(response)
    assert raw == RAW_X + RAW_S + RAW_B
    assert response.headers["content-type"] == "application/octet-stream"
    assert [output["parameters"]["binary_data_size"] for output in document["outputs"]] == [8, 10, 3]
    assert all("data" not in output for output in document["outputs"])


def test_each_input_and_output_has_its_own_form(ask: Ask) -> None:
    inputs = [sized(X, 8), {**S, "data": ["ñ", ""]}, sized(B, 3)]
    outputs = [{"name": "bb"}, {"name": "xx", "parameters": {"binary_data": False}}, {"name": "ss"}]

    request = {"inputs": inputs, "outputs": outputs, "parameters": {"binary_data_output": True}}
    document, raw = split(ask(request, RAW_X + RAW_B))

    assert [output.get("data") for output in document["outputs"]] == [None, [1, 2.5], None]
    assert raw == RAW_B + RAW_S


def test_sagemaker_names_the_length_in_the_content_type(ask: Ask) -> None:
    request = json.dumps({**all_three(), "parameters": {"binary_data_output": True}}).encode()
    kind = "application/vnd.sagemaker-triton.binary+json;json-header-size="

    response = ask(request, RAW_X + RAW_S + RAW_B, None, content_type=f"{kind}{len(request)}")

    assert response.status == 200
    form, _, length = response.headers["content-type"].partition("=")
    assert form + "=" == kind
    assert response.body[int(length) :] == RAW_X + RAW_S + RAW_B
    assert "the length of the JSON is ''" in error(ask(request, b"", None, content_type=kind))
    assert "the length of the JSON is 'x'" in error(ask(request, b"", None, content_type=f"{kind}x"))
    assert "the length of the JSON is ''" in error(ask(request, b"", None, content_type=kind.split(";")[0]))


@pytest.mark.parametrize(
    ("declared", "body", "shape"),
    [
        ("float[2, 3]", bytes(24), [2, 3]),
        ("float[N, 3]", bytes(36), [3, 3]),
        ("float[N, 3]", b"", [0, 3]),
        ("bool[N]", b"\1\0\1", [3]),
        ("string[1]", "a\nñ".encode(), [1]),
        ("string[N, 1]", b"", [1, 1]),
        ("int64[N, 0]", b"", [0, 0]),
    ],
)
def test_a_raw_body_is_the_one_input(
    add_model: AddModel, repository: ModelRepository, declared: str, body: bytes, shape: list[int]
) -> None:
    add_model(ONE_INPUT.format(declared))
    headers = {"inference-header-content-length": "0"} | ({} if body else {"content-type": "application/octet-stream"})

    response = InferenceService(repository).handle(Request("POST", INFER, headers, body))

    document, raw = split(response)
    assert document["outputs"][0]["shape"] == shape
    assert raw == (len(body).to_bytes(4, "little") if "string" in declared else b"") + body


@pytest.mark.parametrize(
    ("declared", "body", "says"),
    [
        ("float[N, M]", bytes(8), "input 'x': a raw body does not tell the sizes that [-1, -1] leaves open"),
        ("float[2, 3]", bytes(20), "shape [2, 3] of FP32 is 24 bytes; binary_data_size is 20"),
        ("float[N, 3]", bytes(13), "shape [1, 3] of FP32 is 12 bytes; binary_data_size is 13"),
        ("int64[N, 0]", bytes(8), "shape [0, 0] of INT64 is 0 bytes; binary_data_size is 8"),
        ("string[2]", b"a", "input 'x': its shape needs 2 elements; the binary data holds 1"),
        ("string[1]", b"\xff", "input 'x': element 0 is not UTF-8: invalid start byte"),
        ("bool[N]", b"\2", "input 'x': a BOOL is the byte 2; expected 0 or 1"),
    ],
)
def test_a_raw_body_that_does_not_fit(
    add_model: AddModel, repository: ModelRepository, declared: str, body: bytes, says: str
) -> None:
    add_model(ONE_INPUT.format(declared))

    response = InferenceService(repository).handle(
        Request("POST", INFER, {"inference-header-content-length": "0"}, body)
    )

    assert says in error(response)


@pytest.mark.parametrize(
    ("headers", "body", "says"),
    [
        ({}, b"", "the body is empty; expected a tensor's bytes, or content type application/octet-stream"),
        (
            {"content-type": "application/json"},
            bytes(12),
            "content type is application/json, but the length of the JSON",
        ),
    ],
)
def test_what_does_not_say_that_it_is_a_raw_tensor_is_none(
    add_model: AddModel, repository: ModelRepository, headers: dict[str, str], body: bytes, says: str
) -> None:
    add_model(ONE_INPUT.format("float[N, 3]"))

    response = InferenceService(repository).handle(
        Request("POST", INFER, {"inference-header-content-length": "0", **headers}, body)
    )

    assert says in error(response)


# Bad input


@pytest.mark.parametrize("declared", ["float[N, M]", "string[N, M]", "bool[N, M]"])
@pytest.mark.parametrize("form", [{"data": []}, {"parameters": {"binary_data_size": 0}}])
def test_a_product_of_sizes_beyond_what_python_writes(
    add_model: AddModel, repository: ModelRepository, declared: str, form: dict[str, Any]
) -> None:
    add_model(ONE_INPUT.format(declared))
    datatype = {"f": "FP32", "s": "BYTES", "b": "BOOL"}[declared[0]]
    x = {"name": "x", "datatype": datatype, "shape": [10**4299, 10**4299], **form}
    header = json.dumps({"inputs": [x]}).encode()

    response = InferenceService(repository).handle(
        Request("POST", INFER, {"inference-header-content-length": str(len(header))}, header)
    )

    assert "input 'x': " in error(response)


@pytest.mark.parametrize("value", [-1, 2.0, "8", True, [8], {}, -(2**63), 1e300])
def test_a_size_that_is_no_length(ask: Ask, value: Any) -> None:
    assert "; expected an integer ≥ 0" in error(ask(all_three(x=value), RAW_X + RAW_S + RAW_B))


@pytest.mark.parametrize("value", [22, 2**31, 2**32 + 8, 2**63, 2**64, 2**64 + 8, 10**30])
def test_a_size_beyond_the_body(ask: Ask, value: int) -> None:
    message = error(ask(all_three(x=value), RAW_X + RAW_S + RAW_B))

    assert message.startswith("input 'x': binary_data_size is ")
    assert message.endswith("; 21 bytes are left behind the JSON")


@pytest.mark.parametrize(
    ("document", "raw", "says"),
    [
        (all_three(x=4), RAW_X + RAW_S + RAW_B, "input 'x': shape [1, 2] of FP32 is 8 bytes; binary_data_size is 4"),
        (all_three(x=0), RAW_S + RAW_B, "input 'x': shape [1, 2] of FP32 is 8 bytes; binary_data_size is 0"),
        (all_three(b=2), RAW_X + RAW_S + RAW_B, "input 'b': shape [3] of BOOL is 3 bytes; binary_data_size is 2"),
        (all_three(), RAW_X + RAW_S + RAW_B + b"..", "2 bytes are left over behind the binary tensors"),
        (all_three(), RAW_X + RAW_S + b"\1\2\1", "input 'b': a BOOL is the byte 2; expected 0 or 1"),
        (all_three(s=2), RAW_X + b"\0\0" + RAW_B, "input 's': 2 bytes are left over; a length takes 4"),
        (all_three(s=4), RAW_X + bytes(4) + RAW_B, "input 's': its shape needs 2 elements; the binary data holds 1"),
        (all_three(s=12), RAW_X + bytes(12) + RAW_B, "input 's': its shape needs 2 elements; the binary data holds 3"),
        (all_three(s=9), RAW_X + bytes(4) + b"\2\0\0\0." + RAW_B, "input 's': element 1 has 2 bytes; 1 are left"),
        (all_three(s=8), RAW_X + b"\xff" * 8 + RAW_B, "input 's': element 0 has 4,294,967,295 bytes; 4 are left"),
        (all_three(s=9), RAW_X + b"\1\0\0\0\xff" + bytes(4) + RAW_B, "input 's': element 0 is not UTF-8: invalid st"),
        (all_three(s=11), RAW_X + b"\3\0\0\0\xed\xa0\x80" + bytes(4) + RAW_B, "input 's': element 0 is not UTF-8"),
        ({"inputs": [sized(X, 8, data=[1, 2])]}, RAW_X, "input 'x': binary_data_size is 8, but there is data in the"),
        ({"inputs": [sized(X, 8, shape=[2**62, 2])]}, RAW_X, "input 'x': shape [4611686018427387904, 2] of FP32 is 36"),
        ({"inputs": [sized(X, 8, shape=[10**4299, 2])]}, RAW_X, "input 'x': shape [1000000000000...0"),
        (
            {"inputs": [sized(S, 10, shape=[10**4299])]},
            RAW_S,
            "input 's': its shape needs 1000000000000...00000000000000 elements",
        ),
        ({"inputs": [{**X, "parameters": []}]}, RAW_X, "parameters is an array; expected an object"),
        ({"inputs": [X]}, RAW_X, "input 'x': it has no data"),
        ({**all_three(), "parameters": {"binary_data_output": 1}}, RAW_X + RAW_S + RAW_B, "binary_data_output is a nu"),
        (b"", RAW_X, "a raw body is for models with one input; this one has 'x', 's', 'b'"),
    ],
)
def test_binary_data_that_does_not_fit(ask: Ask, document: Any, raw: bytes, says: str) -> None:
    assert says in error(ask(document, raw))


def test_a_size_needs_the_header_that_says_where_the_bytes_begin(ask: Ask) -> None:
    message = error(ask(all_three(), length=None))

    assert message == (
        "input 'x': binary_data_size is 8, but no Inference-Header-Content-Length says where binary data begins"
    )


@pytest.mark.parametrize(
    ("length", "says"),
    [
        ("999999", "the JSON is 999,999 bytes by its header; the body has "),
        ("9" * 15, "the JSON is 999,999,999,999,999 bytes by its header; the body has "),
        ("9" * 16, "the length of the JSON is '999999999999"),
        ("9" * 5000, "expected an integer ≥ 0"),
        ("-1", "the length of the JSON is '-1'; expected an integer ≥ 0"),
        ("1.5", "the length of the JSON is '1.5'; expected an integer ≥ 0"),
        ("²", "the length of the JSON is '²'; expected an integer ≥ 0"),
        ("a\r\nb: c", "the length of the JSON is 'a\\r\\nb: c'; expected an integer ≥ 0"),
        ("20", "the body is not valid JSON"),
    ],
)
def test_a_header_length_that_is_wrong(ask: Ask, length: str, says: str) -> None:
    assert says in error(ask(all_three(), RAW_X + RAW_S + RAW_B, length))
