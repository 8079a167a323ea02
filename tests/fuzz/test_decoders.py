"""Every request, however broken, gets a valid reply or an error in JSON, below 500, in memory bounded by its size.

FUZZ_SECONDS (15) says for how long, FUZZ_CHANCE where to begin; a failure names the chance that repeats it.
"""

import gzip
import json
import os
import random
import time
import tracemalloc
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx
import onnx.parser
import pytest

from despliegue.http import InferenceService, Request, Response
from despliegue.models import ModelRepository

MULTIPLE = 64
"""Most times its size, unpacked, that a request may allocate in Python and numpy, beyond the first MiB.

Floats read fast take 4, strings 3; the dearest body known, arrays nested 900 deep and read slowly, takes 45. A reply's
size is the model's and the caller's choice, and not part of this.
"""
UNPACKED = 200
"""Most times its packed size that is read of a packed body: http/compression.py's."""

MODELS = {
    "types": """g (float[N, 2] x, string[M] s, bool[K] b, int8[I] i, uint64[U] u, float16[H] h, double d)
        => (float[N, 2] xx, string[M] ss, bool[K] bb, int8[I] ii, uint64[U] uu, float16[H] hh, double dd)
        { xx = Identity(x)  ss = Identity(s)  bb = Identity(b)  ii = Identity(i)  uu = Identity(u)
          hh = Identity(h)  dd = Identity(d) }""",
    "half": "g (bfloat16[N, M] x) => (bfloat16[N, M] y) { y = Identity(x) }",
    "text": "g (string[1] x) => (string[1] y) { y = Identity(x) }",
}


def tensor(name: str, datatype: str, shape: list[int], data: Any) -> dict[str, Any]:
    if isinstance(data, bytes):
        return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(data)}}
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def seeds() -> list[tuple[str, dict[str, Any], bytes]]:
    cells = np.linspace(0, 30, 60, dtype=np.float32).reshape(2, 30)
    strings = b"\2\0\0\0\xc3\xb1\0\0\0\0"
    rest = [
        tensor("b", "BOOL", [3], [True, False, True]),
        tensor("i", "INT8", [2], [-128, 127]),
        tensor("u", "UINT64", [1], [2**64 - 1]),
        tensor("h", "FP16", [2], [None, 0.1]),
        tensor("d", "FP64", [], 1e300),
    ]
    raw_rest = [
        tensor("b", "BOOL", [3], b"\1\0\1"),
        tensor("i", "INT8", [2], b"\x80\x7f"),
        tensor("u", "UINT64", [1], b"\xff" * 8),
        tensor("h", "FP16", [2], bytes(4)),
        tensor("d", "FP64", [], bytes(8)),
    ]
    wanted = {"outputs": [{"name": "probabilities", "parameters": {"classification": 2}}]}
    binary = {"parameters": {"binary_data_output": True}}
    x, s = tensor("x", "FP32", [1, 2], [[1, 2.5]]), tensor("s", "BYTES", [2], ["ñ", ""])
    x_raw, s_raw = tensor("x", "FP32", [1, 2], bytes(8)), tensor("s", "BYTES", [2], strings)
    everything = bytes(8) + strings + b"\1\0\1" + b"\x80\x7f" + b"\xff" * 8 + bytes(12)
    return [
        ("breast-cancer", {"inputs": [tensor("input", "FP32", [2, 30], cells.tolist())], "id": "a"}, b""),
        ("breast-cancer", {"inputs": [tensor("input", "FP32", [2, 30], cells.tobytes())], **wanted}, cells.tobytes()),
        ("types", {"inputs": [x, s, *rest], **binary}, b""),
        ("types", {"inputs": [x_raw, s, *rest], "outputs": [{"name": "xx"}, {"name": "ss"}]}, bytes(8)),
        ("types", {"inputs": [x_raw, s_raw, *raw_rest], **binary}, everything),
        ("half", {"inputs": [tensor("x", "BF16", [1, 2], bytes(4))], **binary}, bytes(4)),
        ("text", {"inputs": [tensor("x", "BYTES", [1], strings[:6])]}, strings[:6]),
    ]


