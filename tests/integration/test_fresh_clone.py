"""What the README shows, from a fresh clone: `make serve`, the calls, the client, the commands."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

SETUP_SECONDS = 180


def transcripts(root: Path) -> dict[str, str]:
    """The README's console blocks: each command with the output it shows."""
    blocks = re.findall(r"```console\n\$ (.*?)\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    return dict(blocks)


def free_pair() -> int:
    """A free port whose next one, the inbox's, is free too."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
            with suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
                return port


def as_shown(text: str, port: int) -> str:
    """What was printed, with the README's ports."""
    return text.replace(str(port + 1), "8081").replace(str(port), "8080")


def as_served(command: str, port: int) -> str:
    """The README's command, with the ports of this server."""
    return command.replace("8081", str(port + 1)).replace("8080", str(port))


def rounded(text: str) -> str:
    """With four decimals: the last ones are another processor's."""
    return re.sub(r"\d+\.\d{5,}", lambda number: f"{float(number[0]):.4f}", text)


@pytest.fixture(scope="module")
def clone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a clone has it: what git tracks, or would."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def terminal() -> list[str]:
    """What `make serve` printed so far."""
    return []


@pytest.fixture(scope="module")
def served(clone: Path, terminal: list[str]) -> Iterator[tuple[int, str]]:
    """`make serve` in the clone: its port, and all that it printed."""
    port = free_pair()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "MAKE", "MFLAGS"))
    }
    environment["PATH"] = os.pathsep.join(
        part for part in environment["PATH"].split(os.pathsep) if not part.startswith(str(Path(sys.executable).parent))
    )
    process = subprocess.Popen(
        ["make", "serve", f"PORT={port}"],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    printed = terminal
    ready = threading.Event()

    def collect() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            printed.append(line)
            if line.startswith("curl "):
                ready.set()
        ready.set()

    reader = threading.Thread(target=collect)
    reader.start()
    in_time = ready.wait(SETUP_SECONDS)
    try:
        assert in_time, printed
        assert process.poll() is None, printed
        yield port, "".join(printed)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
        reader.join()
        assert process.stdout is not None
        process.stdout.close()


def test_make_serve_prints_what_the_readme_shows(root: Path, served: tuple[int, str]) -> None:
    port, printed = served

    assert as_shown(printed, port).endswith(transcripts(root)["make serve"])
    assert "s3://inbox" in transcripts(root)["make serve"]


def test_the_readmes_calls_get_the_answers_it_shows(root: Path, served: tuple[int, str]) -> None:
    port, _ = served
    calls = {command: shown for command, shown in transcripts(root).items() if re.match("curl .*:8080/", command)}
    calls = {command: shown for command, shown in calls.items() if "species" not in command}
    assert len(calls) == 4
    assert transcripts(root)["make serve"].splitlines()[-1] in calls, "it shows the answer to the call that it prints"

    for command, shown in calls.items():
        done = subprocess.run(
            as_served(command, port), shell=True, capture_output=True, text=True, check=True, timeout=60
        )
        if "text/csv" in command:
            assert rounded(done.stdout) == rounded(shown)
        else:
            assert json.loads(done.stdout) == json.loads(shown)


def test_the_readmes_file_is_scored_as_it_shows(root: Path, clone: Path, served: tuple[int, str]) -> None:
    port, _ = served
    calls = {command: shown for command, shown in transcripts(root).items() if re.match("curl .*:8081/", command)}
    assert next(iter(calls)) in transcripts(root)["make serve"], "it drops the file as the printed line does"
    assert len(calls) == 4

    for command, shown in calls.items():
        deadline = time.monotonic() + 30
        printed = None
        while printed != rounded(shown) and time.monotonic() < deadline:
            done = subprocess.run(
                as_served(command, port), shell=True, cwd=clone, capture_output=True, text=True, check=True, timeout=60
            )
            printed = rounded(done.stdout)
        assert printed == rounded(shown)


def test_nothing_went_wrong_in_the_servers_terminal(served: tuple[int, str], terminal: list[str]) -> None:
    deadline = time.monotonic() + 30
    while not any("11 of 12 rows scored" in line for line in terminal) and time.monotonic() < deadline:
        time.sleep(0.1)

    said = "".join(terminal)
    assert "penguins/birds.csv: 11 of 12 rows scored, 1 rejected" in said
    assert "Traceback" not in said
    assert "Error" not in said


def test_the_readmes_python_client_works(root: Path, served: tuple[int, str]) -> None:
    port, _ = served
    (code,) = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)

    done = subprocess.run(
        [sys.executable, "-c", as_served(code, port)], capture_output=True, text=True, check=True, timeout=60
    )

    probabilities = np.array(done.stdout.replace("[", "").replace("]", "").split(), float).reshape(2, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_inspect_prints_what_the_readme_shows(root: Path, clone: Path, served: tuple[int, str]) -> None:
    environment = {**os.environ, "COLUMNS": "120"}
    command = ".venv/bin/despliegue inspect breast-cancer"

    done = subprocess.run(
        command.split(),
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert [line.rstrip() for line in done.stdout.splitlines()][:7] == transcripts(root)[command].splitlines()


def test_score_prints_what_the_readme_shows(root: Path, clone: Path, served: tuple[int, str]) -> None:
    (command,) = (command for command in transcripts(root) if "despliegue score" in command)

    done = subprocess.run(command.split(), cwd=clone, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == transcripts(root)[command]


def test_the_readmes_joblib_file_is_added_and_answers(root: Path, clone: Path, served: tuple[int, str]) -> None:
    port, _ = served
    text = (root / "README.md").read_text()
    set_up = re.findall(r"^(\.venv/bin/(?:pip install -e|python examples/).*?) *#", text, re.MULTILINE)
    assert len(set_up) == 2
    (add, added) = next(each for each in transcripts(root).items() if "despliegue add" in each[0])
    (call, answer) = next(each for each in transcripts(root).items() if "models/species" in each[0])

    def run(command: str) -> subprocess.CompletedProcess[str]:
        # `despliegue add` prints tables as wide as the terminal.
        environment = {**os.environ, "COLUMNS": "120"}
        return subprocess.run(
            command, shell=True, cwd=clone, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    without = run(add)
    for command in set_up:
        assert (done := run(command)).returncode == 0, done.stderr
    with_it = run(add)
    deadline = time.monotonic() + 30
    while "no model" in (answered := run(as_served(call, port))).stdout and time.monotonic() < deadline:
        time.sleep(0.1)

    assert without.stderr == "error: it needs onnx, which is not installed: pip install 'despliegue[onnx]'\n"
    assert without_timings(with_it.stdout) == without_timings(added), with_it.stderr
    assert added.splitlines()[-1] == call, "it shows the answer to the call that it prints"
    assert json.loads(rounded(answered.stdout)) == json.loads(rounded(answer))


def without_timings(text: str) -> list[str]:
    """What `add` printed without what is measured, and with no more digits than another processor has."""
    text = re.sub(r"(within )\S+( of)", r"\1…\2", re.sub(r"[\d,.]+ (ms|µs|MB)\b", r"… \1", text))
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_readmes_request_file_gets_a_prediction(root: Path, served: tuple[int, str]) -> None:
    port, _ = served
    (command,) = re.findall(r"^curl -s \$API_URL.*$", (root / "README.md").read_text(), re.MULTILINE)

    done = subprocess.run(
        command,
        shell=True,
        cwd=root,
        env={**os.environ, "API_URL": f"http://127.0.0.1:{port}", "KEY": "none"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert json.loads(done.stdout)["outputs"][0]["data"] == ["malignant"]


def test_what_the_readme_says_of_the_stack_is_there(root: Path) -> None:
    """The deployment itself needs an account; its names are checked, and tests/template does the rest."""
    text = (root / "README.md").read_text()
    template = (root / "template.yaml").read_text()
    outputs = re.findall(r"^  (\w+):$", template.split("\nOutputs:")[1], re.MULTILINE)

    assert set(re.findall(r"`(ApiUrl|ShowApiKey)`", text)) <= set(outputs)
    assert "  AuthMode:\n" in template
    for name in re.findall(r"\]\((?!http)([^)]+)\)", text):
        assert (root / name).exists(), f"the README links {name}"
