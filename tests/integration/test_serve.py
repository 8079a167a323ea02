"""The server on this machine: what it prints; long inferences, changing models, many clients."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import onnx
import onnx.parser
import pytest

type Serve = Callable[..., Any]

# Multiplies a matrix with itself as often as it is told: an inference as long as a test needs.
BUSY = """
    <ir_version: 10, opset_import: ["": 21]>
    busy (int64[1] times) => (float[?, ?] y) {
        size = Constant <value = int64[2] {400, 400}> ()
        start = ConstantOfShape <value = float[1] {0.0025}> (size)
        one = Constant <value = int64[1] {0}> ()
        count = Squeeze(times, one)
        go = Constant <value = bool {1}> ()
        end = Loop <body = step (int64 i, bool more, float[?, ?] m) => (bool still, float[?, ?] next)
            { still = Identity(more)  next = MatMul(m, m) }> (count, go, start)
        y = ReduceMean(end)
    }
"""


def busy(times: int) -> dict[str, Any]:
    return {"inputs": [{"name": "times", "shape": [1], "datatype": "INT64", "data": [times]}]}


@pytest.fixture
def busy_models(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "busy" / "1"
    folder.mkdir(parents=True)
    onnx.save(onnx.parser.parse_model(BUSY), folder / "model.onnx")
    return tmp_path / "models"


@pytest.fixture
def seconds() -> Callable[[str, float], int]:
    """How many rounds make the busy model take about so many seconds on this machine."""

    def measure(url: str, wanted: float) -> int:
        started = time.perf_counter()
        httpx.post(f"{url}/v2/models/busy/infer", json=busy(100), timeout=60).raise_for_status()
        return max(100, int(100 * wanted / (time.perf_counter() - started)))

    return measure


def test_the_printed_curl_line_predicts(serve: Serve, models: Path) -> None:
    served = serve(models)

    assert served.lines[-1] == served.curl, "the call to paste is the last line"
    done = subprocess.run(served.curl, shell=True, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout)["outputs"][0]["data"] == ["malignant"]
    assert f"on {served.url}" in "\n".join(served.lines)


def test_health_answers_during_long_inferences(
    serve: Serve, busy_models: Path, seconds: Callable[[str, float], int]
) -> None:
    served = serve(busy_models)
    rounds = seconds(served.url, 3)

    with ThreadPoolExecutor(4) as pool:
        inferences = [
            pool.submit(httpx.post, f"{served.url}/v2/models/busy/infer", json=busy(rounds), timeout=120)
            for _ in range(4)
        ]
        time.sleep(0.2)
        answered = [httpx.get(f"{served.url}/v2/health/live", timeout=30).status_code for _ in range(5)]
        still_running = sum(not inference.done() for inference in inferences)
        statuses = [inference.result().status_code for inference in inferences]

    assert answered == [200] * 5
    assert still_running == 4, "health answered while every inference was still running"
    assert statuses == [200] * 4


def test_sigterm_lets_a_running_inference_finish(
    serve: Serve, busy_models: Path, seconds: Callable[[str, float], int]
) -> None:
    served = serve(busy_models)
    rounds = seconds(served.url, 2)

    with ThreadPoolExecutor(1) as pool:
        inference = pool.submit(httpx.post, f"{served.url}/v2/models/busy/infer", json=busy(rounds), timeout=120)
        time.sleep(0.5)
        assert not inference.done()
        code = served.stop()

    assert inference.result().status_code == 200
    assert code == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{served.url}/v2/health/live")


def test_signals_that_come_together_stop_it_once(serve: Serve, models: Path) -> None:
    served = serve(models)

    for _ in range(50):
        served.process.send_signal(signal.SIGTERM)

    assert served.stop() == 0


def test_a_key_and_the_clouds_limits_hold_at_home(serve: Serve, models: Path) -> None:
    served = serve(models, "--api-key", "secret", "--limits", "lambda")

    assert httpx.get(f"{served.url}/v2").status_code == 403
    keyed = httpx.Client(headers={"x-api-key": "secret"})
    assert keyed.get(f"{served.url}/v2").status_code == 200
    assert keyed.post(f"{served.url}/v2/models/breast-cancer/infer", content=bytes(5_000_000)).status_code == 413
    keyed.close()
    done = subprocess.run(
        served.curl, shell=True, env={**os.environ, "KEY": "secret"}, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["model_name"] == "breast-cancer"


@pytest.mark.parametrize(("host", "shown"), [("localhost", "127.0.0.1"), ("0.0.0.0", "127.0.0.1")])
def test_other_hosts_are_shown_as_they_are_reached(serve: Serve, models: Path, host: str, shown: str) -> None:
    served = serve(models, "--host", host)

    assert f"http://{shown}:{served.port}/" in served.curl
    subprocess.run(served.curl, shell=True, capture_output=True, check=True)


def test_head_says_how_long_get_would_be(serve: Serve, models: Path) -> None:
    served = serve(models)

    head, get = (httpx.request(method, f"{served.url}/v2") for method in ("HEAD", "GET"))

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


def test_a_changed_model_is_served_without_a_restart(serve: Serve, models: Path) -> None:
    served = serve(models)
    subprocess.run(served.curl, shell=True, capture_output=True, check=True)
    folder = models / "breast-cancer" / "1"

    (folder / "manifest.json").unlink()
    onnx.save(
        onnx.parser.parse_model("""
            <ir_version: 10, opset_import: ["": 21]>
            g (float[N, 2] x) => (float[N, 2] y) { y = Identity(x) }
        """),
        folder / "model.onnx",
    )
    shutil.copytree(folder, models / "another" / "1")

    def names() -> list[str]:
        metadata = httpx.get(f"{served.url}/v2/models/breast-cancer").json()
        return [spec["name"] for spec in metadata["inputs"]]

    deadline = time.monotonic() + 30
    while names() != ["x"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert names() == ["x"]
    assert httpx.get(f"{served.url}/v2/models").json() == {"models": ["another", "breast-cancer", "penguins"]}


def test_a_broken_model_leaves_the_others_served(serve: Serve, models: Path) -> None:
    broken = models / "a-broken-one" / "1"
    broken.mkdir(parents=True)
    (broken / "model.onnx").write_bytes(b"")

    served = serve(models)

    assert any("model 'a-broken-one' version 1 is not ready" in line for line in served.lines)
    subprocess.run(served.curl, shell=True, capture_output=True, check=True)
    reply = httpx.post(f"{served.url}/v2/models/a-broken-one/infer", json={"inputs": []})
    assert reply.status_code == 500
    assert "request id" in reply.json()["error"]
    assert reply.headers["content-type"] == "application/json"


def test_many_clients_at_once_get_their_own_answers(serve: Serve, models: Path) -> None:
    served = serve(models)
    row = json.loads(served.curl.split(" -d '")[1].removesuffix("'"))["inputs"][0]["data"][0]
    errors: list[str] = []

    def ask(number: int) -> None:
        with httpx.Client() as client:
            for turn in range(20):
                rows = 1 + (number + turn) % 7
                tensor = {"name": "input", "shape": [rows, 30], "datatype": "FP32", "data": [row] * rows}
                reply = client.post(
                    f"{served.url}/v2/models/breast-cancer/infer", json={"id": f"{number}-{turn}", "inputs": [tensor]}
                ).json()
                if reply["id"] != f"{number}-{turn}" or reply["outputs"][0]["shape"] != [rows]:
                    errors.append(str(reply))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
