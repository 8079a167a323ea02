"""The sample events, in a real Lambda container."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

EVENTS = Path(__file__).parents[2] / "events" / "predict"
NEED_S3 = re.compile("(rest|http)-(version-)?jobs?")
"""Those of jobs: test_score.py sends one of them, where there is an S3."""

# The statuses of those that are not answered with 200.
REFUSED = {
    "http-invocations": 400,
    "http-load": 501,
    "http-model-card": 404,  # the example was added without one
    "http-model-version-card": 404,
    "http-logging": 501,
    "invalid-base64": 400,
    "invalid-content-type": 415,
    "invalid-datatype": 400,
    "invalid-empty-body": 400,
    "invalid-json": 400,
    "invalid-predict-feature": 400,
    "invalid-predict-value": 400,
    "invalid-shape": 400,
    "invalid-utf8": 400,
    "invalid-value": 400,
    "not-an-api-event": 400,
    "rest-invocations": 400,
    "rest-load": 501,
    "rest-model-card": 404,
    "rest-model-version-card": 404,
    "rest-logging": 501,
    "unknown-model": 404,
    "unknown-path": 404,
    "unknown-version": 404,
    "wrong-method": 405,
}


def assert_answered_as_named(event: str, reply: httpx.Response) -> None:
    expected = REFUSED.get(event, 200)
    assert reply.status_code == expected, reply.text
    if "binary" in event:
        assert reply.headers["content-type"] == "application/octet-stream"
        header = json.loads(reply.content[: int(reply.headers["inference-header-content-length"])])
        assert [output["datatype"] for output in header["outputs"]] == ["BYTES", "FP32"]
        assert np.frombuffer(reply.content[-8:], "<f4").sum() == pytest.approx(1)
        return
    if event.endswith(("-csv", "-docs")) or event in ("http-version", "rest-version"):
        assert reply.headers["content-type"].startswith("text/")
        assert reply.text.strip()
        return
    assert reply.headers["content-type"] == "application/json"
    if expected != 200:
        assert list(reply.json()) == ["error"]
    elif "predict" in event or "invocations" in event:
        assert set(reply.json()["predictions"][0]) == {"label", "probabilities"}
    elif "infer" in event:
        assert reply.json()["model_name"] == "breast-cancer"
        assert reply.json()["outputs"]


@pytest.mark.parametrize(
    "event", sorted(file.stem for file in EVENTS.glob("*.json") if not NEED_S3.fullmatch(file.stem))
)
def test_a_warm_container_answers_every_sample_event(
    start_lambda: Callable[[Path], httpx.Response], event: str
) -> None:
    reply = start_lambda(EVENTS / f"{event}.json")

    assert_answered_as_named(event, reply)


@pytest.mark.parametrize("event", ["rest-infer", "http-infer", "invalid-shape"])
def test_a_cold_container_answers_like_a_warm_one(
    invoke: Callable[[Path], httpx.Response], start_lambda: Callable[[Path], httpx.Response], event: str
) -> None:
    cold, warm = invoke(EVENTS / f"{event}.json"), start_lambda(EVENTS / f"{event}.json")

    assert_answered_as_named(event, cold)
    assert cold.content == warm.content


def test_every_refused_event_is_there() -> None:
    assert {event for event in REFUSED if not (EVENTS / f"{event}.json").is_file()} == set()
