"""A model whose graph decodes images: how it loads, what it is called with, and what it says of itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.unit.replies import error, predictions

from despliegue.errors import ModelNotReady
from despliegue.http import InferenceService, Request
from despliegue.models import Model, SessionSettings, extensions
from despliegue.models.images import png

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from despliegue.http import Response
    from despliegue.models import ModelRepository

    type AddModel = Callable[..., Path]
    type Invoke = Callable[..., Response]

PNG = "image/png"
BRIGHTNESS = """
    <ir_version: 10, opset_import: ["": 21, "com.microsoft.extensions": 1]>
    brightness (uint8[bytes] image) => (float[1] mean) {
        decoded = com.microsoft.extensions.DecodeImage (image)
        values = Cast <to = 1> (decoded)
        all = ReduceMean <keepdims = 0> (values)
        one = Constant <value = int64[1] {1}> ()
        mean = Reshape (all, one)
    }
"""
TWO_INPUTS = """
    <ir_version: 10, opset_import: ["": 21, "com.microsoft.extensions": 1]>
    two (uint8[bytes] image, float[1] by) => (float[h, w, c] y) {
        decoded = com.microsoft.extensions.DecodeImage (image)
        values = Cast <to = 1> (decoded)
        y = Mul (values, by)
    }
"""
GREY = png(np.full((4, 6, 3), 100, np.uint8))
LIGHT = png(np.full((9, 5, 3), 200, np.uint8))


@pytest.fixture
def brightness(add_model: AddModel, repository: ModelRepository) -> Model:
    """A model that gives an image's mean."""
    add_model(BRIGHTNESS)
    return repository.get("m")


def test_only_a_model_with_such_operators_and_an_images_bytes_takes_images(
    add_model: AddModel, repository: ModelRepository, brightness: Model
) -> None:
    add_model(TWO_INPUTS, "two")
    add_model(BRIGHTNESS.replace("com.microsoft.extensions.DecodeImage", "Identity"), "bytes")

    assert brightness.media_types == ("image/jpeg", "image/png")
    assert repository.get("two").media_types == ()
    assert repository.get("bytes").media_types == ()


def test_other_models_run_in_this_process(add_model: AddModel, repository: ModelRepository, brightness: Model) -> None:
    add_model(name="plain")

    assert type(repository.get("plain")._session).__name__ == "InferenceSession"
    assert type(brightness._session).__name__ == "IsolatedSession"


def test_without_the_library_it_is_said_what_to_do(add_model: AddModel, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = add_model(BRIGHTNESS)
    monkeypatch.setattr(extensions, "find_spec", lambda name: None)

    with pytest.raises(ModelNotReady, match=r"pip install 'despliegue\[images\]'"):
        Model.load(folder, "m", "1", SessionSettings())


def test_an_operator_that_the_library_has_not_is_named(add_model: AddModel) -> None:
    folder = add_model(BRIGHTNESS.replace("DecodeImage", "DecodeFilm"))

    with pytest.raises(ModelNotReady, match=r"cannot load model\.onnx.*DecodeFilm") as refused:
        Model.load(folder, "m", "1", SessionSettings())
    assert str(folder) not in str(refused.value)


def test_an_operator_of_another_domain_is_refused_as_ever(add_model: AddModel) -> None:
    folder = add_model(BRIGHTNESS.replace("com.microsoft.extensions", "org.example"))

    with pytest.raises(ModelNotReady, match=r"org\.example:DecodeImage\(-1\) is not a registered function/op"):
        Model.load(folder, "m", "1", SessionSettings())


@pytest.mark.parametrize(
    "name",
    [
        "baseline.jpg",
        "progressive.jpg",
        "grey.jpg",
        "cmyk.jpg",
        "colours.png",
        "palette.png",
        "transparent.png",
        "grey.png",
        "sixteen-bits.png",
    ],
)
def test_every_usual_kind_of_jpeg_and_png_is_decoded(root: Path, brightness: Model, name: str) -> None:
    image = np.frombuffer((root / "tests" / "images" / name).read_bytes(), np.uint8)

    [mean] = brightness.run({"image": image}, ["mean"])

    assert mean.shape == (1,)
    assert 0 < mean[0] < 255


def test_several_images_are_rows_each_decoded_alone(brightness: Model) -> None:
    both = np.zeros((2, max(len(GREY), len(LIGHT))), np.uint8)
    for row, image in zip(both, (GREY, LIGHT), strict=True):
        row[: len(image)] = np.frombuffer(image, np.uint8)

    assert brightness.run({"image": both}, ["mean"])[0].tolist() == [100, 200]


@pytest.mark.usefixtures("brightness")
@pytest.mark.parametrize("content_type", ["image/png", "image/jpeg", "application/x-image", "IMAGE/PNG; q=1"])
def test_an_image_is_invoked_as_it_is_whatever_it_is_called(invoke: Invoke, content_type: str) -> None:
    assert predictions(invoke(GREY, "m", content_type)) == [100.0]


@pytest.mark.usefixtures("brightness")
def test_the_reply_is_as_accepted(invoke: Invoke) -> None:
    assert invoke(GREY, "m", PNG, "text/csv").body == b"100.0\n"
    assert invoke(GREY, "m", PNG, "application/jsonlines").body == b"100.0\n"


def test_an_output_that_counts_no_images_is_one_row(add_model: AddModel, invoke: Invoke) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21, "com.microsoft.extensions": 1]>
        pixels (uint8[bytes] image) => (uint8[h, w, c] y) { y = com.microsoft.extensions.DecodeImage (image) }
    """)

    assert predictions(invoke(png(np.full((2, 1, 3), 7, np.uint8)), "m", PNG)) == [{"y": [[[7, 7, 7]], [[7, 7, 7]]]}]


def test_maps_are_matrices_as_ever(add_model: AddModel, invoke: Invoke) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21, "ai.onnx.ml": 3, "com.microsoft.extensions": 1]>
        zipped (uint8[bytes] image) => (seq(map(int64, float)) chances) {
            decoded = com.microsoft.extensions.DecodeImage (image)
            values = Cast <to = 1> (decoded)
            first = ReduceMean <keepdims = 0> (values)
            shape = Constant <value = int64[2] {1, 1}> ()
            row = Reshape (first, shape)
            both = Concat <axis = 1> (row, row)
            chances = ai.onnx.ml.ZipMap <classlabels_int64s = [3, 5]> (both)
        }
    """)

    assert predictions(invoke(GREY, "m", PNG)) == [{"chances": [100.0, 100.0]}]


