"""A model file is known by its content, whatever its name; what is none, or half of one, is one clear line."""

import io
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import onnx
import onnx.parser
import pytest
import skops.io
import xgboost
from sklearn.linear_model import LinearRegression

from despliegue.errors import DespliegueError
from despliegue_cli.convert.recognise import recognise

X = np.arange(40.0).reshape(20, 2)
Y = X[:, 0]
ONNX = '<ir_version: 10, opset_import: ["": 21]> m (float[N, 3] x) => (float[N, 3] y) { y = Identity(x) }'


def _onnx() -> bytes:
    model: bytes = onnx.parser.parse_model(ONNX).SerializeToString()
    return model


def _joblib(compress: object = 0) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(LinearRegression().fit(X, Y), buffer, compress=compress)
    return buffer.getvalue()


def _booster(form: str) -> bytes:
    booster = xgboost.train({}, xgboost.DMatrix(X, Y), 2)
    return bytes(booster.save_raw(form))


def _lightgbm() -> bytes:
    booster = lightgbm.train({"verbose": -1, "min_data_in_leaf": 1}, lightgbm.Dataset(X, Y), 2)
    return booster.model_to_string().encode()


def _pickle(protocol: int) -> bytes:
    return pickle.dumps(LinearRegression().fit(X, Y), protocol)


MODELS: dict[str, tuple[Callable[[], bytes], str]] = {
    "onnx": (_onnx, "onnx"),
    "skops": (lambda: skops.io.dumps(LinearRegression().fit(X, Y)), "skops"),
    "joblib": (_joblib, "pickle"),
    **{f"joblib {name}": (partial(_joblib, (name, 3)), "pickle") for name in ("zlib", "gzip", "bz2", "xz", "lzma")},
    **{f"pickle {number}": (partial(_pickle, number), "pickle") for number in range(6)},
    "xgboost json": (lambda: _booster("json"), "xgboost"),
    "xgboost ubj": (lambda: _booster("ubj"), "xgboost"),
    "lightgbm": (_lightgbm, "lightgbm"),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["model.onnx", "model.json", "model.pkl", "model"])
def test_a_model_is_known_under_a_misleading_name(model: str, name: str, tmp_path: Path) -> None:
    content, kind = MODELS[model]
    (tmp_path / name).write_bytes(content())
    assert recognise(tmp_path / name) == (tmp_path / name, kind)


@pytest.mark.parametrize(
    "content",
    [
        b"name,age\nAna,3\n",
        b'{"weights": [1, 2]}',
        b"(see the readme)",
        b"c'est la vie\n",
        b"\x80",
        b"\x08",
        b"\x1f\x8b\x08broken",
        np.random.default_rng(0).bytes(10_000),
    ],
)
def test_what_is_no_model_is_refused_with_what_was_expected(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(
        DespliegueError, match=r"model.onnx is no model that is known here; expected ONNX, scikit-learn"
    ):
        recognise(tmp_path / "model.onnx")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    with pytest.raises(DespliegueError, match="is empty; expected"):
        recognise(tmp_path / "model.onnx")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DespliegueError, match="there is no file"):
        recognise(tmp_path / "model.onnx")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_truncated_onnx_is_cut_short(share: float, tmp_path: Path) -> None:
    content = _onnx()
    (tmp_path / "model.onnx").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DespliegueError, match="is ONNX that is cut short"):
        recognise(tmp_path / "model.onnx")


def test_a_zip_that_is_not_of_skops_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "model.npz", x=X)
    with pytest.raises(DespliegueError, match=r"zip archive without schema\.json"):
        recognise(tmp_path / "model.npz")


def test_a_truncated_zip_is_refused(tmp_path: Path) -> None:
    content = skops.io.dumps(LinearRegression().fit(X, Y))
    (tmp_path / "model.skops").write_bytes(content[:-100])
    with pytest.raises(DespliegueError, match="zip archive that is cut short"):
        recognise(tmp_path / "model.skops")


def test_a_folder_is_its_only_onnx_file(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(_onnx())
    (tmp_path / "net.onnx.data").write_bytes(b"weights")
    assert recognise(tmp_path) == (tmp_path / "net.onnx", "onnx")


@pytest.mark.parametrize("names", [(), ("a.onnx", "b.onnx")])
def test_a_folder_of_no_or_several_onnx_files_is_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_bytes(_onnx())
    with pytest.raises(DespliegueError, match=r"expected one \.onnx file in it"):
        recognise(tmp_path)
