"""Requests of one round: each connection has its reply, whatever becomes of the others'."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from despliegue.http import Request, Response
from despliegue_cli import rounds
from despliegue_cli.rounds import Round


class Application:
    """Answers with the request's body; `slow` takes its time, and `broken` fails."""

    def answer_now(self, request: Request) -> Response:
        if request.body == b"broken":
            raise MemoryError
        if request.body == b"slow":
            time.sleep(2 * rounds.ROUND_SECONDS)
        return Response(200, request.body)


class Protocol:
    """A connection, one of two, that notes what it sends."""

    def __init__(self, sent: list[bytes | None]) -> None:
        self.connections = {1, 2}
        self.loop = asyncio.get_running_loop()
        self.transport = SimpleNamespace(close=lambda: sent.append(b"closed"))
        self._sent = sent

    def reply(self, response: Response | None, *, stays: bool) -> None:
        if response and response.body == b"unsent":
            raise OSError
        self._sent.append(response.body if response else None)


def ask(*asked: bytes) -> list[bytes | None]:
    """What is sent for one round of requests, and `turn` where the loop had time for something else."""
    sent: list[bytes | None] = []

    async def run() -> None:
        started: Any = Round(Application())  # type: ignore[arg-type]
        for body in asked:
            started.add(Protocol(sent), Request("POST", "/", body=body), True)
        assert sent == []
        while len([each for each in sent if each != b"turn"]) < len(asked):
            await asyncio.sleep(0)
            sent.append(b"turn")

    asyncio.run(run())
    return sent


def test_replies_are_sent_together_in_order() -> None:
    assert [each for each in ask(b"1", b"2", b"3") if each != b"turn"] == [b"1", b"2", b"3"]


def test_a_failure_is_its_own_connections(caplog: pytest.LogCaptureFixture) -> None:
    sent = ask(b"1", b"broken", b"unsent", b"2")

    assert [each for each in sent if each != b"turn"] == [b"1", None, b"closed", b"2"]
    assert len(caplog.records) == 2


def test_a_slow_request_lets_others_have_their_turn() -> None:
    sent = ask(b"1", b"slow", b"2")

    assert b"turn" in sent[sent.index(b"slow") : sent.index(b"2")]
