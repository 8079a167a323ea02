"""How the worker is kept apart before it loads anything: memory, files, processes, network.

Two layers. On Linux the kernel gives the process a network namespace of its own, with no way out. Everywhere, an audit
hook refuses Python's own ways to sockets, processes, and files outside the working folder; native code that calls the
system itself is not seen by it. It is a fence around files that a user trusts, not a cage for hostile ones.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

_FILE_BYTES: Final = 16 << 30
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PROCESS_EVENTS: Final = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "os.fork", "os.forkpty",
    "pty.spawn", "os.kill", "os.killpg", "signal.pthread_kill",
)  # fmt: skip
_SOCKET_EVENTS: Final = (
    "socket.__new__", "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
    "socket.gethostbyname", "socket.gethostbyaddr",
)  # fmt: skip
_PATH_EVENTS: Final = {
    "os.remove": 1, "os.rmdir": 1, "os.mkdir": 1, "os.rename": 2, "os.link": 2, "os.symlink": 2, "os.truncate": 1,
    "os.chmod": 1, "os.chown": 1, "os.utime": 1, "os.setxattr": 1, "os.removexattr": 1, "shutil.rmtree": 1,
}  # fmt: skip
"""Events that name files they change, and how many arguments are such."""


class Refused(PermissionError):
    """What the process tried is refused to it."""


def isolate(folder: Path) -> str:
    """Keep this process apart, for good. It must have one thread only: the kernel moves no others.

    Args:
        folder: the only place where it may write.

    Returns:
        What holds, in words.
    """
    network = _leave_network()
    sys.addaudithook(_hook(folder.resolve()))
    return f"{network}; Python's own sockets, processes and writes outside its folder refused"


def limit_memory(memory: int) -> None:
    """Let this process have no more than `memory` bytes of address space (0 for no limit), and leave no core dump."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
    if memory and sys.platform == "linux":  # elsewhere the limit is not kept, or counts what is shared
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _leave_network() -> str:
    if sys.platform == "linux":
        # Root needs no user namespace, and would lose its way to other users' files in one.
        for flags in (os.CLONE_NEWNET, os.CLONE_NEWNET | os.CLONE_NEWUSER):
            try:
                os.unshare(flags)
            except OSError:
                continue
            return "no network (a namespace of its own)"
    return "no network namespace here"


def _hook(folder: Path) -> Callable[[str, tuple[Any, ...]], None]:
    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _SOCKET_EVENTS:
            raise Refused("it tried to use the network, which is refused")
        if event in _PROCESS_EVENTS:
            raise Refused("it tried to start or signal a process, which is refused")
        for path in _written(event, arguments):
            _check(path, folder)

    return hook


def _written(event: str, arguments: tuple[Any, ...]) -> Sequence[Any]:
    """What `event` writes to or changes; an open file by its number is not looked at again."""
    if event == "open":
        path, _, flags = arguments
        return [path] if isinstance(flags, int) and flags & _WRITING and not isinstance(path, int) else []
    return [path for path in arguments[: _PATH_EVENTS.get(event, 0)] if isinstance(path, (str, bytes, os.PathLike))]


def _check(path: Any, folder: Path) -> None:
    real = Path(os.path.realpath(os.fsdecode(path)))
    if not real.is_relative_to(folder) and str(real) != os.devnull:
        raise Refused(f"it tried to write {real}, outside of its own folder, which is refused")
