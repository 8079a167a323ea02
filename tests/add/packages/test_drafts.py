"""A version is there whole or not at all: whatever ends the work, and however many add at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import joblib
import pytest

from despliegue.errors import DespliegueError
from despliegue.models import ModelRepository
from despliegue_cli.packages import drafts
from despliegue_cli.packages.drafts import draft

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write(folder: Path, content: str = "x") -> None:
    (folder / "model.onnx").write_text(content)


def break_off(folder: Path, error: type[BaseException]) -> None:
    write(folder)
    raise error


def test_a_committed_draft_has_its_name_and_nothing_else_is_there(tmp_path: Path) -> None:
    with draft(tmp_path, "m") as made:
        write(made.folder)
        assert made.folder.name == f".adding-1.{os.getpid()}"
        assert ModelRepository(tmp_path).index() == {}
        assert made.commit() == tmp_path / "m" / "1"
    assert sorted(path.name for path in (tmp_path / "m").rglob("*")) == ["1", "model.onnx"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_whatever_ends_the_work_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(error), draft(tmp_path, "m") as made:
        break_off(made.folder, error)
    assert not (tmp_path / "m").exists()


def test_versions_that_are_there_are_left_alone(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with draft(tmp_path, "m") as made:
            write(made.folder, content)
            made.commit()
    with pytest.raises(DespliegueError, match="is there already; nothing is overwritten"), draft(tmp_path, "m", "1"):
        pass
    with pytest.raises(ValueError, match="x"), draft(tmp_path, "m"):
        raise ValueError("x")
    assert [path.read_text() for path in sorted((tmp_path / "m").rglob("*.onnx"))] == ["first", "second"]


def test_two_that_add_at_once_get_two_versions(tmp_path: Path) -> None:
    (tmp_path / "m" / "9").mkdir(parents=True)
    with draft(tmp_path, "m") as one:
        code = (
            "import sys; from pathlib import Path; from despliegue_cli.packages.drafts import draft\n"
            "with draft(Path(sys.argv[1]), 'm') as other: print(other.version); other.commit()"
        )
        other = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
        with pytest.raises(DespliegueError, match="is there already"), draft(tmp_path, "m", one.version):
            pass
        write(one.folder)
        one.commit()
    assert (one.version, other.stdout.strip()) == ("10", "11")


def test_a_version_that_something_else_filled_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with draft(tmp_path, "m") as made:
        write(made.folder)
        write(made.final, "theirs")
        with pytest.raises(DespliegueError, match="was filled by something else meanwhile"):
            made.commit()
    assert (made.final / "model.onnx").read_text() == "theirs"
    assert not made.folder.exists()


@pytest.mark.parametrize(("name", "version"), [("../m", None), ("m", "../1"), ("", None), ("m", ".1"), ("a/b", "1")])
def test_an_unsafe_name_is_refused(name: str, version: str | None, tmp_path: Path) -> None:
    with pytest.raises(DespliegueError, match="expected letters, digits"), draft(tmp_path / "models", name, version):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "version"), [("private", None), ("m", "private")])
def test_a_name_that_is_never_served_is_refused(name: str, version: str | None, tmp_path: Path) -> None:
    with pytest.raises(DespliegueError, match="of that name is never served"), draft(tmp_path, name, version):
        pass


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "models").touch()
    said = r"models.*: Not a directory; nothing was added"
    with pytest.raises(DespliegueError, match=said), draft(tmp_path / "models", "m"):
        pass


def test_no_space_left_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; from despliegue_cli.packages.drafts import draft\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with draft(Path(sys.argv[1]), 'm') as made: (made.folder / 'model.onnx').write_bytes(bytes(2000))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith("File too large; nothing was added")
    assert not (tmp_path / "m").exists()


def test_what_a_killed_process_left_is_cleared_once_it_is_old(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = {f".adding-1.{gone.pid}": 7200, f".adding-2.{gone.pid}": 60, f".adding-3.{os.getpid()}": 7200}
    for name, age in names.items():
        folder = tmp_path / "m" / name
        folder.mkdir(parents=True)
        (tmp_path / "m" / name[8]).mkdir()
        write(folder)
        os.utime(folder, (time.time() - age,) * 2)
    with draft(tmp_path, "m") as made:
        # The other two may be alive, so their versions stay taken.
        assert made.version == "4"
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [*sorted(names)[1:], "2", "3"]


def test_a_users_own_hidden_folder_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "m" / ".backup.2024"
    theirs.mkdir(parents=True)
    write(theirs)
    os.utime(theirs, (0, 0))
    with draft(tmp_path, "m"):
        pass
    assert (theirs / "model.onnx").exists()


def test_a_folder_that_another_one_removes_at_the_wrong_moment_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removals = iter((True, True, False))

    def clear(home: Path) -> None:
        if next(removals):
            home.rmdir()

    monkeypatch.setattr(drafts, "_clear_abandoned", clear)
    with draft(tmp_path, "m") as made:
        assert made.folder.is_dir()
    assert list(removals) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_second_ctrl_c_does_not_end_the_clearing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove = shutil.rmtree

    def interrupted(folder: Path, *, ignore_errors: bool) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        remove(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt), draft(tmp_path, "m") as made:
        break_off(made.folder, KeyboardInterrupt)
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Sleeper:
    """Unpickling it takes very long."""

    def __reduce__(self) -> tuple[Callable[[float], None], tuple[float]]:
        return time.sleep, (600,)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_in_the_middle_of_add_leaves_nothing(ending: str, tmp_path: Path) -> None:
    joblib.dump(Sleeper(), tmp_path / "m.joblib")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    code = (
        "import sys; from pathlib import Path; from despliegue_cli.convert import convert\n"
        "from despliegue_cli.packages.drafts import draft\n"
        "with draft(Path(sys.argv[1]) / 'models', 'm'), convert(Path(sys.argv[1]) / 'm.joblib', trust=True): pass"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    process = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(scratch)}, stderr=subprocess.DEVNULL)
    while not (requests := list(scratch.glob("*/model"))) and process.poll() is None:
        time.sleep(0.05)
    assert requests
    assert (tmp_path / "models" / "m").is_dir()
    process.send_signal(getattr(signal, ending))
    assert process.wait(30) != 0
    assert not (tmp_path / "models" / "m").exists()
    assert list(scratch.iterdir()) == []
