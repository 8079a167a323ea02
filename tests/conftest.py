"""What every test may use: a model repository to fill, the events, and the requirement that CI skips nothing."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import onnx.parser
import pytest

# One thread, as in the process that converts a model: each of xdist's workers has a core, and where OpenMP's threads
# outnumber the cores they wait for one another: training takes four times as long. It is read when OpenMP is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from despliegue.models import ModelRepository

ROOT = Path(__file__).parent.parent

IDENTITY = """
    <ir_version: 10, opset_import: ["": 21]>
    identity (float[N, 3] x) => (float[N, 3] y) { y = Identity(x) }
"""


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Names bytes by their argument: what is packed holds the time it was packed at, and each of xdist's workers
    must collect the same names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's own folder."""
    return ROOT


@pytest.fixture
def add_model(tmp_path: Path) -> Callable[..., Path]:
    """Puts a model, in ONNX's text format, into the repository at `tmp_path / "models"`; gives its folder."""

    def add(text: str = IDENTITY, name: str = "m", version: str = "1") -> Path:
        folder = tmp_path / "models" / name / version
        folder.mkdir(parents=True, exist_ok=True)
        onnx.save(onnx.parser.parse_model(text), folder / "model.onnx")
        return folder

    return add


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """The repository that `add_model` fills."""
    (tmp_path / "models").mkdir(exist_ok=True)
    return ModelRepository(tmp_path / "models")


@pytest.fixture(scope="session")
def load_event() -> Callable[[str], dict[str, Any]]:
    """Reads `events/predict/NAME.json`."""

    def load(name: str) -> dict[str, Any]:
        event: dict[str, Any] = json.loads((ROOT / "events" / "predict" / f"{name}.json").read_bytes())
        return event

    return load


@pytest.fixture(scope="session")
def require() -> Callable[[bool, str], None]:
    """Skips a test where what it needs is missing; fails it there if REQUIRE_ALL=1, as CI sets it."""

    def check(available: bool, reason: str) -> None:
        if not available and os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(f"REQUIRE_ALL=1, but {reason}")
        if not available:
            pytest.skip(reason)

    return check
