"""MLflow's own scoring client against `despliegue serve`; SageMaker's way of calling a container."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pandas as pd
import pytest

import despliegue
from despliegue.models import ModelRepository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    type Connect = Callable[[str], Any]

BIRDS = pd.DataFrame(
    {
        "island": ["Torgersen", "Biscoe", "Dream"],
        "bill_length_mm": [39.1, 46.1, 46.5],
        "bill_depth_mm": [18.7, 13.2, 17.9],
        "flipper_length_mm": [181, 211, 192],
        "body_mass_g": [3750, 4500, 3500],
        "sex": ["male", "female", "female"],
    }
)
GAPS = BIRDS.assign(bill_depth_mm=[18.7, np.nan, 17.9], sex=["male", None, "female"])


@pytest.fixture
def connect(serve: Callable[..., Any], models: Path) -> Connect:
    """Starts a server whose default is a model, and gives MLflow's client of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says of its own type hints
        from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    def call(model: str) -> Any:
        make: Any = ScoringServerClient  # it has no types
        client = make("127.0.0.1", serve(models, "--default-model", model).port)
        client.wait_server_ready(timeout=10)
        return client

    return call


def directly(models: Path, name: str, columns: dict[str, Any]) -> tuple[list[str], Any]:
    """The labels and probabilities that the model itself gives."""
    label, probabilities = ModelRepository(models).get(name).run(columns, ["label", "probabilities"])
    return label.ravel().tolist(), probabilities


def tensors(frame: pd.DataFrame) -> dict[str, Any]:
    """A table as the graph of the penguins takes it: a missing text is '', a missing number NaN."""
    return {
        str(name): values.fillna("").to_numpy(object).reshape(-1, 1)
        if name in ("island", "sex")
        else values.to_numpy(np.float32).reshape(-1, 1)
        for name, values in frame.items()
    }


def assert_same(reply: Any, labels: list[str], probabilities: Any) -> None:
    frame = reply.get_predictions()
    assert frame["label"].tolist() == labels
    found = np.array([list(row.values()) for row in frame["probabilities"]], np.float32)
    np.testing.assert_array_equal(found, probabilities)


def test_a_data_frame(connect: Connect, models: Path) -> None:
    client = connect("penguins")
    expected = directly(models, "penguins", tensors(BIRDS))

    assert_same(client.invoke(BIRDS), *expected)
    assert_same(client.invoke(BIRDS[BIRDS.columns[::-1]].set_index(pd.Index([7, 8, 9]))), *expected)
    assert_same(client.invoke(BIRDS, params={"temperature": 0.5}), *expected)
    assert_same(client.invoke(BIRDS.to_dict(orient="records")), *expected)
    assert client.get_version() == despliegue.__version__


def test_missing_values_must_be_null(connect: Connect, models: Path) -> None:
    client = connect("penguins@1")
    expected = directly(models, "penguins", tensors(GAPS))

    # The client writes NaN, which is no JSON, where the table has it; not where it has None.
    with pytest.raises(Exception, match=r"error code 400.*NaN is not a JSON value; write null"):
        client.invoke(GAPS)
    assert_same(client.invoke(GAPS.astype(object).where(GAPS.notna(), None)), *expected)
    assert_same(client.invoke(f'{{"dataframe_split": {GAPS.to_json(orient="split")}}}'), *expected)


def test_an_array(connect: Connect, models: Path) -> None:
    client = connect("breast-cancer")
    rows = np.random.default_rng(0).uniform(0, 30, (20, 30)).astype(np.float32)
    expected = directly(models, "breast-cancer", {"input": rows})

    assert_same(client.invoke(rows), *expected)
    assert_same(client.invoke(pd.DataFrame(rows)), *expected)
    assert_same(client.invoke(json.dumps({"instances": rows.tolist()})), *expected)


def test_an_error_reaches_the_client_as_its_message(connect: Connect) -> None:
    client = connect("penguins")

    with pytest.raises(Exception, match=r"error code 400.*unknown feature 'beak_length_mm'; expected 'island'"):
        client.invoke(BIRDS.rename(columns={"bill_length_mm": "beak_length_mm"}))
    with pytest.raises(Exception, match=r"error code 400.*row 1: feature 'body_mass_g' is 'heavy'; expected a number"):
        client.invoke(BIRDS.astype({"body_mass_g": object}).replace({"body_mass_g": {4500: "heavy"}}))


def test_a_table_as_text_is_answered_in_text(serve: Callable[..., Any], models: Path) -> None:
    """What SageMaker sends a container, and what is behind its `ContentType` and `Accept`."""
    url = serve(models, "--default-model", "penguins").url
    labels, probabilities = directly(models, "penguins", tensors(GAPS))

    assert httpx.get(f"{url}/ping").status_code == 200
    for text in (GAPS.to_csv(), GAPS.to_csv(index=False), GAPS.to_csv(index=False, header=False)):
        headers = {"content-type": "text/csv", "accept": "text/csv"}
        reply = httpx.post(f"{url}/invocations", content=text, headers=headers)
        assert reply.headers["content-type"] == "text/csv; charset=utf-8"
        rows = [line.split(",") for line in reply.text.splitlines()]
        assert [label for label, *_ in rows] == labels
        np.testing.assert_array_equal(np.array([row[1:] for row in rows], np.float32), probabilities)


def test_several_models_and_no_default_is_a_400_that_lists_them(serve: Callable[..., Any], models: Path) -> None:
    reply = httpx.post(f"{serve(models).url}/invocations", json={"inputs": []})

    assert reply.status_code == 400
    assert "several are served: breast-cancer, penguins; expected /models/{model}/invocations" in reply.json()["error"]
