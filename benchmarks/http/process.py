"""A running server with all its processes: started on one core, held still, weighed, ended."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.http.client import BadReply, ask
from benchmarks.http.contenders import PEERS, Command

_START_S = 90.0
_END_S = 10.0


class NotStarted(Exception):
    """A server does not answer; the message has the end of what it printed."""


class Server:
    """A server from its spawn on.

    Args:
        command: how it is started.
        core: the only one that it may use.
        log: where what it prints goes.
    """

    def __init__(self, command: Command, core: int, log: Path) -> None:
        variables = {
            **os.environ,
            "PYTHONPATH": str(PEERS / "shared"),
            "ORT_DISABLE_TELEMETRY": "1",
            **command.variables,
        }
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
        self._log = log
        self.spawned = time.perf_counter()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["taskset", "--cpu-list", str(core), *command.arguments],
                cwd=command.folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        share_priority(self._process.pid)

    def first_reply(self, port: int, request: bytes) -> float:
        """Seconds from the spawn to the first good reply.

        Raises:
            NotStarted: none came.
        """
        tries = 0
        while time.perf_counter() - self.spawned < _START_S:
            try:
                ask(port, request)
            except (OSError, BadReply):
                if self._process.poll() is not None:
                    break
                time.sleep(0.002)
            else:
                taken = time.perf_counter() - self.spawned
                self._share_priority()
                return taken
            tries += 1
            if tries % 50 == 0:
                self._share_priority()  # of processes that begin a session of their own, too
        raise NotStarted(self._log.read_text(errors="replace")[-2000:])

    def processes(self) -> list[int]:
        """Its processes: the one that was spawned, and all that descend from it."""
        parents = {int(folder.name): _parent(folder) for folder in Path("/proc").glob("[0-9]*")}
        found = [self._process.pid]
        for process in found:
            found += [child for child, parent in parents.items() if parent == process]
        return found

    def _share_priority(self) -> None:
        for process in self.processes():
            share_priority(process)

    def hold(self) -> None:
        """Stop all its processes where they are: what waits must not disturb who is measured."""
        self._signal(signal.SIGSTOP)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let it go on, until the end of the block."""
        self._signal(signal.SIGCONT)
        yield
        self.hold()

    def processor_seconds(self) -> float:
        """Processor time that its living threads have used."""
        tasks = [task for each in self.processes() for task in Path(f"/proc/{each}/task").glob("*/schedstat")]
        return sum(int(text.split()[0]) for task in tasks if (text := _text(task))) / 1e9

    def memory(self) -> float:
        """Resident memory of all its processes in MB.

        What they share with one another is counted once, and what they share with other servers, such as pages of a
        library, counts in full: a server runs alone, as a rule.
        """
        own = 0
        files: dict[tuple[str, ...], int] = {}
        for process in self.processes():
            own += sum(_kilobytes(f"/proc/{process}/smaps_rollup", "Pss_Anon", "Pss_Shmem"))
            place: tuple[str, ...] = ()
            resident = 0
            for line in _text(Path(f"/proc/{process}/smaps")).splitlines():
                first, *rest = line.split()
                if not first.endswith(":"):  # a mapping's first line: addresses, rights, offset, device, inode
                    place = tuple(rest[1:4])
                elif first == "Rss:":
                    resident = int(rest[0])
                elif first == "Anonymous:" and place and place[-1] != "0":
                    files[place] = max(files.get(place, 0), resident - int(rest[0]))
        return (own + sum(files.values())) * 1024 / 1e6

    def end(self) -> None:
        """End it: gently, then not."""
        processes = self.processes()
        self._signal(signal.SIGCONT)
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        for process in processes:
            if process == self._process.pid or _parent(Path(f"/proc/{process}")) in (1, *processes):
                _kill(process, signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes():
            _kill(process, number)


def share_priority(process: int) -> None:
    """Give a process and its session the niceness of this one.

    Linux weighs sessions before it weighs their processes (sched(7), autogroup): without this, `nice` before the
    command would say nothing about servers, which have sessions of their own.
    """
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process, nice)
        Path(f"/proc/{process}/autogroup").write_text(str(nice))


def _kill(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _kilobytes(path: str, *names: str) -> list[int]:
    lines = [line.split() for line in _text(Path(path)).splitlines()]
    return [int(words[1]) for words in lines if words[0].removesuffix(":") in names]


def _parent(folder: Path) -> int:
    """The process that started this one; 0 where it is gone."""
    text = _text(folder / "stat")
    return int(text[text.rindex(")") + 2 :].split()[1]) if text else 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
