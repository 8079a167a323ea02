"""No bytes that are sent for an image end the server, take its memory or hold it up: each is refused in a line.

The decoder itself ends its process on a GIF, crashes on a JPEG of 20,000 × 20,000 pixels, and waits for ever for what a
JPEG that was cut short lacks.
"""

from __future__ import annotations

import json
import os
import random
import signal
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.unit.replies import error, predictions
from tests.unit.test_images import BRIGHTNESS, GREY

from despliegue.aws.settings import Settings
from despliegue.errors import InvalidRequest, ModelNotReady
from despliegue.http import InferenceService, Request
from despliegue.models import Model, SessionSettings, isolated_session
from despliegue.models.images import MAX_PIXELS, check_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from despliegue.http import Response
    from despliegue.models import ModelRepository

    type AddModel = Callable[..., Path]
    type Send = Callable[..., Response]

JPEG_END = b"\xff\xd9"


@pytest.fixture
def model(add_model: AddModel, repository: ModelRepository) -> Model:
    add_model(BRIGHTNESS)
    return repository.get("m")


@pytest.fixture
def send(model: Model, repository: ModelRepository) -> Iterator[Send]:
    """`send(body)` to `/invocations`; after all of it the model still answers."""
    service = InferenceService(repository)

    def call(body: bytes) -> Response:
        return service.handle(Request("POST", "/models/m/invocations", {"content-type": "image/png"}, body, "r"))

    yield call
    assert predictions(call(GREY)) == [100.0]


@pytest.fixture(scope="session")
def image(root: Path) -> Callable[[str], bytes]:
    return lambda name: (root / "tests" / "images" / name).read_bytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def png_of(width: int, height: int, data: bytes = b"", kind: bytes = b"\x08\0\0\0\0") -> bytes:
    """A grey PNG that says that it is so large."""
    header = width.to_bytes(4) + height.to_bytes(4) + kind
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def resized(jpeg: bytes, width: int, height: int) -> bytes:
    """A JPEG that says that it is so large; what it lacks is grey."""
    at = max(jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2")) + 5
    return jpeg[:at] + height.to_bytes(2) + width.to_bytes(2) + jpeg[at + 4 :]


@pytest.mark.parametrize(
    ("name", "what"),
    [("picture.gif", "GIF"), ("picture.bmp", "BMP"), ("picture.webp", "WebP"), ("picture.tiff", "TIFF")],
)
def test_other_formats_are_named(send: Send, image: Callable[[str], bytes], name: str, what: str) -> None:
    assert error(send(image(name))) == f"the image is {what}; expected a JPEG or a PNG"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the image is empty"),
        (b"hello", "no image that is known, its first bytes being 68 65 6c 6c"),
        (b"\0\0\0\x1cftypheic", "the image is AVIF or HEIC"),
        (b"\xff\xd8", "a JPEG without a frame header or an end"),
        (b"\xff\xd8" + b"\xff\xe0\0\2" * 100_000, "a JPEG without a frame header or an end"),
        (b"\x89PNG\r\n\x1a\n", "a PNG without a header"),
        (png_of(0, 5), "the image is of 0 × 5 pixels"),
        (png_of(20_000, 20_000), "the image is of 20,000 × 20,000 pixels; expected at most 25,000,000"),
        (png_of(2**31 - 1, 2**31 - 1), "the image is of 2,147,483,647 × 2,147,483,647 pixels"),
    ],
)
def test_what_its_head_tells_is_refused_by_it(send: Send, body: bytes, said: str) -> None:
    assert said in error(send(body))


def test_a_jpeg_of_too_many_pixels_is_refused_by_its_head(send: Send, image: Callable[[str], bytes]) -> None:
    assert "65,535 × 65,535 pixels" in error(send(resized(image("baseline.jpg"), 65_535, 65_535)))
    assert "20,000 × 20,000 pixels" in error(send(resized(image("progressive.jpg"), 20_000, 20_000)))


