"""The inbox of `despliegue serve`: files dropped with curl are scored by the Lambda function's own code."""

import asyncio
import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import httpx
import pytest
from arro3.core import Array, DataType, Table
from arro3.io import read_parquet, write_parquet

from despliegue_cli.inbox import answers, listen, queues

WAIT_SECONDS = 60
NUMBERS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")

type Serve = Callable[..., Any]
type Row = dict[str, Any]


@dataclass
class Inbox:
    """The inbox of a running server.

    Attributes:
        served: the server.
        url: where the inbox is.
    """

    served: Any
    url: str

    def drop(self, file: Path, key: str) -> None:
        """Put a file there as the printed line does."""
        command = ["curl", "-sSf", "-T", str(file), f"{self.url}/inbox/{key}"]
        subprocess.run(command, check=True, timeout=WAIT_SECONDS)

    def said(self, pattern: str, times: int = 1) -> list[str]:
        """The lines with a pattern, once there are so many of them."""
        return until(lambda: [line for line in self.served.lines if re.search(pattern, line)], times, self.served.lines)

    def result(self, key: str) -> bytes:
        """A result, fetched as the printed line does."""
        command = ["curl", "-sSf", f"{self.url}/results/{key}"]
        return subprocess.run(command, capture_output=True, check=True, timeout=WAIT_SECONDS).stdout

    def score(self, file: Path, key: str) -> dict[str, Any]:
        """Drop a file and wait until it is done; its report."""
        pattern = f"^{re.escape(unquote(key))}: "
        before = len(self.said(pattern, 0))
        self.drop(file, key)
        self.said(pattern, before + 1)
        report: dict[str, Any] = json.loads(self.result(f"{key}.report.json"))
        return report

    def processes(self) -> dict[str, int]:
        """The process ids of the store and the poller."""
        found = {}
        parent = self.served.process.pid
        for module in ("store", "poller"):
            command = ["pgrep", "-P", str(parent), "-f", f"despliegue_cli.inbox.{module}"]
            parent = found[module] = int(subprocess.run(command, capture_output=True, check=True).stdout)
        return found


def until[T](look: Callable[[], list[T]], count: int, shown: object) -> list[T]:
    deadline = time.monotonic() + WAIT_SECONDS
    while len(found := look()) < count:
        assert time.monotonic() < deadline, shown
        time.sleep(0.02)
    return found


def is_running(pid: int) -> bool:
    # A process that ended but was not waited for yet counts as ended.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def rows_of(body: bytes) -> list[Row]:
    return list(csv.DictReader(body.decode().splitlines()))


@pytest.fixture
def start(serve: Serve) -> Callable[..., Inbox]:
    """Starts a server with an inbox."""

    def started(models: Path, *options: str) -> Inbox:
        served = serve(models, "--inbox", *options)
        (port,) = {match[1] for line in served.lines if (match := re.search(r"http://127.0.0.1:(\d+)/inbox/", line))}
        return Inbox(served, f"http://127.0.0.1:{port}")

    return started


@pytest.fixture
def inbox(start: Callable[..., Inbox], models: Path) -> Inbox:
    return start(models)


@pytest.fixture
def birds(root: Path) -> Path:
    return root / "examples" / "birds.csv"


@pytest.fixture
def rows(birds: Path) -> list[Row]:
    """The readable rows of the example: numbers as numbers, None where something is missing."""
    found = []
    for row in rows_of(birds.read_bytes()):
        if row["body_mass_g"] != "heavy":
            values = {name: float(value) if name in NUMBERS and value else value or None for name, value in row.items()}
            found.append(values)
    return found


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that is taken, after one that is free."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port: int = other.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port - 1)).close()
            except OSError:
                continue
            yield port
            return


def test_the_printed_lines_score_the_example(inbox: Inbox, root: Path, birds: Path) -> None:
    lines = inbox.served.lines
    (drop,) = [line.strip() for line in lines if line.startswith("  curl -T ")]
    (fetch,) = [line.removeprefix("Results: ") for line in lines if line.startswith("Results: curl ")]
    assert lines[-1] == inbox.served.curl, "the API's call is still the last line"

    subprocess.run(drop, shell=True, cwd=root, check=True, timeout=WAIT_SECONDS)
    (line,) = inbox.said("^penguins/birds.csv: ")
    done = subprocess.run(fetch, shell=True, capture_output=True, check=True, timeout=WAIT_SECONDS)

    assert "11 of 12 rows scored, 1 rejected" in line
    assert line.split()[-1] in fetch
    dropped, scored = rows_of(birds.read_bytes()), rows_of(done.stdout)
    readable = [row for row in dropped if row["body_mass_g"] != "heavy"]
    assert [row | given for row, given in zip(scored, readable, strict=True)] == scored, "every column came back"
    assert [row["label"] for row in scored] == [row["species"] for row in scored], "and what was predicted is true"


