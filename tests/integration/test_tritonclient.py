"""Triton's own client, in JSON and in binary, against `despliegue serve`."""

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import ml_dtypes
import numpy as np
import onnxruntime as ort
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

TYPES = {
    "BOOL": ("bool", np.array([[True, False]])),
    "INT64": ("int64", np.array([[-(2**63), 2**63 - 1]])),
    "UINT8": ("uint8", np.array([[0, 255]], np.uint8)),
    "FP16": ("float16", np.array([[0.1, -65504]], np.float16)),
    "BF16": ("bfloat16", np.array([[0.5, -3e38]], ml_dtypes.bfloat16)),
    "FP32": ("float", np.array([[0.1, -0.0]], np.float32)),
    "FP64": ("double", np.array([[0.1, 1e300]])),
    "BYTES": ("string", np.array([["ñandú", "\n"]], np.object_)),
}
"""ONNX's name of a type and values of it."""


@pytest.fixture
def client(serve: Callable[..., Any], models: Path, add_model: Callable[..., Path]) -> Iterator[Any]:
    """On the repository's own models, and one per type that gives back what it gets."""
    for datatype, (name, _) in TYPES.items():
        add_model(
            f'<ir_version: 10, opset_import: ["": 21]> g ({name}[N, M] x) => ({name}[N, M] y) {{ y = Identity(x) }}',
            name=datatype,
        )
    with triton.InferenceServerClient(f"127.0.0.1:{serve(models).port}") as client:
        yield client


@pytest.fixture(scope="module")
def rows() -> Any:
    return np.random.default_rng(0).uniform(0, 30, (300, 30)).astype(np.float32)


