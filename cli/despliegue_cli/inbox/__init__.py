"""The inbox of the local server: files dropped into an S3 on this machine are scored as the cloud scores them.

It lives in two processes beside the API's, so that neither an upload nor a long file slows a request: `store` is moto's
server, `poller` calls the Lambda function's code. This module is imported by the API too, and imports neither.
"""

import asyncio
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from despliegue.errors import DespliegueError

HOST: Final = "127.0.0.1"
REGION: Final = "us-east-1"
INBOX: Final = "inbox"
RESULTS: Final = "results"
EXAMPLE: Final = Path("examples/birds.csv")
"""A real file for the model `penguins`, seen from the folder where `make serve` runs."""
ENDED: Final = "warning: the inbox ended; files are not scored"
_NEEDED: Final = ("boto3", "flask", "flask_cors", "moto")
_WATCH_SECONDS: Final = 0.5


def listen(port: int | None, beside: int) -> socket.socket:
    """A listening socket on this machine alone.

    Args:
        port: the one that was asked for; None for the one after `beside`, or any where that is taken.
        beside: the API's port.

    Raises:
        DespliegueError: `port` is taken, or a package is not installed.
    """
    for name in _NEEDED:
        if importlib.util.find_spec(name) is None:
            raise DespliegueError(f"the inbox needs {name}, which is not installed; `make serve` installs it")
    if port is None:
        try:
            return socket.create_server((HOST, beside + 1))
        except (OSError, OverflowError):
            return socket.create_server((HOST, 0))
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise DespliegueError(
            f"cannot listen on {HOST}:{port}: {os.strerror(error.errno or 0)}; --inbox-port takes another one"
        ) from error


@contextmanager
def running(models: Path, listener: socket.socket) -> Iterator[None]:
    """Serve the inbox on `listener`, which is closed here, and stop all of it at the end.

    Args:
        models: root of the model repository.
        listener: from `listen`. The store inherits it, so that from now on who connects waits and is not refused.
    """
    with listener:
        descriptor = listener.fileno()
        store = subprocess.Popen(  # noqa: S603 – our own module
            command("store", str(descriptor)),
            env=environment(os.environ, models, f"http://{HOST}:{listener.getsockname()[1]}"),
            pass_fds=[descriptor],
            start_new_session=True,  # a terminal's Ctrl-C is for the parent, which then stops all in order
        )
    try:
        yield
    finally:
        store.terminate()
        store.wait()


def command(module: str, *arguments: str) -> list[str]:
    """Starts one of this package's processes; `end_with_parent` reads the last argument."""
    return [sys.executable, "-m", f"{__name__}.{module}", *arguments, str(os.getpid())]


def environment(inherited: Mapping[str, str], models: Path, url: str) -> dict[str, str]:
    """What the processes see: made-up credentials, and no way to AWS even if one of the clients forgot its endpoint."""
    kept = {name: value for name, value in inherited.items() if not name.startswith("AWS_")}
    return kept | {
        "AWS_ACCESS_KEY_ID": "inbox",
        "AWS_SECRET_ACCESS_KEY": "inbox",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": HOST,
        "no_proxy": HOST,
        "DESPLIEGUE_MODELS": str(models),
        "DESPLIEGUE_INBOX_BUCKET": INBOX,
        "DESPLIEGUE_RESULTS_BUCKET": RESULTS,
        "DESPLIEGUE_AWS_ENDPOINT": url,
        "DESPLIEGUE_EVENT_BUS": "default",
        "DESPLIEGUE_TOPIC_ARN": "",
        # A person reads this: what went wrong, and no metrics.
        "POWERTOOLS_LOG_LEVEL": "ERROR",
        "POWERTOOLS_METRICS_DISABLED": "true",
        "POWERTOOLS_METRICS_NAMESPACE": "Despliegue",
        "POWERTOOLS_SERVICE_NAME": "inbox",
    }


def end_with_parent() -> None:
    """End when the parent is gone: it was killed, and could not end this."""
    parent = int(sys.argv[-1])

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


async def answers(port: int) -> bool:
    """Wait until the inbox takes files; False if it ended."""
    head = f"HEAD /{RESULTS} HTTP/1.0\r\nHost: {HOST}:{port}\r\n\r\n".encode()
    while True:
        try:
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(head)
            status = await reader.readline()
            writer.close()
        except OSError:
            return False
        if b" 200 " in status:
            return True
        if not status:
            return False
        await asyncio.sleep(0.02)


def greeting(port: int, models: list[str]) -> str:
    """What is printed when files can be dropped: two calls to paste, indented so that the API's stays the last."""
    url = f"http://{HOST}:{port}"
    name, file = next(iter(models), "MODEL"), Path("FILE.csv")
    if "penguins" in models and EXAMPLE.is_file():
        name, file = "penguins", EXAMPLE
    return (
        f"Drop files to score in s3://{INBOX} (emptied at stop). Try:\n"
        f"  curl -T {file} {url}/{INBOX}/{name}/{file.name}\n"
        f"Results: curl -s {url}/{RESULTS}/{name}/{file.name}.scored.csv"
    )