@pytest.fixture(scope="module")
def service(root: Path, tmp_path_factory: pytest.TempPathFactory) -> InferenceService:
    """Serves the models, every one loaded."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "breast-cancer").symlink_to(root / "layers" / "models" / "breast-cancer")
    for name, text in MODELS.items():
        (folder / name / "1").mkdir(parents=True)
        onnx.save(
            onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> {text}'), folder / name / "1/model.onnx"
        )
    service = InferenceService(ModelRepository(folder))
    for name in ("breast-cancer", *MODELS):
        service.repository.get(name)
    return service


def test_no_request_breaks_the_service(
    service: InferenceService, mutator: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    started, seconds = time.monotonic(), float(os.environ.get("FUZZ_SECONDS", "15"))
    first = chance = int(os.environ.get("FUZZ_CHANCE") or random.SystemRandom().randrange(2**48))
    statuses: Counter[int] = Counter()
    tracemalloc.start()
    try:
        while time.monotonic() - started < seconds:
            request = mutator(seeds(), chance).request()
            packed, allowed = len(request.body), allowance(request)
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            response = service.handle(request)
            peak = tracemalloc.get_traced_memory()[1] - before
            repeat = f"FUZZ_CHANCE={chance} repeats it: {packed:,} bytes, {request.headers}"
            assert response.status < 500, (repeat, response.body, response.outcome.failure)
            assert peak <= allowed, f"{peak:,} bytes allocated, {allowed:,} allowed; {repeat}"
            check_reply(response, repeat)
            statuses[response.status] += 1
            chance += 1
    finally:
        tracemalloc.stop()
    with capsys.disabled():
        print(f"\nfuzzed {chance - first:,} requests from FUZZ_CHANCE={first}: {dict(sorted(statuses.items()))}")
    assert statuses[200] > 0.05 * statuses.total(), "hardly any request was good"
    assert statuses[400] > 0.2 * statuses.total(), "hardly any request was bad"


@pytest.mark.parametrize("tail", ["1", "1e999"], ids=["read fast", "read slowly"])
@pytest.mark.parametrize(
    ("piece", "datatype"),
    [
        ("1,", "FP32"),
        ("null,", "FP32"),
        ('"",', "BYTES"),
        ("true,", "BOOL"),
        ("[],", "FP32"),
        ("{},", "FP32"),
        ('{"":0},', "FP32"),
        ("[[[[1]]]],", "FP32"),
        ("[" * 900 + "]" * 900 + ",", "FP32"),
        ('{"":' * 400 + "0" + "}" * 400 + ",", "FP32"),
    ],
)
def test_the_dearest_bodies_stay_within_the_multiple(
    service: InferenceService, piece: str, datatype: str, tail: str
) -> None:
    name = {"FP32": "x", "BYTES": "s", "BOOL": "b"}[datatype]
    count = 300_000 // len(piece)
    shape = f"[{count // 2}, 2]" if name == "x" else f"[{count}]"
    data = piece * count + tail
    body = (
        f'{{"inputs": [{{"name": "{name}", "datatype": "{datatype}", "shape": {shape}, "data": [{data}]}}]}}'.encode()
    )
    tracemalloc.start()
    try:
        response = service.handle(Request("POST", "/v2/models/types/infer", {}, body))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert response.status == 400
    assert peak <= MULTIPLE * len(body), f"{peak / len(body):.0f} times the body"


def allowance(request: Request) -> int:
    """Bytes that a request may allocate."""
    if request.headers.get("content-encoding") not in ("gzip", "deflate"):
        return MULTIPLE * len(request.body) + 2**20
    unpacking = 3 * max(2**20, UNPACKED * len(request.body))  # the limit, and zlib's buffer as it grows
    return MULTIPLE * unpacked_size(request.body) + unpacking + 2**20


def unpacked_size(body: bytes) -> int:
    try:
        return len(zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(body, 16 * 2**20))
    except zlib.error:
        return len(body)


def check_reply(response: Response, repeat: str) -> None:
    """It is strict JSON, an error or an inference; what it says of its binary part is so."""
    body = gzip.decompress(response.body) if "content-encoding" in response.headers else response.body
    length = int(response.headers.get("inference-header-content-length", "0"))
    length = length or int(response.headers["content-type"].partition("json-header-size=")[2] or len(body))
    document = json.loads(body[:length], parse_constant=refuse)
    if response.status != 200:
        assert list(document) == ["error"], repeat
        assert len(document["error"]) < 1000, repeat
        return
    sizes = 0
    for output in document["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        assert (size is None) == ("data" in output), repeat
        sizes += size or 0
        assert size is not None or len(output["data"]) == np.prod(output["shape"]), repeat
    assert length + sizes == len(body), repeat


def refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")
