"""A process that dies at any moment, and then a retry: as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.score.conftest import Aws, Call
    from tests.score.processes.conftest import Worker

KEY = "penguins/birds.csv"
SOAK = os.environ.get("SOAK") == "1"
KILLS = 100 if SOAK else 15


def kill(process: int) -> None:
    with suppress(ProcessLookupError):  # it may have ended just now
        os.kill(process, signal.SIGKILL)


def without_timings(aws: Aws) -> dict[str, Any]:
    return {**aws.report(), "timings": None}


def assert_nothing_is_half(aws: Aws, whole: dict[str, str]) -> None:
    """What can be seen after a crash is whole, and there is a report wherever there is an output."""
    found = aws.results()
    outputs = {key: etag for key, etag in found.items() if not key.endswith(".report.json")}
    assert outputs.items() <= whole.items()
    assert not outputs or f"{KEY}.report.json" in found


def test_a_kill_at_a_random_moment_and_a_retry_leave_what_an_undisturbed_run_leaves(
    aws: Aws, new_worker: Callable[[], Worker], several_parts: bytes
) -> None:
    notification = aws.notification(etag=aws.put(several_parts))
    event, retry = aws.message(notification), aws.message(notification, count=2)
    worker = new_worker()
    seconds = worker.run(event)["seconds"]
    report, whole = without_timings(aws), aws.results()
    scored, rejects = aws.result("scored.csv"), aws.result("rejects.jsonl")
    assert report["outputs"]["scored"]["etag"].endswith("-4")
    assert len(rejects.splitlines()) == 2
    killed = 0

    for number in range(KILLS):
        aws.clear_results()
        aws.notices()
        moment = random.uniform(number, number + 1) / KILLS * seconds
        process = worker.begin(event)
        timer = threading.Timer(moment, kill, (process,))
        timer.start()
        died = worker.end()["status"] == -signal.SIGKILL
        timer.cancel()
        timer.join()
        killed += died
        assert_nothing_is_half(aws, whole)

        assert worker.run(retry)["reply"] == {"batchItemFailures": []}

        assert without_timings(aws) == report, moment
        assert aws.result("scored.csv") == scored, moment
        assert aws.result("rejects.jsonl") == rejects, moment
        assert aws.uploads() == [], moment
        assert aws.notices(), moment
    assert killed > KILLS / 2


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_a_death_at_each_step_and_a_retry_leave_what_an_undisturbed_run_leaves(
    aws: Aws, new_worker: Callable[[], Worker], birds: bytes, answered: bool
) -> None:
    """Dies with each of its calls in turn: before it is answered, or before the answer comes."""
    notification = aws.notification(etag=aws.put(birds))
    event, retry = aws.message(notification), aws.message(notification, count=2)
    worker = new_worker()
    aws.server.calls.clear()
    worker.run(event)
    steps = len(aws.server.calls)
    report, whole = without_timings(aws), aws.results()
    assert steps > 10

    for step in range(steps):
        aws.clear_results()
        aws.notices()
        victim: list[int] = []
        ready = threading.Event()
        count = 0

        def die(_: Call, step: int = step, ready: threading.Event = ready, victim: list[int] = victim) -> bool:
            nonlocal count
            count += 1
            if count == step + 1:
                ready.wait()
                kill(victim[0])
                return True
            return False

        rules: list[Any] = aws.server.losses if answered else aws.server.rules
        rules.append(lambda call, die=die: die(call) if answered else 503 if die(call) else None)
        victim.append(worker.begin(event))
        ready.set()
        assert worker.end()["status"] == -signal.SIGKILL, step
        rules.clear()
        assert_nothing_is_half(aws, whole)

        assert worker.run(retry)["reply"] == {"batchItemFailures": []}

        assert without_timings(aws) == report, step
        assert aws.results().keys() == whole.keys()
        assert_nothing_is_half(aws, whole)
        assert aws.uploads() == [], step
        assert aws.notices(), step


def test_what_died_with_every_try_is_given_up_and_leaves_no_upload(
    aws: Aws, new_worker: Callable[[], Worker], several_parts: bytes
) -> None:
    event = aws.message(aws.notification(etag=aws.put(several_parts)))
    worker = new_worker()
    victim: list[int] = []
    ready = threading.Event()

    def die_with_the_second_part(call: Call) -> int | None:
        if "partNumber=2" in call.query:
            ready.wait()
            kill(victim[-1])
            return 503
        return None

    aws.server.rules.append(die_with_the_second_part)
    for _ in range(3):
        ready.clear()
        victim.append(worker.begin(event))
        ready.set()
        assert worker.end()["status"] == -signal.SIGKILL
    aws.server.rules.clear()
    assert len(aws.uploads()) == 3

    worker.run(event, "failed")

    assert aws.uploads() == []
    assert list(aws.results()) == [f"{KEY}.report.json"]
    assert (aws.report()["status"], aws.report()["retry"]) == ("failed", True)
    (notice,) = aws.notices()
    assert notice["detail"]["code"] == aws.report()["code"] == "GivenUp"
