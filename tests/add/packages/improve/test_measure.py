"""Measuring: a fresh process each, before and after; one that fails refuses nothing."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import onnx.parser
import pytest

from despliegue_cli.convert.messages import Vector
from despliegue_cli.packages.improve import Measurement, improve
from despliegue_cli.packages.improve.measure import measured

TEXT = """
    <ir_version: 10, opset_import: ["": 21, "ai.onnx.ml": 3]>
    mixed (float[N, 3] x, string[N, 1] city) => (float[N, 3] y) {
        code = ai.onnx.ml.LabelEncoder <keys_strings = ["León", ""], values_floats = [1.0, 2.0]> (city)
        sum = Add (x, code)
        y = Identity (sum)
    }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "1"
    folder.mkdir()
    onnx.save(onnx.parser.parse_model(TEXT), folder / "model.onnx")
    return folder


def arrays(rows: int) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    return {"x": np.ones((rows, 3), np.float32), "city": np.array([["León"], [""]] * (rows // 2), object)}


def test_a_package_is_measured_before_and_after(folder: Path) -> None:
    size = (folder / "model.onnx").stat().st_size

    found = improve(folder, arrays(1400))

    assert found.before.size == size > found.after.size == (folder / "model.onnx").stat().st_size
    for each in (found.before, found.after):
        assert each.batch_rows == 1000
        assert each.load_ms
        assert each.row_us
        assert each.batch_us
        assert each.load_ms > 0 < each.row_us < each.batch_us
        assert each.memory_mb or sys.platform != "linux"
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]
    assert isinstance(msgspec.to_builtins(found)["before"]["load_ms"], float)


def test_without_measuring_only_sizes_are_told(folder: Path) -> None:
    found = improve(folder, arrays(2), measure=False)

    assert found.before == Measurement(found.before.size)
    assert found.after == Measurement(found.after.size)


def test_the_process_that_measures_loads_no_converter(folder: Path, tmp_path: Path) -> None:
    vectors = {name: Vector.pack(array) for name, array in arrays(4).items()}
    (tmp_path / "inputs").write_bytes(msgspec.msgpack.encode(vectors))
    code = (
        "import runpy, sys; runpy.run_module('despliegue_cli.packages.improve.measuring', run_name='__main__');"
        "assert not {'onnx', 'sklearn', 'pandas'} & set(sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code, str(folder), str(tmp_path / "inputs")],
        capture_output=True,
        check=True,
        timeout=60,
    )

    assert set(msgspec.json.decode(done.stdout)) == {"load_ms", "row_us", "batch_us", "memory_mb"}


@pytest.mark.parametrize(("width", "time_limit_s"), [(9, 60.0), (3, 0.01)])
def test_where_a_process_fails_or_takes_too_long_only_sizes_are_told(
    folder: Path, tmp_path: Path, width: int, time_limit_s: float
) -> None:
    inputs = {**arrays(2), "x": np.ones((2, width), np.float32)}

    found = measured([folder], inputs, tmp_path, time_limit_s)

    assert found == [Measurement((folder / "model.onnx").stat().st_size)]
