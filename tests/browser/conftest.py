"""The console in a real browser: Debian's Chromium, headless, on a real `despliegue serve`."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import onnx.parser
import pytest

from despliegue.models import Manifest
from despliegue.models.manifest import Feature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import Browser, Page

KEY = "only-for-this-test"
STOP_SECONDS = 60
DESPLIEGUE = Path(sys.executable).parent / "despliegue"
# As root there is no sandbox; and Chromium is not to look for its maker's hosts.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MARKUP = "<script>document.title = 'owned'</script>"
IMAGE = "<img src=x onerror=\"document.title='owned'\">"


# All are of a file, not of the session, so that a worker with many files keeps no server and no browser beside the next
# one; and while Playwright runs, no other test of its process can start an event loop.
@pytest.fixture(scope="module")
def browser(require: Callable[[bool, str], None]) -> Iterator[Browser]:
    """Chromium; without it these tests are skipped, or fail under REQUIRE_ALL=1."""
    chromium = shutil.which("chromium")
    require(chromium is not None, "there is no chromium on PATH (Debian's package chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens an address in a new window; at the end nothing was out of order in any of them.

    That is: no script failed, no policy was broken, and no request left the page's own address. What a test wants
    refused, Chromium reports on its console too ("Failed to load resource"), which is left out.
    """
    opened = []
    faults: list[str] = []
    outside: list[str] = []

    def open_at(address: str, **options: Any) -> Page:
        context = browser.new_context(**options)
        context.set_default_timeout(20_000)
        page = context.new_page()
        opened.append(context)
        root = "/".join(address.split("/")[:3])

        def hear(message: Any) -> None:
            if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
                faults.append(message.text)

        def see(request: Any) -> None:
            if not request.url.startswith((f"{root}/", "data:", f"blob:{root}/")):
                outside.append(request.url)

        page.on("console", hear)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", see)
        page.goto(address)
        return page

    yield open_at
    for context in opened:
        context.close()
    assert faults == []
    assert outside == []


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's models, and others for what those have not: see each."""
    folder = tmp_path_factory.mktemp("browser")
    models = Path(shutil.copytree(Path(__file__).parents[2] / "layers" / "models", folder / "models"))
    _add(models, "hostile", "1", _CLASSIFIER, _hostile(), names=[MARKUP, IMAGE])
    for version, weight in (("1", 1), ("2", 2)):
        _add(models, "price", version, _weighted(weight), _PRICE)
    deprecated = {"1": {"since": "2026-11-01", "sunset": "2027-01-01"}}
    (models / "price/manifest.json").write_text(json.dumps({"deprecated": deprecated}))
    (models / "price/2/MODEL_CARD.md").write_text(f"# price, version 2\n\nWhat a flat costs. {MARKUP}\n")
    _add(models, "flat", "1", _FLAT, _FLATS)
    _add(models, "tensors", "1", "g (float[N, M, 2] x) => (float[N, M, 2] y) { y = Identity(x) }", Manifest())
    _add(models, "needs", "1", _TYPES, Manifest())
    _add(models, "review", "1", "g (string[N, 1] text) => (string[N, 1] same) { same = Identity(text) }", Manifest())
    _add(models, "unnamed", "1", _CLASSIFIER, Manifest(labels=("no", "yes")), names=["no", "yes"])
    many = [f"class {number}" for number in range(100)]
    _add(models, "hundred", "1", _CLASSIFIER.replace("2", "100"), Manifest(labels=tuple(many)), names=many)
    return models


@pytest.fixture(scope="session")
def add_graph() -> Callable[..., None]:
    """`add_graph(models, name, version, graph, manifest, names)`: see _add."""
    return _add