@pytest.mark.parametrize("name", ["baseline.jpg", "progressive.jpg", "grey.jpg"])
def test_a_jpeg_that_is_cut_short_is_refused_wherever_it_is(image: Callable[[str], bytes], name: str) -> None:
    whole = image(name)

    for end in range(len(whole) - 1):
        with pytest.raises(InvalidRequest):
            check_image(np.frombuffer(whole[:end], np.uint8))
    check_image(np.frombuffer(whole + b"a camera's own data", np.uint8))


def test_a_png_that_is_cut_short_is_refused_wherever_it_is(send: Send, image: Callable[[str], bytes]) -> None:
    whole = image("palette.png")

    for end in range(0, len(whole) - 12, 13):
        assert "image" in error(send(whole[:end]))


def test_tables_and_thumbnails_before_the_frame_are_passed_over(image: Callable[[str], bytes]) -> None:
    jpeg = image("baseline.jpg")
    thumbnail = resized(jpeg, 65_535, 65_535)
    within = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2) + thumbnail

    check_image(np.frombuffer(jpeg[:2] + within + b"\xff\xff\xff" + jpeg[3:], np.uint8))


def test_an_image_at_the_limit_is_decoded_within_its_memory(send: Send) -> None:
    side = int(MAX_PIXELS**0.5)

    assert predictions(send(png_of(side, side, bytes((side + 1) * side)))) == [0.0]


def test_what_needs_more_memory_than_there_is_is_refused(add_model: AddModel) -> None:
    model = Model.load(add_model(BRIGHTNESS), "m", "1", SessionSettings(memory=200 * 2**20))
    large = np.frombuffer(png_of(5_000, 5_000, bytes(5_001 * 5_000)), np.uint8)

    for _ in range(2):
        with pytest.raises(InvalidRequest, match=r"memory|damaged"):
            model.run({"image": large}, ["mean"])
    assert model.run(model.zeros(), ["mean"])[0].tolist() == [0]


