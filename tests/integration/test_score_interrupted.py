"""`despliegue score` when it is stopped, nobody reads on, the disk is full, or its input comes slowly."""

import io
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from arro3.core import Array, Table
from arro3.io import read_parquet, write_parquet

type Start = Callable[..., subprocess.Popen[bytes]]

SECONDS = 60
HEADER = b"id,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex\n"
BIRDS = b"1,Torgersen,39.1,18.7,181,3750,male\n" * 999 + b"2,Dream,x,1,1,1,male\n"


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    """Starts it in a process group of its own, as a shell does; what is left of it is ended."""
    started: list[subprocess.Popen[bytes]] = []

    def call(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [str(Path(sys.executable).parent / "despliegue"), "score", "--model", "penguins"]
        command += map(str, arguments)
        started.append(subprocess.Popen(command, cwd=root, start_new_session=True, **pipes))
        return started[-1]

    yield call
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(BrokenPipeError):  # what is still buffered for it
                pipe.close() if pipe else None


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_half_way_leaves_nothing_behind(start: Start, tmp_path: Path, workers: str) -> None:
    process = start("-", tmp_path / "out.csv", "--workers", workers)
    with feeding(process):
        wait_for(tmp_path / ".out.csv.partial", 500_000, process)

        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(SECONDS) == 130

    assert read(process.stderr) == b"error: interrupted; nothing was written\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_while_parquet_is_written_leaves_nothing_behind(
    start: Start, large: Path, tmp_path: Path, workers: str
) -> None:
    process = start(large, tmp_path / "out.parquet", "--workers", workers)
    wait_for(tmp_path / ".out.parquet.partial", 4, process)

    os.killpg(process.pid, signal.SIGINT)

    assert process.wait(SECONDS) == 130
    assert read(process.stderr) == b"error: interrupted; nothing was written\n"
    assert list(tmp_path.iterdir()) == [large]


def test_parquet_that_cannot_be_written_is_said(start: Start, large: Path, tmp_path: Path) -> None:
    filed = start(large, tmp_path / "out.parquet", preexec_fn=limit_files)
    with Path("/dev/full").open("wb") as full:
        piped = start(large, "-", stdout=full)
    left = start(large, "-")
    assert left.stdout is not None
    assert left.stdout.read(4) == b"PAR1"
    left.stdout.close()

    assert [each.wait(SECONDS) for each in (filed, piped, left)] == [1, 1, 1]
    assert read(filed.stderr) == f"error: {tmp_path / 'out.parquet'}: File too large\n".encode()
    assert read(piped.stderr) == b"error: -: No space left on device\n"
    assert read(left.stderr) == b""
    assert list(tmp_path.iterdir()) == [large]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Parquet of several row groups."""
    path, numbers = tmp_path / "birds.parquet", np.random.default_rng(1).normal(50, 20, (4, 300_000))
    names = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
    write_parquet(Table.from_arrays(list(map(Array.from_numpy, numbers)), names=names), path)
    return path


def limit_files() -> None:
    """A limit on the size of files fails a write as a full disk does, and needs no disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))


def test_a_reader_that_has_seen_enough_ends_it_quietly(start: Start) -> None:
    process = start("-", "-")
    assert process.stdout is not None
    with feeding(process):
        assert process.stdout.readline().startswith(HEADER.rstrip() + b",label")

        process.stdout.close()
        assert process.wait(SECONDS) == 1

    assert all(line.startswith(b'{"row":') for line in read(process.stderr).splitlines())


def test_a_full_disk_is_said_and_nothing_stays(start: Start, tmp_path: Path) -> None:
    (tmp_path / "birds.csv").write_bytes(HEADER + BIRDS * 50)

    filed = start(tmp_path / "birds.csv", tmp_path / "out.csv", preexec_fn=limit_files)
    with Path("/dev/full").open("wb") as full:
        piped = start(tmp_path / "birds.csv", "-", stdout=full)

    assert filed.wait(SECONDS) == piped.wait(SECONDS) == 1
    assert read(filed.stderr) == f"error: {tmp_path / 'out.csv'}: File too large\n".encode()
    assert read(piped.stderr).splitlines()[-1] == b"error: -: No space left on device"
    assert list(tmp_path.iterdir()) == [tmp_path / "birds.csv"]


def test_parquet_comes_through_pipes_however_slowly(start: Start, tmp_path: Path) -> None:
    numbers = Array.from_numpy(np.linspace(1, 200, 100))
    file, fifo = io.BytesIO(), tmp_path / "fifo"
    write_parquet(Table.from_pydict({"bill_length_mm": numbers, "body_mass_g": numbers}), file)
    os.mkfifo(fifo)
    by_pipe, by_path = start("-", "-"), start(fifo, "-")
    assert by_pipe.stdin is not None

    with fifo.open("wb") as slow:
        for pipe in (by_pipe.stdin, slow):
            pipe.write(file.getvalue()[:1])
            pipe.flush()
        time.sleep(0.2)
        slow.write(file.getvalue()[1:])
    output, errors = by_pipe.communicate(file.getvalue()[1:], SECONDS)

    assert b"100 rows read, 100 scored" in errors
    assert read_parquet(io.BytesIO(output)).read_all().num_rows == 100
    assert by_path.communicate(timeout=SECONDS)[0] == output


@contextmanager
def feeding(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Gives it birds for as long as it takes them; it must end within the block."""

    def feed() -> None:
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(HEADER)
            while True:
                process.stdin.write(BIRDS)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    yield
    thread.join()


def wait_for(partial: Path, size: int, process: subprocess.Popen[bytes]) -> None:
    """Until the process has written more than so many bytes."""
    deadline = time.monotonic() + SECONDS
    while not (partial.exists() and partial.stat().st_size > size):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read(pipe: IO[bytes] | None) -> bytes:
    assert pipe is not None
    return pipe.read()