_PRICE = Manifest(
    description="What a flat costs",
    features=(Feature("rooms", missing="NaN"), Feature("area", missing="NaN")),
    example={"x": [[3, 70]]},
)
_FLAT = """
    g (string[N, 1] district, float[N, 1] area, string[N, 1] heating) => (string[N, 1] there, float[N, 1] same) {
        there = Identity(district)  same = Identity(area)
    }
"""
_FLATS = Manifest(
    features=(
        Feature("district", "category", "", choices=(MARKUP, IMAGE, "Norte", "another…")),
        Feature("area", "number", "NaN", usual=(33, 120.5)),
        Feature("heating", "category", choices=("gas", "none")),
    ),
    example={"district": [["Norte"]], "area": [[70]], "heating": [["coal"]]},
)
_CLASSIFIER = """
    g (float[N, 2] x) => (string[N] label, float[N, 2] probabilities) <string[2] names = {"", ""}> {
        probabilities = Softmax(x)
        best = ArgMax<axis = 1, keepdims = 0>(x)
        label = Gather(names, best)
    }
"""
_TYPES = """
    g (int64[N, 1] id, bool[N, 1] furnished, float[N, 1] area) => (int64[N, 1] same, bool[N, 1] also, float[N, 1] too) {
        same = Identity(id)  also = Identity(furnished)  too = Identity(area)
    }
"""


def _hostile() -> Manifest:
    return Manifest(
        description=MARKUP,
        features=(Feature(MARKUP), Feature(f'it\'s "{IMAGE}" $(touch owned) `touch owned` \\')),
        labels=(MARKUP, IMAGE),
    )


def _weighted(weight: int) -> str:
    return f"""
        g (float[N, 2] x) => (float[N, 1] price) <float[2, 1] w = {{{weight}, {weight}}}> {{ price = MatMul(x, w) }}
    """


def _add(models: Path, name: str, version: str, graph: str, manifest: Manifest, names: Sequence[str] = ()) -> None:
    folder = models / name / version
    folder.mkdir(parents=True)
    more = ', "com.microsoft.extensions": 1' if "com.microsoft.extensions." in graph else ""
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21{more}]>\n{graph}')
    if names:  # ONNX's text format has no way to quote them
        model.graph.initializer[0].string_data[:] = [text.encode() for text in names]
    onnx.save(model, folder / "model.onnx")
    manifest.write(folder)


@contextmanager
def serving(models: Path, *options: str) -> Iterator[str]:
    """A running `despliegue serve`: where it answers, read off the address of the page that it prints."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command: list[str | Path] = [DESPLIEGUE, "serve", "--models", models, "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        printed = []
        try:
            for line in process.stdout:
                printed.append(line)
                if line.startswith("curl "):
                    break
            [address] = [line.removeprefix("Docs: ").strip() for line in printed if line.startswith("Docs: ")]
            reader = threading.Thread(target=process.stdout.read, daemon=True)
            reader.start()
            yield address.removesuffix("/docs")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)
        reader.join(STOP_SECONDS)


@pytest.fixture(scope="session")
def serve_models() -> Callable[..., AbstractContextManager[str]]:
    """`serve_models(folder, *options)`: see serving."""
    return serving


@pytest.fixture(scope="module")
def service(models: Path) -> Iterator[str]:
    """`despliegue serve`, open to anyone."""
    with serving(models) as url:
        yield url


@pytest.fixture(scope="module")
def keyed_service(models: Path) -> Iterator[str]:
    """`despliegue serve --api-key`."""
    with serving(models, "--api-key", KEY) as url:
        yield url


@pytest.fixture(scope="module")
def staged_service(keyed_service: str) -> Iterator[str]:
    """The keyed service below `/live`, as API Gateway has it: a path beside it is nobody's."""
    host = keyed_service.removeprefix("http://")

    class Stage(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, headers, reply = 403, {}, json.dumps({"error": "Missing Authentication Token"}).encode()
            if self.path.startswith("/live/"):
                connection = http.client.HTTPConnection(host, timeout=30)
                connection.request(self.command, self.path.removeprefix("/live"), body or None, dict(self.headers))
                response = connection.getresponse()
                status, headers, reply = response.status, dict(response.getheaders()), response.read()
                connection.close()
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection", "date", "server"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Stage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/live"
        server.shutdown()
