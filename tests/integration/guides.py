"""The guides of docs/ as programs: what they tell to run, and what they say comes of it."""

import http.client
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
KEY: Final = "a-key"
SETUP: Final = "export URL=https://abc123.execute-api.eu-west-1.amazonaws.com/live KEY=…\n"
"""The first block of each guide, which the tests' environment stands for."""

SECONDS: Final = 120
"""For one program: less than a quota would have it wait."""

_PROGRAMS: Final = {
    "python": ([sys.executable], "call.py"),
    "javascript": (["node"], "call.mjs"),
    "r": (["Rscript"], "call.R"),
    "sh": (["bash", "-eo", "pipefail"], "call.sh"),
}


class Refusal(NamedTuple):
    """A reply of API Gateway's own."""

    status: int
    headers: dict[str, str]
    body: bytes


def read(name: str) -> str:
    """The guide's text."""
    return (ROOT / "docs" / f"{name}.md").read_text()


def blocks(guide: str) -> list[tuple[str, str]]:
    """Its code blocks: language and text."""
    return re.findall(r"^```(\w+)\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)


def code(guide: str, language: str) -> list[str]:
    """Its blocks in a language."""
    return [text for found, text in blocks(guide) if found == language]


def serve_options(guide: str) -> list[str]:
    """The options of the server that its introduction names, with the tests' key."""
    (options,) = re.findall(r"`despliegue serve (--api-key .*?)`", guide)
    return [KEY if option == "K" else option for option in options.split()]


def transcript(block: str) -> tuple[str, str]:
    """A console block's command, and what it prints."""
    command, printed = block.removeprefix("$ ").split("\n", 1)
    return command, printed


def shown(program: str) -> list[str]:
    """What a program prints, by its comments."""
    return re.findall(r"^(?:#|//) > (.*)", program, re.MULTILINE)


def lines(printed: str) -> list[str]:
    """What was printed, as the comments have it: no blank lines, and nothing blank at an end."""
    return [line.rstrip() for line in printed.splitlines() if line.strip()]


def rounded(text: str) -> str:
    """With four decimals: the last ones are another processor's."""
    return re.sub(r"\d+\.\d{5,}", lambda number: f"{float(number[0]):.4f}", text)


def run(language: str, program: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of the guides in `folder`, with the service's address and key set as they say."""
    command, name = _PROGRAMS[language]
    (folder / name).write_text(program)
    environment = {
        **os.environ,
        "URL": url,
        "KEY": KEY,
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "PYTHONPATH": str(ROOT / "clients" / "python" / "src"),
    }
    return subprocess.run(
        [*command, name],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def require_program(language: str, require: Callable[[bool, str], None]) -> None:
    """Skip the test where the language is not there."""
    program = _PROGRAMS[language][0][0]
    require(shutil.which(program) is not None, f"there is no {program} on PATH")
    if language == "r":
        found = subprocess.run(["Rscript", "-e", "library(httr2); library(jsonlite)"], capture_output=True, check=False)
        require(found.returncode == 0, "R has no httr2 or jsonlite (Debian's r-cran-httr2 and r-cran-jsonlite)")


def refusal(name: str) -> Refusal:
    """What the deployed API answers by itself, such as THROTTLED: as template.yaml has it."""
    from samtranslator.yaml_helper import yaml_parse

    for resource in yaml_parse((ROOT / "template.yaml").read_text())["Resources"].values():
        if found := resource.get("Properties", {}).get("GatewayResponses", {}).get(name):
            headers = {"Retry-After": found["ResponseParameters"]["Headers"]["Retry-After"].strip("'")}
            body = found["ResponseTemplates"]["application/json"].encode()
            return Refusal(found["StatusCode"], headers | {"Content-Type": "application/json"}, body)
    raise LookupError(name)


@contextmanager
def refusing(url: str, answer: Refusal, refused: Collection[int]) -> Iterator[str]:
    """The service as behind API Gateway, which refuses some of the POST requests by itself: the first is number 1."""
    asked = 0

    class Gateway(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            nonlocal asked
            asked += 1
            body = self.rfile.read(int(self.headers["content-length"]))
            self.answer(*(answer if asked in refused else self.passed_on(body)))

        def passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=SECONDS)
            connection.request("POST", self.path, body, dict(self.headers))
            reply = connection.getresponse()
            content = reply.read()
            connection.close()
            return reply.status, {"Content-Type": reply.headers["content-type"]}, content

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
