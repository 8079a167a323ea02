"""Pickles are loaded on the user's word only, and then in a process that cannot do much."""

import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
import sklearn.base
import skops.io
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from despliegue_cli.convert import Converted
from despliegue_cli.convert.messages import ConversionError


class Call:
    """Unpickling it calls a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._call


@pytest.fixture
def pickled(tmp_path: Path) -> Callable[..., Path]:
    """Saves a pickle that calls a function."""

    def save(function: Callable[..., Any], *arguments: Any) -> Path:
        path = tmp_path / "model.pkl"
        path.write_bytes(pickle.dumps(Call(function, *arguments)))
        return path

    return save


def test_a_pickle_is_refused_without_trust_saying_why_and_how(
    saved: Callable[..., Path], converted: Callable[..., Converted]
) -> None:
    with pytest.raises(ConversionError, match=r"runs whatever code is in it.*--trust.*skops\.io\.dump"):
        converted(saved(LinearRegression().fit([[0], [1]], [0, 1])))


def test_a_pickle_that_opens_a_socket_reaches_nothing(
    pickled: Callable[..., Path], converted: Callable[..., Converted]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        with pytest.raises(ConversionError, match=r"model\.pkl: it tried to use the network, which is refused"):
            converted(pickled(socket.create_connection, server.getsockname()), trust=True)
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_pickle_that_runs_for_ever_is_stopped(
    pickled: Callable[..., Path], converted: Callable[..., Converted]
) -> None:
    start = time.monotonic()
    with pytest.raises(ConversionError, match="took longer than 5 s, and was stopped"):
        converted(pickled(time.sleep, 600), trust=True, time_limit_s=5)
    assert time.monotonic() - start < 60


def test_a_pickle_that_writes_outside_its_folder_writes_nothing(
    pickled: Callable[..., Path], converted: Callable[..., Converted], tmp_path: Path
) -> None:
    target = tmp_path / "written"
    with pytest.raises(ConversionError, match=r"it tried to write .*written, outside of its own folder"):
        converted(pickled(Path.write_text, target, "x"), trust=True)
    assert not target.exists()


def test_a_pickle_that_removes_a_file_removes_nothing(
    pickled: Callable[..., Path], converted: Callable[..., Converted], tmp_path: Path
) -> None:
    target = tmp_path / "kept"
    target.touch()
    with pytest.raises(ConversionError, match="outside of its own folder"):
        converted(pickled(os.remove, str(target)), trust=True)
    assert target.exists()


def test_a_pickle_that_starts_a_process_starts_none(
    pickled: Callable[..., Path], converted: Callable[..., Converted]
) -> None:
    with pytest.raises(ConversionError, match="it tried to start or signal a process"):
        converted(pickled(os.system, "true"), trust=True)


def test_a_pickle_sees_no_credentials(
    pickled: Callable[..., Path], converted: Callable[..., Converted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(ConversionError, match="KeyError: 'AWS_SECRET_ACCESS_KEY'"):
        converted(pickled(eval, "__import__('os').environ['AWS_SECRET_ACCESS_KEY']"), trust=True)


def test_a_pickle_that_wants_too_much_memory_gets_one_line(
    pickled: Callable[..., Path], converted: Callable[..., Converted]
) -> None:
    with pytest.raises(ConversionError, match="it needs more memory than this machine has"):
        converted(pickled(bytes, 1 << 46), trust=True)


def test_a_pickle_that_crashes_gets_one_line(pickled: Callable[..., Path], converted: Callable[..., Converted]) -> None:
    with pytest.raises(ConversionError, match=r"ended without an answer \(exit code 7\)"):
        converted(pickled(os._exit, 7), trust=True)


def test_a_truncated_pickle_gets_one_line(saved: Callable[..., Path], converted: Callable[..., Converted]) -> None:
    path = saved(LinearRegression().fit([[0], [1]], [0, 1]))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ConversionError, match=r"^\S+model\.joblib: "):
        converted(path, trust=True)


def test_what_is_no_estimator_is_refused(saved: Callable[..., Path], converted: Callable[..., Converted]) -> None:
    with pytest.raises(ConversionError, match="it holds a dict, which does not predict"):
        converted(saved({"weights": [1, 2]}), trust=True)


def test_what_was_defined_in_a_notebook_is_named(tmp_path: Path, converted: Callable[..., Converted]) -> None:
    (tmp_path / "model.pkl").write_bytes(b"c__main__\nMyModel\n.")
    with pytest.raises(ConversionError, match="it needs 'MyModel', which was defined in the script or notebook"):
        converted(tmp_path / "model.pkl", trust=True)


def test_a_module_that_is_not_there_is_named(tmp_path: Path, converted: Callable[..., Converted]) -> None:
    (tmp_path / "model.pkl").write_bytes(b"cour_features\nMyModel\n.")
    with pytest.raises(ConversionError, match="it needs the module 'our_features', which is not found"):
        converted(tmp_path / "model.pkl", trust=True)


@pytest.mark.parametrize("compress", [0, ("zlib", 3)])
def test_an_estimator_of_another_version_is_refused_naming_both(
    compress: object, saved: Callable[..., Path], converted: Callable[..., Converted], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = sklearn.__version__
    monkeypatch.setattr(sklearn.base, "__version__", "1.2.3")
    path = saved(LinearRegression().fit([[0], [1]], [0, 1]), compress=compress)
    with pytest.raises(
        ConversionError, match=f"saved by scikit-learn 1.2.3, and {installed} is installed.*pip install"
    ):
        converted(path, trust=True)


def test_a_skops_file_of_another_version_is_refused(
    tmp_path: Path, converted: Callable[..., Converted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sklearn.base, "__version__", "1.2.3")
    skops.io.dump(LinearRegression().fit([[0], [1]], [0, 1]), tmp_path / "model.skops")
    with pytest.raises(ConversionError, match=r"saved by scikit-learn 1\.2\.3"):
        converted(tmp_path / "model.skops")


def test_a_skops_file_is_loaded_without_trust(tmp_path: Path, converted: Callable[..., Converted]) -> None:
    skops.io.dump(LogisticRegression().fit([[0, 1], [1, 0]], ["a", "b"]), tmp_path / "model.skops")
    assert converted(tmp_path / "model.skops").labels == ("a", "b")


def test_what_skops_does_not_trust_is_named(tmp_path: Path, converted: Callable[..., Converted]) -> None:
    model = make_pipeline(FunctionTransformer(joblib.hash), LinearRegression())
    skops.io.dump(model, tmp_path / "model.skops")
    with pytest.raises(ConversionError, match=r"skops does not trust 1 of its types: joblib\.hashing\.hash.*--trust"):
        converted(tmp_path / "model.skops")


def test_the_network_is_gone_where_it_is_said_to_be(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from despliegue_cli.convert.isolation import isolate;"
        " print(isolate(Path(sys.argv[1]))); print(Path('/proc/net/dev').read_text())"
    )
    said, _, _, *interfaces = subprocess.check_output([sys.executable, "-c", code, tmp_path], text=True).splitlines()
    names = {line.partition(":")[0].strip() for line in interfaces if line}
    assert said.startswith("no network (a namespace of its own)" if names == {"lo"} else "no network namespace here")
