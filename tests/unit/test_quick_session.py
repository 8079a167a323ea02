"""Large models: soon there, and faster once they have run for a while."""

import threading
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from despliegue.models import ModelRepository
from despliegue.models import quick_session as module
from despliegue.models.model import SessionSettings, open_session
from despliegue.models.quick_session import QuickSession

CONVOLUTION = """
    <ir_version: 10, opset_import: ["": 21]>
    convolution (float[N, 16, 8, 8] x) => (float[N, 16, 6, 6] y) { y = Conv(x, w) }
"""
IMAGE = np.random.default_rng(0).random((1, 16, 8, 8), np.float32)
SETTINGS = SessionSettings(quick=True)


def save(folder: Path, *, beside: bool = True) -> Path:
    """A convolution, its weights beside it or within."""
    model = onnx.parser.parse_model(CONVOLUTION)
    weights = np.random.default_rng(1).normal(size=(16, 16, 3, 3)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    folder.mkdir(parents=True)
    location = "model.onnx.data" if beside else None
    onnx.save(model, folder / "model.onnx", save_as_external_data=beside, location=location, size_threshold=0)
    return folder / "model.onnx"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORTH_S", 1e-9)


def wait_for_exchange() -> bool:
    """Whether one was under way."""
    found = [thread for thread in threading.enumerate() if thread.name == "layout"]
    for thread in found:
        thread.join(30)
    return bool(found)


@pytest.mark.usefixtures("at_once")
def test_it_predicts_the_same_before_and_after_it_is_exchanged(tmp_path: Path) -> None:
    path = save(tmp_path / "model")
    session = QuickSession(path, SETTINGS)
    expected = open_session(path, SessionSettings())[0].run(["y"], {"x": IMAGE})[0]

    [before] = session.run(["y"], {"x": IMAGE})
    wait_for_exchange()
    path.unlink()  # nothing is read any more
    [after], [later] = (session.run(["y"], {"x": IMAGE}) for _ in range(2))

    np.testing.assert_allclose(before, expected, atol=1e-4)
    np.testing.assert_array_equal(after, expected)
    np.testing.assert_array_equal(later, after)


@pytest.mark.usefixtures("at_once")
def test_it_goes_on_where_it_cannot_be_exchanged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = save(tmp_path / "model")
    session = QuickSession(path, SETTINGS)
    path.unlink()

    [before] = session.run(["y"], {"x": IMAGE})
    wait_for_exchange()
    [after] = session.run(["y"], {"x": IMAGE})

    np.testing.assert_array_equal(after, before)
    assert "this one goes on" in caplog.text


def test_a_short_run_exchanges_nothing(tmp_path: Path) -> None:
    session = QuickSession(save(tmp_path / "model"), SETTINGS)

    session.run(["y"], {"x": IMAGE})

    assert not wait_for_exchange()


def test_only_convolutions_with_their_weights_beside_them_are_loaded_so(tmp_path: Path) -> None:
    beside, within = save(tmp_path / "beside"), save(tmp_path / "within", beside=False)

    assert isinstance(open_session(beside, SETTINGS)[0], QuickSession)
    assert not isinstance(open_session(within, SETTINGS)[0], QuickSession)
    assert not isinstance(open_session(beside, SessionSettings())[0], QuickSession)


def test_it_is_served_like_any_other(tmp_path: Path) -> None:
    path = save(tmp_path / "models/convolution/1")
    model = ModelRepository(tmp_path / "models").get("convolution")

    [served] = model.run({"x": IMAGE}, ["y"])

    assert model.signature.inputs["x"].shape == (-1, 16, 8, 8)
    np.testing.assert_allclose(served, open_session(path, SessionSettings())[0].run(["y"], {"x": IMAGE})[0], atol=1e-4)
