"""`despliegue serve` for real: the command, its processes, a socket."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

START_SECONDS = 60
DESPLIEGUE = str(Path(sys.executable).parent / "despliegue")


@dataclass
class Served:
    """A running `despliegue serve`.

    Attributes:
        url: where it answers.
        port: its port.
        process: the command.
        lines: what it printed so far.
    """

    port: int
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def curl(self) -> str:
        """The call that it printed to paste."""
        return next(line for line in self.lines if line.startswith("curl "))

    def stop(self) -> int:
        """End it as a shell's Ctrl-C or a container's stop would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_SECONDS)


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts `despliegue serve` on a folder of models and waits until it says that it answers."""
    started: list[Served] = []

    def start(models: Path, *options: str) -> Served:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [DESPLIEGUE, "serve", "--models", str(models), "--port", str(port), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        served = Served(port, process)
        started.append(served)
        ready = threading.Event()

        def collect() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                served.lines.append(line.rstrip("\n"))
                if re.match(r"curl |Serving no model", line):
                    ready.set()
            ready.set()

        threading.Thread(target=collect, daemon=True).start()
        assert ready.wait(START_SECONDS), served.lines
        assert process.poll() is None, served.lines
        return served

    yield start
    for served in started:
        if served.process.poll() is None:
            served.stop()
        assert served.process.stdout is not None
        served.process.stdout.close()


@pytest.fixture
def models(root: Path, tmp_path: Path) -> Path:
    """A copy of the repository's own models, to change."""
    return Path(shutil.copytree(root / "layers" / "models", tmp_path / "models"))
