"""What docs/calling-from-a-spreadsheet.md says: its script runs in node, its request is sent, its table is tried."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.integration import guides
from tests.integration.conftest import DESPLIEGUE
from tests.integration.spreadsheet_table import FILES, GUIDE, NAMES, taken

if TYPE_CHECKING:
    from collections.abc import Callable

    type Cells = list[list[Any]]
    type Predict = Callable[..., Any]
    type Require = Callable[[bool, str], None]
    type Serve = Callable[..., Any]

HEADERS = {"x-api-key": guides.KEY}
FIRST = ["Torgersen", 39.1, 18.7, 181, 3750, "male"]
SECOND = ["Biscoe", "", "", 217, "", ""]
BLANK = [""] * len(NAMES)


@pytest.fixture
def url(serve: Serve, models: Path, add_model: Callable[..., Path]) -> str:
    """The example models and `m`, which gives its three inputs back, where `models` has them."""
    add_model()
    address: str = serve(models, "--api-key", guides.KEY).url
    return address


@pytest.fixture
def predict(url: str, tmp_path: Path, require: Require) -> Predict:
    """What `=PREDICT(…)` fills, or the error that it shows."""
    guides.require_program("javascript", require)
    (tmp_path / "script.js").write_text("\n".join(guides.code(GUIDE, "javascript")))

    def call(*values: Any, model: str = "penguins", key: str = guides.KEY, address: str = url) -> Any:
        properties = json.dumps({"URL": address, "KEY": key, "MODEL": model})
        google = Path(__file__).with_name("apps_script.js")
        done = subprocess.run(
            ["node", google, tmp_path / "script.js", "PREDICT", json.dumps(values), properties],
            capture_output=True,
            text=True,
            timeout=guides.SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


def asked(url: str, model: str, instances: Any) -> Any:
    """What the service answers, as a row of cells each."""
    reply = httpx.post(f"{url}/v1/models/{model}:predict", json={"instances": instances}, headers=HEADERS)
    return [[each["label"], *each["probabilities"].values()] for each in reply.raise_for_status().json()["predictions"]]


def test_a_row_is_its_label_and_probabilities(predict: Predict, url: str) -> None:
    [[label, *probabilities]] = predict([FIRST])["result"]

    assert label == "Adelie"
    assert [[label, *probabilities]] == asked(url, "penguins", [FIRST])


def test_rows_are_one_call_and_empty_ones_stay_empty(predict: Predict, url: str) -> None:
    rows = [FIRST, BLANK, SECOND, BLANK]

    second_call = guides.Refusal(500, {}, b'{"error": "a second call"}')
    with guides.refusing(url, second_call, refused=range(2, 100)) as gateway:
        found = predict(rows, address=gateway)["result"]

    first, second = asked(url, "penguins", [FIRST, [cell if cell != "" else None for cell in SECOND]])
    assert found == [first, [""], second, [""]]


def test_columns_in_another_order_go_by_their_names(predict: Predict, url: str) -> None:
    turned = [row[::-1] for row in (FIRST, SECOND)]

    assert predict(turned, [NAMES[::-1]]) == predict([FIRST, SECOND])
    assert predict(turned)["result"] != predict([FIRST, SECOND])["result"], "as the guide warns"


def test_models_of_all_kinds_fill_cells(predict: Predict, url: str) -> None:
    rows = [[0.5] * 30, [20] * 30]

    assert predict(rows, model="breast-cancer")["result"] == asked(url, "breast-cancer", rows)
    assert predict([[1, 2, 3], [4, 5, 6]], model="m")["result"] == [[1, 2, 3], [4, 5, 6]]


def test_a_refusal_is_shown_in_the_services_words(predict: Predict) -> None:
    heavy = [[*FIRST[:4], "heavy", "male"]]

    assert predict(heavy)["error"] == "row 0: feature 'body_mass_g' is 'heavy'; expected a number or null"
    assert "no valid API key came" in predict([FIRST], key="mistyped")["error"]
    assert "there is no model 'owls'" in predict([FIRST], model="owls")["error"]


@pytest.mark.parametrize(("name", "passes"), [("THROTTLED", True), ("QUOTA_EXCEEDED", False)])
def test_who_is_throttled_tries_again(predict: Predict, url: str, name: str, passes: bool) -> None:
    refused = {1} if passes else range(1, 100)

    with guides.refusing(url, guides.refusal(name), refused) as gateway:
        said = predict([FIRST], address=gateway)

    assert said == predict([FIRST]) if passes else "used up its quota" in said["error"]


def test_the_queries_request_is_answered_with_what_it_expands(url: str) -> None:
    """Its constants, with a table's rows as Json.FromValue writes them. Excel is not here to run the rest."""
    [query] = guides.code(GUIDE, "powerquery")
    path = re.findall(r'RelativePath = "(.*)"', query)[0]
    headers = dict(re.findall(r'#"([\w-]+)" = (?:"([^"]*)"|Key)', query))
    features = re.findall(r'"(\w+)"', re.findall(r"Features = \{(.*)\}", query)[0])
    by_hand = {int(status) for status in re.findall(r"\d+", re.findall(r"ManualStatusHandling = \{(.*)\}", query)[0])}
    rows = [dict(zip(features, row, strict=True)) for row in (FIRST, [cell or None for cell in SECOND])]
    headers["x-api-key"] = guides.KEY

    def send(instances: Any) -> httpx.Response:
        return httpx.post(f"{url}/{path}", content=json.dumps({"instances": instances}), headers=headers)

    assert features == NAMES
    assert [each.keys() for each in send(rows).json()["predictions"]] == [{"label", "probabilities"}] * 2
    refused = send([{**rows[0], "body_mass_g": "heavy"}])
    assert refused.json().keys() == {"error"}
    assert refused.status_code in by_hand
    assert not by_hand & {401, 403}, "Power Query keeps these for itself"


