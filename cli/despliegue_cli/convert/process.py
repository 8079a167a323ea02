"""This side of the worker: start it, wait no longer than allowed, turn whatever happens into a reply or one line."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from despliegue.models import child_process
from despliegue_cli.convert.messages import ConversionError, RefusesEveryRow, Reply, Request

_KEPT: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")
_LEAST_MEMORY: Final = 8 << 30
REQUEST, REPLY, MODEL = "request.msgpack", "reply.msgpack", "model"


def default_memory() -> int:
    """The most address space for a worker, bytes: all of the machine's memory, and never less than imports reserve."""
    if sys.platform != "linux":
        return 0
    return max(_LEAST_MEMORY, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def run(request: Request, folder: Path, time_limit_s: float) -> Reply:
    """Let a worker do `request`.

    Args:
        request: what to do.
        folder: its own folder, the only place it writes to; what it converts to is in `folder / MODEL`.
        time_limit_s: seconds after which it is killed.

    Raises:
        RefusesEveryRow: the original does.
        ConversionError: the worker says so, crashed, or took too long.
    """
    (folder / MODEL).mkdir(exist_ok=True)
    (folder / REPLY).unlink(missing_ok=True)
    (folder / REQUEST).write_bytes(msgspec.msgpack.encode(request))
    with tempfile.TemporaryFile() as output:
        # -P: the folder is not searched for modules. A session of its own: all of it can be killed.
        process = subprocess.Popen(  # noqa: S603
            [*child_process.command("despliegue_cli.convert.worker"), str(folder / REQUEST)],
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(time_limit_s)
        except subprocess.TimeoutExpired:
            raise ConversionError(
                f"{request.path}: loading or converting it took longer than {time_limit_s:g} s, and was stopped"
            ) from None
        finally:
            _kill(process)
        try:
            reply = msgspec.msgpack.decode((folder / REPLY).read_bytes(), type=Reply)
        except (OSError, msgspec.MsgspecError):
            output.seek(max(0, output.seek(0, os.SEEK_END) - 2000))
            raise ConversionError(f"{request.path}: {_crash(code, output.read().decode(errors='replace'))}") from None
    if reply.error:
        raise (RefusesEveryRow if reply.refuses_every_row else ConversionError)(f"{request.path}: {reply.error}")
    return reply


def _environment(folder: Path) -> dict[str, str]:
    """What the worker is told: no credentials, nobody's home, one thread, the modules that are found here."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    paths = [str(Path(path).resolve()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1")
    private = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME"), str(folder))
    return {
        **kept,
        **threads,
        **private,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "ORT_DISABLE_TELEMETRY": "1",
    }


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the worker and whatever it started."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _crash(code: int, output: str) -> str:
    if code in (-signal.SIGKILL, 137):
        return "the process that loads it was killed: out of memory?"
    lines = [line for line in output.splitlines() if line.strip()]
    last = f": {lines[-1].strip()[:200]}" if lines else ""
    if code < 0:
        return f"the process that loads it crashed ({signal.Signals(-code).name}){last}"
    return f"the process that loads it ended without an answer (exit code {code}){last}"