def test_rejects_and_report_say_what_was_left_out(inbox: Inbox, birds: Path) -> None:
    report = inbox.score(birds, "penguins/2026/birds%20of+november.csv")

    (reject,) = inbox.result("penguins/2026/birds%20of+november.csv.rejects.jsonl").splitlines()
    assert report["status"] == "scored"
    assert report["rows"] == {"read": 12, "scored": 11, "rejected": 1}
    assert json.loads(reject)["field"] == "body_mass_g"
    assert "301,Chinstrap,Dream,46.7,17.9,195,heavy,female" in reject.decode()


def test_an_overwritten_file_gets_a_new_result(inbox: Inbox, birds: Path, tmp_path: Path) -> None:
    first = inbox.score(birds, "penguins/birds.csv")
    shorter = tmp_path / "birds.csv"
    shorter.write_text("".join(birds.read_text().splitlines(keepends=True)[:4]))

    second = inbox.score(shorter, "penguins/birds.csv")

    assert first["job"] != second["job"]
    assert second["rows"] == {"read": 3, "scored": 3, "rejected": 0}
    assert len(rows_of(inbox.result("penguins/birds.csv.scored.csv"))) == 3


def test_a_file_for_an_unknown_model_gets_a_report_that_says_so(inbox: Inbox, birds: Path) -> None:
    report = inbox.score(birds, "pinguins/birds.csv")

    assert report["status"] == "failed"
    assert report["error"] == "there is no model 'pinguins'"
    assert "pinguins/birds.csv: failed: there is no model" in "\n".join(inbox.served.lines)


def test_json_lines_and_parquet_are_scored_too(inbox: Inbox, rows: list[Row], tmp_path: Path) -> None:
    lines, parquet = tmp_path / "birds.jsonl", tmp_path / "birds.parquet"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns: dict[str, Any] = {
        name: Array([row[name] for row in rows], DataType.float64() if name in NUMBERS else DataType.string())
        for name in rows[0]
    }
    write_parquet(Table.from_pydict(columns), parquet)

    counts = [inbox.score(file, f"penguins/{file.name}")["rows"]["scored"] for file in (lines, parquet)]
    from_lines = [json.loads(line) for line in inbox.result("penguins/birds.jsonl.scored.jsonl").splitlines()]
    scored = tmp_path / "scored.parquet"
    scored.write_bytes(inbox.result("penguins/birds.parquet.scored.parquet"))
    from_parquet = read_parquet(scored).read_all()["label"].to_pylist()

    assert counts == [11, 11]
    assert [row["label"] for row in from_lines] == from_parquet == [row["species"] for row in rows]


def test_a_model_that_is_added_later_scores_without_a_restart(inbox: Inbox, models: Path, birds: Path) -> None:
    inbox.score(birds, "penguins/birds.csv")
    shutil.copytree(models / "penguins" / "1", models / "penguins" / "2")
    deadline = time.monotonic() + WAIT_SECONDS

    for number in count():
        report = inbox.score(birds, f"penguins/{number}.csv")
        if report["model"]["version"] == "2" or time.monotonic() > deadline:
            break
    assert report["model"]["version"] == "2"


def test_the_same_file_again_changes_nothing(inbox: Inbox, birds: Path) -> None:
    first = inbox.score(birds, "penguins/birds.csv")

    second = inbox.score(birds, "penguins/birds.csv")

    assert second == first
    assert inbox.served.lines[-1] == "penguins/birds.csv: nothing new"


def test_a_message_that_nobody_understands_ends_in_the_dead_letter_queue(inbox: Inbox, birds: Path) -> None:
    sqs: Any = boto3.client(
        "sqs", endpoint_url=inbox.url, aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1"
    )
    sqs.send_message(QueueUrl=queues.url(inbox.url, queues.SCORE), MessageBody="nonsense")
    inbox.said("the queue sends it again")

    report = inbox.score(birds, "penguins/birds.csv")
    dead = until(
        lambda: sqs.receive_message(QueueUrl=queues.url(inbox.url, queues.DEAD_LETTER)).get("Messages", []), 1, sqs
    )
    sqs.close()

    assert report["status"] == "scored", "the next file has its turn meanwhile"
    assert [message["Body"] for message in dead] == ["nonsense"]
    assert len(inbox.said("the queue sends it again")) == 6, "three tries of each function"