@pytest.mark.parametrize(("function", "process"), [("1769", 1577), ("256", 64), ("10240", 10048)])
def test_on_lambda_a_model_may_take_what_the_function_leaves(function: str, process: int) -> None:
    assert Settings.read({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": function}).session_memory == process * 2**20


def test_where_too_little_memory_is_left_it_is_said(add_model: AddModel) -> None:
    with pytest.raises(ModelNotReady, match=r"takes 96 MB or more, and 64 MB are left .* give .* more memory"):
        Model.load(add_model(BRIGHTNESS), "m", "1", SessionSettings(memory=64 * 2**20))


def test_what_the_system_lacks_is_our_fault_and_may_pass(
    add_model: AddModel, repository: ModelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_model(BRIGHTNESS)
    service = InferenceService(repository)
    image = Request("POST", "/models/m/invocations", {"content-type": "image/png"}, GREY, "r")

    for _ in range(2):  # before the first start, and before one that follows an end
        with monkeypatch.context() as patched:
            patched.setattr("sys.executable", "/nowhere/python")
            failed = service.handle(image)
        assert "the process that it runs in cannot be started: No such file or directory" in error(failed, 500)

        assert predictions(service.handle(image)) == [100.0]
        process = repository.get("m")._session._process
        process.kill()
        process.wait()


def test_a_process_that_does_not_start_is_not_the_inputs_fault(
    add_model: AddModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")

    with pytest.raises(ModelNotReady, match="the process that it runs in ended with code 1"):
        Model.load(add_model(BRIGHTNESS), "m", "1", SessionSettings())


def test_the_process_knows_no_credentials(monkeypatch: pytest.MonkeyPatch, add_model: AddModel) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    model = Model.load(add_model(BRIGHTNESS), "m", "1", SessionSettings())

    variables = Path(f"/proc/{model._session._process.pid}/environ").read_bytes()
    assert b"PYTHONPATH=" in variables
    assert b"AWS_" not in variables


def test_what_takes_too_long_is_stopped(
    model: Model, monkeypatch: pytest.MonkeyPatch, image: Callable[[str], bytes]
) -> None:
    """Each of a progressive JPEG's scans goes over all of its pixels, and is few bytes long."""
    jpeg = resized(image("progressive.jpg"), 5_000, 5_000)
    last = jpeg.rindex(b"\xff\xda")
    scans = jpeg[: -len(JPEG_END)] + jpeg[last : -len(JPEG_END)] * 10_000 + JPEG_END
    monkeypatch.setattr(isolated_session, "SECONDS", 2.0)

    with pytest.raises(InvalidRequest, match="longer than 2 seconds"):
        model.run({"image": np.frombuffer(scans, np.uint8)}, ["mean"])
    monkeypatch.undo()
    assert model.run(model.zeros(), ["mean"])[0].tolist() == [0]


def test_bytes_that_end_the_decoder_are_the_requests_fault_whichever_way_they_came(
    model: Model, repository: ModelRepository, image: Callable[[str], bytes]
) -> None:
    jpeg = image("baseline.jpg")
    at = jpeg.index(b"\xff\xc4") + 4
    bad = jpeg[:at] + b"\xff" * 40 + jpeg[at + 40 :]  # a table that libjpeg calls exit() for
    service = InferenceService(repository)
    item: dict[str, Any] = {"name": "image", "datatype": "UINT8", "shape": [len(bad)]}
    header = json.dumps({"inputs": [item | {"parameters": {"binary_data_size": len(bad)}}]}).encode()
    length = "inference-header-content-length"
    ways = {
        ("/invocations", "image/jpeg", ""): bad,
        ("/v2/models/m/infer", "application/json", ""): json.dumps({"inputs": [item | {"data": list(bad)}]}).encode(),
        ("/v2/models/m/infer", "application/octet-stream", str(len(header))): header + bad,
        ("/v2/models/m/infer", "application/octet-stream", "0"): bad,
    }

    for (path, content_type, header_length), body in ways.items():
        before = model._session._process
        headers = {"content-type": content_type} | ({length: header_length} if header_length else {})
        response = service.handle(Request("POST", path, headers, body, "r"))
        assert error(response) == "the input is damaged, or of a form that the graph's decoder does not read"
        assert before.poll() is not None, "its process ended, and not this one"


def test_a_process_that_was_killed_is_started_anew(model: Model) -> None:
    os.kill(model._session._process.pid, signal.SIGKILL)
    model._session._process.wait()

    assert model.run(model.zeros(), ["mean"])[0].tolist() == [0]


def test_a_model_that_is_let_go_takes_its_process_along(add_model: AddModel) -> None:
    model = Model.load(add_model(BRIGHTNESS), "m", "1", SessionSettings())
    process = model._session._process
    del model

    assert process.poll() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("name", "mutants"),  # fewer of what ends the decoder's process, which takes a while to start
    [("baseline.jpg", 20), ("progressive.jpg", 20), ("palette.png", 200), ("colours.png", 200)],
)
def test_whatever_is_changed_in_an_image_the_answer_is_a_number_or_a_line(
    send: Send, image: Callable[[str], bytes], name: str, mutants: int
) -> None:
    """Bytes anywhere; those of a PNG with their checksums put right, so that they reach the decoder."""
    draw = random.Random(name)
    whole = image(name)
    for _ in range(mutants):
        mutant = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            mutant[draw.randrange(8, len(mutant))] = draw.randrange(256)
        response = send(checked(bytes(mutant)) if name.endswith("png") and draw.random() < 0.8 else bytes(mutant))
        if response.status == 200:
            predictions(response)
        else:
            assert "image" in (said := error(response)) or "input" in said


def checked(png: bytes) -> bytes:
    """The PNG with the right checksum behind each of its chunks."""
    made, at = png[:8], 8
    while at + 12 <= len(png):
        size = int.from_bytes(png[at : at + 4])
        made += chunk(png[at + 4 : at + 8], png[at + 8 : at + 8 + size])
        at += 12 + size
    return made