def test_each_way_takes_what_the_guides_table_says(url: str, models: Path, tmp_path: Path) -> None:
    assert list(taken()) == list(FILES)
    headers = {**HEADERS, "content-type": "text/csv", "accept": "text/csv"}
    sound, light = (asked(url, "penguins", [[*FIRST[:4], weight, "male"]])[0] for weight in (3750, 3.75))

    for written, says in taken().items():
        text = FILES[written]
        reply = httpx.post(f"{url}/models/penguins/invocations", content=text, headers=headers)
        done = score(text, models, tmp_path)

        expected = {"yes": sound, "no": None}.get(says.request, light)
        assert reply.status_code == (400 if expected is None else 200), written
        assert expected is None or float(reply.text.split(",")[1]) == pytest.approx(expected[1], rel=1e-4), written
        assert done.returncode == (says.job == "no"), written
        if says.job != "no":
            came, scored = text.splitlines(), (tmp_path / "scored.csv").read_text().splitlines()
            assert all(row.startswith(begun) for begun, row in zip(came, scored, strict=True)), "columns as they came"
            expected = {"yes": sound}.get(says.job, light)
            found = re.search(r"[,;\t]Adelie[,;\t](0\.\d+)[,;\t]", scored[1])
            assert found is not None, "predictions have points all the same"
            assert float(found[1]) == pytest.approx(expected[1], rel=1e-4), written


def test_a_point_that_parts_thousands_is_a_reject_beside_decimal_commas(models: Path, tmp_path: Path) -> None:
    assert "a reject where others have decimal commas" in taken()["`3.750`, meant as 3750"].job
    header, row = FILES["`39,1`, semicolons or tabs between"].splitlines()

    score("\n".join([header, row, row.replace("3750", "3.750")]), models, tmp_path)

    [reject] = (tmp_path / "scored.csv.rejects.jsonl").read_text().splitlines()
    assert json.loads(reject)["field"] == "body_mass_g"


def score(text: str, models: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """What scores jobs and the inbox, as a command."""
    (folder / "birds.csv").write_text(text)
    command: list[str | Path] = [
        DESPLIEGUE,
        "score",
        "--models",
        models,
        "--model",
        "penguins",
        "birds.csv",
        "scored.csv",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=guides.SECONDS)