def test_a_poller_that_dies_is_started_again_and_nothing_is_lost(inbox: Inbox, birds: Path, tmp_path: Path) -> None:
    head, row = birds.read_text().splitlines()[:2]
    long = tmp_path / "long.csv"
    long.write_text("\n".join([head, *[row] * 500_000]))

    inbox.drop(long, "penguins/long.csv")
    os.kill(inbox.processes()["poller"], signal.SIGKILL)
    inbox.said("the inbox's poller ended")
    inbox.said("^penguins/long.csv: 500,000 of 500,000 rows scored")

    assert inbox.result("penguins/long.csv.scored.csv").count(b"\n") == 500_001


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_no_process_and_the_port_free(inbox: Inbox, birds: Path, how: signal.Signals) -> None:
    inbox.score(birds, "penguins/birds.csv")
    processes = inbox.processes()

    inbox.served.process.send_signal(how)
    code = inbox.served.process.wait(WAIT_SECONDS)

    assert code == 0
    assert not any(is_running(pid) for pid in processes.values())
    with socket.create_server(("127.0.0.1", int(inbox.url.rpartition(":")[2]))):
        pass
    assert not [line for line in inbox.served.lines if re.search("Traceback|error", line)]


def test_a_server_that_is_killed_leaves_no_inbox_behind(inbox: Inbox) -> None:
    processes = inbox.processes()

    inbox.served.process.kill()

    until(lambda: [pid for pid in processes.values() if not is_running(pid)], 2, processes)


def test_a_taken_default_port_is_avoided(start: Callable[..., Inbox], models: Path, birds: Path, taken: int) -> None:
    inbox = start(models, "--port", str(taken - 1))  # the last one named counts

    assert inbox.url != f"http://127.0.0.1:{taken}"
    assert inbox.score(birds, "penguins/birds.csv")["status"] == "scored"


def test_a_taken_port_that_was_asked_for_is_said_in_one_line(models: Path, taken: int) -> None:
    command = [str(Path(sys.executable).parent / "despliegue"), "serve", "--models", str(models), "--inbox"]

    done = subprocess.run([*command, "--inbox-port", str(taken)], capture_output=True, text=True, timeout=WAIT_SECONDS)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"error: cannot listen on 127.0.0.1:{taken}: Address already in use; --inbox-port takes another one\n"
    )


def test_neither_credentials_nor_proxies_of_the_user_are_used(
    start: Callable[..., Inbox], models: Path, birds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("DESPLIEGUE_TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:mine")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    assert start(models).score(birds, "penguins/birds.csv")["status"] == "scored"


def test_other_services_are_kept_out(inbox: Inbox, birds: Path) -> None:
    inbox.score(birds, "penguins/birds.csv")
    scope = "AWS4-HMAC-SHA256 Credential=x/20261125/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=x"

    reset = httpx.post(f"{inbox.url}/moto-api/reset")
    functions = httpx.get(f"{inbox.url}/2015-03-31/functions/", headers={"Authorization": scope})

    assert (reset.status_code, functions.status_code) == (404, 404)
    assert inbox.result("penguins/birds.csv.report.json")


def test_what_a_page_from_elsewhere_sends_is_refused(inbox: Inbox) -> None:
    """By a name of its own that leads to this machine (DNS rebinding), or by a form or a script that names another."""
    here = inbox.url.removeprefix("http://")
    port = here.rpartition(":")[2]
    expected = {
        (here, None): 200,
        (f"localhost:{port}", None): 200,
        (here, inbox.url): 200,
        (f"elsewhere.example:{port}", None): 403,
        (f"elsewhere.example:{port}", f"http://elsewhere.example:{port}"): 403,
        (here, "https://elsewhere.example"): 403,
        (here, "http://127.0.0.1:1"): 403,
        (here, "null"): 403,
    }

    def answer(host: str, origin: str | None) -> int:
        headers = {"Host": host} | ({"Origin": origin} if origin else {})
        return httpx.put(f"{inbox.url}/inbox/penguins/", content=b"", headers=headers).status_code

    assert {sent: answer(*sent) for sent in expected} == expected


def test_an_inbox_that_ended_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    assert not asyncio.run(answers(port))


def test_its_port_is_the_one_after_the_apis() -> None:
    def is_next() -> bool:
        with socket.create_server(("127.0.0.1", 0)) as api, listen(None, port := api.getsockname()[1]) as found:
            return bool(found.getsockname()[1] == port + 1)

    assert any(is_next() for _ in range(20)), "unless another program has it"