@pytest.mark.usefixtures("brightness")
def test_anything_else_is_of_an_unsupported_type(add_model: AddModel, invoke: Invoke) -> None:
    add_model(name="plain")

    assert error(invoke({"instances": [[1]]}, "m"), 415) == (
        "content type is 'application/json', but model 'm' takes an image; expected image/jpeg, image/png or"
        " application/x-image"
    )
    assert error(invoke(GREY, "plain", PNG), 415) == (
        "content type is 'image/png', but model 'plain' takes no image; expected application/json, text/csv,"
        " application/jsonlines, application/vnd.apache.parquet or application/x-npy"
    )
    assert "where the model takes an image, image/jpeg, image/png or" in error(invoke(GREY, "m", "image/gif"), 415)


@pytest.fixture
def ask(brightness: Model, repository: ModelRepository) -> Callable[..., Response]:
    """`ask(method, path, body, headers)`: the service with the model."""
    service = InferenceService(repository, jobs=object)  # type: ignore[arg-type]

    def call(method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Response:
        return service.handle(Request(method, path, headers or {}, body, "request-1"))

    return call


def tensor(**given: Any) -> dict[str, Any]:
    return {"name": "image", "datatype": "UINT8", "shape": [len(GREY)], **given}


def test_the_open_inference_protocol_takes_the_bytes(ask: Callable[..., Response]) -> None:
    listed = json.dumps({"inputs": [tensor(data=list(GREY))]}).encode()
    header = json.dumps({"inputs": [tensor(parameters={"binary_data_size": len(GREY)})]}).encode()
    length = {"inference-header-content-length": str(len(header))}
    raw = {"content-type": "application/octet-stream", "inference-header-content-length": "0"}

    in_json = ask("POST", "/v2/models/m/infer", listed)
    in_binary = ask("POST", "/v2/models/m/infer", header + GREY, length)
    alone = ask("POST", "/v2/models/m/infer", GREY, raw)

    for response in (in_json, in_binary):
        assert json.loads(response.body)["outputs"][0]["data"] == [100.0]
        assert response.outcome.rows == 1
    assert alone.body.endswith(np.float32(100).tobytes())


def test_metadata_says_what_the_input_may_be(ask: Callable[..., Response]) -> None:
    [given] = json.loads(ask("GET", "/v2/models/m").body)["inputs"]

    assert given == {
        "name": "image",
        "datatype": "UINT8",
        "shape": [-1],
        "parameters": {"media_types": ["image/jpeg", "image/png"]},
    }


def test_rows_and_files_are_refused_with_the_way_that_works(ask: Callable[..., Response]) -> None:
    predicted = ask("POST", "/v1/models/m:predict", b'{"instances":[1,2]}')
    job = ask("POST", "/v2/models/m/jobs", b'{"name":"birds.csv"}')

    assert "POST it as it is to /models/m/invocations" in error(predicted, 501)
    assert "files of rows are not scored" in error(job, 501)


def test_an_image_of_zeros_is_one_that_the_model_takes(brightness: Model) -> None:
    assert brightness.run(brightness.zeros(), ["mean"])[0].tolist() == [0]
