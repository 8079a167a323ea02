"""The real handler in processes that a test may kill: `python worker.py FUNCTION/app.py`, orders on its standard input.

It imports everything once and then forks a process for each order, `{"handler": …, "event": …, "seconds": …}` on a
line. It answers with a line that has the process's id, and with another when that ended: its exit status (negative for
a signal), what the handler returned, its seconds and the peak of its own memory in bytes.
"""

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3

import despliegue.aws.score
import despliegue.aws.settings  # noqa: F401 - imported before the fork, for speed


def peak_memory() -> int:
    """Bytes of this process's largest resident memory, without the pages of files it maps.

    How many of those count (36 or 60 MB of the same libraries) is up to how the kernel happens to cache the files, and
    they are given back when memory is short. getrusage's peak begins with that of the process that started this one.
    """
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    kib = {line[0]: int(line[1]) for line in lines if line[0] in {"VmHWM:", "RssFile:"}}
    return (kib["VmHWM:"] - kib["RssFile:"]) * 1024


def run(path: str, order: dict[str, Any]) -> dict[str, Any]:
    began = time.perf_counter()
    spec = importlib.util.spec_from_file_location("app", path)
    assert spec is not None
    assert spec.loader is not None
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: order["seconds"] * 1000)
    reply = getattr(app, order["handler"])(order["event"], context)
    return {
        "reply": reply,
        "seconds": time.perf_counter() - began,
        "peak": peak_memory(),
    }


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the function's own lines are no answers
    for service in ("s3", "events"):
        boto3.client(service)  # reads what botocore knows of the service, which takes longer than the rest of a start
    for line in sys.stdin:
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            try:
                os.write(write, json.dumps(run(sys.argv[1], json.loads(line))).encode())
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        os.close(write)
        print(json.dumps({"pid": child}), file=answers, flush=True)
        with os.fdopen(read, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        answer = {"status": os.waitstatus_to_exitcode(status), **(json.loads(said) if said else {})}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