def tensor(name: str, array: Any, datatype: str, *, binary: bool = True) -> Any:
    given = triton.InferInput(name, array.shape, datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def run_directly(models: Path, rows: Any) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # more would split long inputs, and round some rows otherwise
    session = ort.InferenceSession(models / "breast-cancer" / "1" / "model.onnx", options)
    return session.run(["label", "probabilities"], {"input": rows})


def test_what_the_client_asks_about_the_server(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("breast-cancer")
    assert client.is_model_ready("breast-cancer", "1")
    assert not client.is_model_ready("lung-cancer")
    assert client.get_server_metadata()["name"] == "despliegue"
    assert client.get_model_metadata("breast-cancer")["inputs"][0]["datatype"] == "FP32"
    states = {model["name"]: model["state"] for model in client.get_model_repository_index()}
    assert states.keys() >= {*TYPES, "breast-cancer"}
    assert states["breast-cancer"] == "READY"


def test_the_configuration_and_the_statistics(client: Any, rows: Any) -> None:
    client.infer("breast-cancer", [tensor("input", rows, "FP32")])

    (stats,) = client.get_inference_statistics("breast-cancer", "1")["model_stats"]
    assert (stats["inference_count"], stats["execution_count"]) == (300, 1)
    assert stats["inference_stats"]["success"]["count"] == 1
    assert len(client.get_inference_statistics()["model_stats"]) > len(TYPES)
    configuration = client.get_model_config("breast-cancer")
    assert configuration["input"] == [{"name": "input", "data_type": "TYPE_FP32", "dims": [-1, 30]}]


def test_an_inference_gives_onnx_runtimes_own_numbers_in_every_form(client: Any, models: Path, rows: Any) -> None:
    label, probabilities = run_directly(models, rows)
    forms = [None, (True, True), (False, False), (True, False)]
    for binary, form in itertools.product([True, False], forms):
        wanted = form and [
            triton.InferRequestedOutput(name, binary_data=as_binary)
            for name, as_binary in zip(("probabilities", "label"), form, strict=True)
        ]

        sent = tensor("input", rows, "FP32", binary=binary)
        result = client.infer("breast-cancer", [sent], outputs=wanted, request_id="r-1")

        np.testing.assert_array_equal(result.as_numpy("probabilities"), probabilities)
        assert texts(result.as_numpy("label")) == label.tolist()
        assert result.get_response()["id"] == "r-1"


def texts(array: Any) -> list[str]:
    """The client leaves binary strings as bytes."""
    return [each.decode() if isinstance(each, bytes) else each for each in array.ravel()]


def test_every_type_comes_back_as_it_went(client: Any) -> None:
    for datatype, (_, array) in TYPES.items():
        for binary in (True, False) if datatype != "BF16" else (True,):
            wanted = [triton.InferRequestedOutput("y", binary_data=binary)]
            result = client.infer(datatype, [tensor("x", array, datatype, binary=binary)], outputs=wanted)

            came = result.as_numpy("y")
            if datatype == "BYTES":
                came = np.array(texts(came), np.object_).reshape(came.shape)
            assert came.dtype == array.dtype, datatype
            np.testing.assert_array_equal(came, array)
            assert datatype != "FP32" or np.signbit(came[0, 1])


def test_an_empty_batch(client: Any) -> None:
    result = client.infer("breast-cancer", [tensor("input", np.zeros((0, 30), np.float32), "FP32")])

    assert result.as_numpy("probabilities").shape == (0, 2)


def test_the_classes_of_highest_probability(client: Any, models: Path, rows: Any) -> None:
    wanted = [triton.InferRequestedOutput("probabilities", class_count=1)]

    result = client.infer("breast-cancer", [tensor("input", rows, "FP32")], outputs=wanted)

    labels, probabilities = run_directly(models, rows)
    classes = [text.decode().split(":") for text in result.as_numpy("probabilities").ravel()]
    assert [label for _, _, label in classes] == labels.tolist()
    assert [int(index) for _, index, _ in classes] == probabilities.argmax(axis=1).tolist()
    assert [float(value) for value, _, _ in classes] == pytest.approx(probabilities.max(axis=1).tolist(), rel=1e-6)


def test_packed_requests_and_replies(client: Any) -> None:
    array = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    codings = [None, "gzip", "deflate"]
    for asked, wanted, binary in itertools.product(codings, codings, [True, False]):
        result = client.infer(
            "FP32",
            [tensor("x", array, "FP32", binary=binary)],
            outputs=[triton.InferRequestedOutput("y", binary_data=binary)],
            request_compression_algorithm=asked,
            response_compression_algorithm=wanted,
        )

        np.testing.assert_array_equal(result.as_numpy("y"), array)


def test_several_requests_at_once(client: Any, models: Path, rows: Any) -> None:
    sent = [client.async_infer("breast-cancer", [tensor("input", rows[:count], "FP32")]) for count in range(1, 6)]

    for count, pending in enumerate(sent, start=1):
        np.testing.assert_array_equal(
            pending.get_result().as_numpy("probabilities"), run_directly(models, rows[:count])[1]
        )


def test_bodies_that_the_client_makes_and_reads_for_others(client: Any, models: Path, rows: Any) -> None:
    body, length = triton.InferenceServerClient.generate_request_body([tensor("input", rows, "FP32")])
    url = f"http://{client._parsed_url.netloc}/v2/models/breast-cancer/infer"

    reply = httpx.post(url, content=body, headers={"Inference-Header-Content-Length": str(length)})

    length = int(reply.headers["Inference-Header-Content-Length"])
    result = triton.InferenceServerClient.parse_response_body(reply.content, header_length=length)
    np.testing.assert_array_equal(result.as_numpy("probabilities"), run_directly(models, rows)[1])


def test_what_is_said_about_scheduling_is_ignored(client: Any, models: Path, rows: Any) -> None:
    sent, plan = [tensor("input", rows, "FP32")], {"priority": 3, "timeout": 10, "parameters": {"mine": "yes"}}

    result = client.infer("breast-cancer", sent, sequence_id=7, sequence_start=True, sequence_end=True, **plan)

    np.testing.assert_array_equal(result.as_numpy("probabilities"), run_directly(models, rows)[1])


def test_an_error_reaches_the_client_as_its_message(client: Any) -> None:
    narrow, good = np.zeros((1, 29), np.float32), np.zeros((1, 30), np.float32)

    for binary in (True, False):
        with pytest.raises(InferenceServerException, match=r"shape \[1, 29\] does not fit the model's \[-1, 30\]"):
            client.infer("breast-cancer", [tensor("input", narrow, "FP32", binary=binary)])
        with pytest.raises(InferenceServerException, match="unknown input 'x'; expected 'input'"):
            client.infer("breast-cancer", [tensor("x", good, "FP32", binary=binary)])
        with pytest.raises(InferenceServerException, match="datatype is 'FP64'; expected FP32"):
            client.infer("breast-cancer", [tensor("input", good.astype(float), "FP64", binary=binary)])
    with pytest.raises(InferenceServerException, match="output 'y' is BF16, which JSON cannot carry"):
        client.infer(
            "BF16",
            [tensor("x", TYPES["BF16"][1], "BF16")],
            outputs=[triton.InferRequestedOutput("y", binary_data=False)],
        )
    with pytest.raises(InferenceServerException, match="there is no model 'lung-cancer'"):
        client.get_model_metadata("lung-cancer")
    with pytest.raises(InferenceServerException, match="model 'breast-cancer' has no version '9'"):
        client.infer("breast-cancer", [tensor("input", good, "FP32")], model_version="9")


def test_what_makes_no_sense_here_is_refused_with_its_reason(client: Any) -> None:
    calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (client.load_model, ("breast-cancer",)),
        (client.unload_model, ("breast-cancer",)),
        (client.get_trace_settings, ()),
        (client.get_trace_settings, ("breast-cancer",)),
        (client.update_trace_settings, (None, {"trace_level": "OFF"})),
        (client.get_log_settings, ()),
        (client.update_log_settings, ({"log_info": True},)),
        (client.get_system_shared_memory_status, ()),
        (client.get_system_shared_memory_status, ("mine",)),
        (client.register_system_shared_memory, ("mine", "/mine", 8)),
        (client.unregister_system_shared_memory, ()),
        (client.unregister_system_shared_memory, ("mine",)),
        (client.get_cuda_shared_memory_status, ()),
        (client.register_cuda_shared_memory, ("mine", b"handle", 0, 8)),
        (client.unregister_cuda_shared_memory, ("mine",)),
    ]
    for call, arguments in calls:
        with pytest.raises(InferenceServerException, match=r"is not served|there is no path") as caught:
            call(*arguments)
        assert re.fullmatch("404|501", caught.value.status()), call

    shared = triton.InferInput("input", [1, 30], "FP32")
    shared.set_shared_memory("mine", 120)
    with pytest.raises(InferenceServerException, match="input 'input': it has no data"):
        client.infer("breast-cancer", [shared])
