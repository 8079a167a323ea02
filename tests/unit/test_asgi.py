"""The ASGI adapter, driven as a server drives it."""

import asyncio
import json
import threading
import time
from typing import Any

import pytest

from despliegue.asgi import Application, Limits
from despliegue.http import InferenceService, Outcome, Request, Response
from despliegue.models import ModelRepository


async def ask(application: Application, *messages: dict[str, Any], wait: float = 0, **scope: Any) -> tuple[int, Any]:
    """One request made of `messages`, the last after `wait` seconds; the status and the JSON of the reply."""
    sent: list[dict[str, Any]] = []
    incoming = iter(messages)

    async def receive() -> dict[str, Any]:
        message = next(incoming, None)
        if message is None:
            await asyncio.sleep(wait)
            return {"type": "http.request", "more_body": False}
        return message

    async def send(message: Any) -> None:
        sent.append(message)

    await application({"type": "http", "method": "GET", "path": "/v2", "headers": [], **scope}, receive, send)
    start, body = sent
    length = dict(start["headers"]).get(b"content-length")
    if start["status"] == 304:
        assert (length, body["body"]) == (None, b"")
        return 304, None
    assert length == str(len(body["body"])).encode()
    return start["status"], json.loads(body["body"])


@pytest.fixture
def application(repository: ModelRepository) -> Application:
    return Application(InferenceService(repository), Limits(body_bytes=10, body_seconds=0.1, threads=1))


def test_a_mounted_application_ignores_where_it_is_mounted(application: Application) -> None:
    status, body = asyncio.run(ask(application, path="/prefix/v2", root_path="/prefix"))

    assert (status, body["name"]) == (200, "despliegue")


def test_a_body_over_the_limit_is_413_before_it_is_all_there(application: Application) -> None:
    piece = {"type": "http.request", "body": b"12345678", "more_body": True}

    status, body = asyncio.run(ask(application, piece, piece, method="POST", wait=1000))

    assert status == 413
    assert "over the 10 bytes that this server takes" in body["error"]


def test_a_client_that_hangs_up_gets_no_inference(application: Application) -> None:
    piece = {"type": "http.request", "body": b"1", "more_body": True}

    with pytest.raises(ValueError, match="not enough values"):  # nothing was sent
        asyncio.run(ask(application, piece, {"type": "http.disconnect"}, method="POST"))


def test_a_body_shorter_than_it_says_is_400(application: Application) -> None:
    piece = {"type": "http.request", "body": b"1"}

    status, body = asyncio.run(ask(application, piece, method="POST", headers=[(b"content-length", b"5")]))

    assert status == 400
    assert body["error"] == "the body has 1 bytes; content-length says 5"


def test_a_body_that_does_not_come_is_408(application: Application) -> None:
    piece = {"type": "http.request", "body": b"1", "more_body": True}

    status, body = asyncio.run(ask(application, piece, method="POST", wait=1000))

    assert status == 408
    assert body["error"] == "the body did not arrive within 0.1 seconds"


def test_only_health_without_a_body_is_answered_on_the_event_loop() -> None:
    asked: dict[str, bool] = {}

    class Noting:
        def handle(self, request: Request) -> Response:
            asked[f"{request.path} {len(request.body)}"] = threading.current_thread() is threading.main_thread()
            return Response(200, b"{}")

    async def ask_all() -> None:
        application = Application(Noting())
        for path in ("/v2/health/live", "/v2"):
            await ask(application, path=path)
        await ask(application, {"type": "http.request", "body": b"1"}, path="/v2/health/live")

    asyncio.run(ask_all())

    assert asked == {"/v2/health/live 0": True, "/v2 0": False, "/v2/health/live 1": False}


class Busy:
    """Takes so many milliseconds of the processor for each inference, and notes which were on the event loop."""

    def __init__(self, *, isolated: bool = False) -> None:
        self.isolated = isolated
        self.milliseconds = 0.0
        self.status = 200
        self.on_loop: list[bool] = []

    def handle(self, request: Request) -> Response:
        self.on_loop.append(threading.current_thread() is threading.main_thread())
        end = time.thread_time() + self.milliseconds / 1000
        while time.thread_time() < end:
            pass
        return Response(self.status, b"{}", outcome=Outcome(durations=(1, 0, 0), isolated=self.isolated))


def asked(
    *requests: tuple[float, int], kind: str = "", encoding: str = "", isolated: bool = False, status: int = 200
) -> list[bool]:
    """Whether each request, of so many milliseconds and bytes, was answered on the event loop."""
    service = Busy(isolated=isolated)

    async def ask_all() -> None:
        application = Application(service)
        for milliseconds, size in requests:
            service.milliseconds, service.status = abs(milliseconds), 400 if milliseconds < 0 else status
            said = {"content-encoding": encoding, "content-type": kind}
            headers = [(name.encode(), value.encode()) for name, value in said.items() if value]
            await ask(application, {"type": "http.request", "body": bytes(size)}, path="/infer", headers=headers)

    asyncio.run(ask_all())
    return service.on_loop


def test_what_was_predicted_quickly_is_predicted_on_the_event_loop() -> None:
    assert asked((0, 10), (0, 10), (0, 5), (0, 11), (0, 11)) == [False, True, True, False, True]


def test_what_takes_long_goes_to_a_thread() -> None:
    assert asked((9, 10), (9, 10), (0, 10), (9, 10), (0, 10), (0, 10)) == [False, False, False, True, False, True]


def test_what_takes_long_by_its_values_goes_to_a_thread_for_ever() -> None:
    assert asked((0, 10), (60, 10), (0, 10), (0, 10)) == [False, True, False, False]


def test_what_fails_is_not_learned_from_unless_it_takes_long() -> None:
    assert asked((-0.1, 10), (-0.1, 10)) == [False, False]
    assert asked((0, 10), (-60, 10), (0, 10)) == [False, True, False]


@pytest.mark.parametrize(
    "said",
    [{"encoding": "gzip"}, {"kind": "application/vnd.apache.parquet"}, {"kind": "image/png"}, {"isolated": True}],
)
def test_what_its_size_does_not_tell_goes_to_a_thread(said: dict[str, Any]) -> None:
    assert asked((0, 10), (0, 10), **said) == [False, False]


def test_when_the_models_change_it_is_learned_anew() -> None:
    service = Busy()
    body = {"type": "http.request", "body": b"1"}

    async def ask_all() -> None:
        application = Application(service)
        for _ in range(2):
            await ask(application, body, path="/infer")
        application.forget()
        await ask(application, body, path="/infer")

    asyncio.run(ask_all())

    assert service.on_loop == [False, True, False]


def test_other_scopes_are_refused(application: Application) -> None:
    async def nothing(*_: Any) -> Any: ...

    with pytest.raises(ValueError, match="scope type websocket is not served"):
        asyncio.run(application({"type": "websocket"}, nothing, nothing))


def test_who_has_a_document_is_sent_no_length_of_another(application: Application) -> None:
    """RFC 9110, 8.6: a 304 that says a length means that of the document."""
    headers = [(b"if-none-match", b"*")]

    status, _ = asyncio.run(ask(application, path="/openapi.json", headers=headers))

    assert status == 304
