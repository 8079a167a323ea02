"""What saves a graph, and gives its folder."""

from pathlib import Path
from typing import Any

import onnx
import onnx.parser
import pytest
from tests.add.packages.improve.graphs import Save


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(model: onnx.ModelProto, name: str = "1", **options: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        onnx.save(model, folder / "model.onnx", **options)
        return folder

    return write
