"""A function in AWS's runtime interface emulator: started on one core, asked, weighed, ended."""

import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from benchmarks.http.client import BadReply, ask
from benchmarks.http.process import share_priority

_START_S = 60.0
_PATH = "/2015-03-31/functions/function/invocations"


class NotStarted(Exception):
    """A function does not answer; the message has the end of what it printed."""


def request(event: bytes) -> bytes:
    """An invoke with this event, as it goes over the wire."""
    return f"POST {_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(event)}\r\n\r\n".encode() + event


class Function:
    """An emulator and the Python process that it starts.

    Args:
        paths: where it imports from, in this order; app.py is in the first.
        variables: its environment.
        core: the only one that it may use.
        log: where what it prints goes, added to what is there.
    """

    def __init__(self, paths: Sequence[Path], variables: dict[str, str], core: int, log: Path) -> None:
        self.port, api = _free_ports(2)
        self._log = log
        addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{self.port}"]
        addresses += ["--runtime-api-address", f"127.0.0.1:{api}"]
        # As on Lambda there is no site: see benchmarks.cold.
        python = [sys.executable, "-S", "-s", "-P", "-m", "awslambdaric", "app.handler"]
        self.spawned = time.perf_counter()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["taskset", "--cpu-list", str(core), str(_emulator()), *addresses, *python],
                cwd=log.parent,
                env=variables | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        share_priority(self._process.pid)

    def first_reply(self, event: bytes) -> float:
        """Seconds from the spawn to the first reply. The emulator starts Python when the first event comes.

        Raises:
            NotStarted: none came, or it is no success.
        """
        while time.perf_counter() - self.spawned < _START_S and self._process.poll() is None:
            try:
                reply, _ = ask(self.port, request(event))
            except ConnectionRefusedError:
                time.sleep(0.001)
            except (OSError, BadReply):
                break
            else:
                taken = time.perf_counter() - self.spawned
                if reply.startswith(b'{"statusCode": 200'):
                    return taken
                break
        raise NotStarted(self._log.read_text(errors="replace")[-2000:])

    def memory(self) -> float:
        """The most resident memory that the Python process ever had, in MB."""
        text = Path(f"/proc/{self._python()}/status").read_text()
        return int(text.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6

    def processor_seconds(self) -> float:
        """Processor time that the Python process has used."""
        tasks = Path(f"/proc/{self._python()}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def end(self) -> None:
        """End both processes."""
        for process in (self._process.pid, self._python()):
            with suppress(ProcessLookupError):
                if process:
                    os.kill(process, signal.SIGKILL)
        self._process.wait()

    def _python(self) -> int:
        """The emulator's child; 0 where it has none."""
        with suppress(OSError):
            for task in Path(f"/proc/{self._process.pid}/task").iterdir():
                if children := (task / "children").read_text().split():
                    return int(children[0])
        return 0


def _emulator() -> Path:
    """The emulator that aws-sam-cli's wheel carries."""
    spec = find_spec("samcli.local.rapid")
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    if not spec or not spec.submodule_search_locations:
        raise NotStarted("there is no emulator: aws-sam-cli is not installed")
    return Path(spec.submodule_search_locations[0]) / f"aws-lambda-rie-{machine}"


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
