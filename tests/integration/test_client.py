"""despliegue_client against a real `despliegue serve` that wants a key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import despliegue_client as dc

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BIRD = {
    "island": "Torgersen",
    "bill_length_mm": 39.1,
    "bill_depth_mm": 18.7,
    "flipper_length_mm": 181.0,
    "body_mass_g": 3750.0,
    "sex": "male",
}


@pytest.fixture
def client(serve: Callable[..., Any], models: Path) -> dc.Client:
    return dc.Client(serve(models, "--api-key", "secret").url, "secret")


def test_a_customers_day(client: dc.Client) -> None:
    assert client.models() == ["breast-cancer", "penguins"]

    told = client.metadata("penguins")
    assert (told.name, told.version, told.versions, told.deprecated) == ("penguins", "1", ("1",), {})
    assert "Adelie" in told.labels
    assert {tensor.name for tensor in told.inputs} == set(told.features)

    frame = pd.DataFrame([BIRD, BIRD | {"bill_length_mm": np.nan, "sex": None}])[list(told.features)]
    first, second = client.predict("penguins", frame)
    assert isinstance(first, dc.Classification)
    assert isinstance(second, dc.Classification)
    assert first.label == "Adelie"
    assert sum(first.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert client.predict("penguins", frame.to_dict("records"), version="1") == [first, second]
    assert client.predict("penguins", frame.to_dict("series")) == [first, second]

    width = client.metadata("breast-cancer").inputs[0].shape[-1]
    [one] = client.predict("breast-cancer", np.ones((1, width)))
    assert isinstance(one, dc.Classification)
    assert set(one.probabilities) == set(client.metadata("breast-cancer").labels)


def test_refusals(client: dc.Client) -> None:
    with pytest.raises(dc.NotAuthorized, match="x-api-key") as refused:
        dc.Client(client.url, "wrong").models()
    assert refused.value.request_id
    with pytest.raises(dc.NotFound, match="there is no model 'owls'"):
        client.predict("owls", [BIRD])
    with pytest.raises(dc.NotFound, match="no version '9'"):
        client.metadata("penguins", "9")
    with pytest.raises(dc.InvalidRequest, match="bill_length_mm"):
        client.predict("penguins", [BIRD | {"bill_length_mm": "long"}])


def test_a_deprecated_version_warns(client: dc.Client, models: Path) -> None:
    settings = {"deprecated": {"1": {"since": "2026-11-01"}}}
    (models / "penguins" / "manifest.json").write_text(json.dumps(settings))

    with pytest.warns(dc.VersionDeprecated, match="this version of penguins is on its way out"):
        client.predict("penguins", [BIRD], version="1")
    assert client.metadata("penguins", "1").deprecated == {"since": "2026-11-01"}


def test_pages_of_an_origin_may_call(serve: Callable[..., Any], models: Path) -> None:
    import httpx

    url = serve(models, "--api-key", "secret", "--cors-origin", "https://example.org").url
    origin = {"origin": "https://example.org"}

    asked = httpx.options(f"{url}/v2/models/penguins/infer", headers=origin)
    answered = httpx.get(f"{url}/v2/models", headers=origin | {"x-api-key": "secret"})
    refused = httpx.get(f"{url}/v2/models", headers=origin)

    assert (asked.status_code, answered.status_code, refused.status_code) == (200, 200, 403)
    assert all(
        reply.headers["access-control-allow-origin"] == "https://example.org" for reply in (asked, answered, refused)
    )


def test_a_file_is_scored(serve: Callable[..., Any], models: Path, tmp_path: Path) -> None:
    client = dc.Client(serve(models, "--api-key", "secret", "--inbox").url, "secret")
    rows = [BIRD, BIRD | {"bill_length_mm": "long"}]
    pd.DataFrame(rows).to_csv(tmp_path / "birds.csv", index=False)

    scored = client.score_file("penguins", tmp_path / "birds.csv", tmp_path / "scored.csv", within=60)

    assert (scored.model, scored.version) == ("penguins", "1")
    assert scored.rows == {"read": 2, "scored": 1, "rejected": 1}
    assert list(pd.read_csv(scored.output)["label"]) == ["Adelie"]
    assert scored.rejects is not None
    [reject] = scored.rejects.read_text().splitlines()
    assert json.loads(reject)["field"] == "bill_length_mm"
    assert {path.name for path in tmp_path.iterdir()} == {
        "models",
        "birds.csv",
        "scored.csv",
        "scored.csv.rejects.jsonl",
    }
    with pytest.raises(ValueError, match=r"birds\.txt has none of the endings"):
        client.score_file("penguins", "birds.txt", tmp_path / "out")
