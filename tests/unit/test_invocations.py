"""`/invocations`: MLflow's forms in JSON, and the model that is meant; ping and version."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.bodies import graph
from tests.unit.replies import error, predictions

import despliegue
from despliegue.http import InferenceService, Request
from despliegue.models.manifest import Feature, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from despliegue.http import Response
    from despliegue.models import ModelRepository

    type AddModel = Callable[..., Path]
    type Invoke = Callable[..., Response]

NAMES = ["island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex"]
ROWS: list[list[Any]] = [["Torgersen", 39.1, 18.7, 181, 3750, "male"], ["Biscoe", None, 14.3, 215, 5000, None]]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
SPLIT = {"index": [7, 8], "columns": NAMES, "data": ROWS}
BACKWARDS = {"columns": NAMES[::-1], "data": [row[::-1] for row in ROWS]}


REGRESSOR = graph("(float[N] age) => (float[N] years)", "years = Identity(age)")
MATRIX = graph("(float[N, 2] x) => (float[N, 2] y)", "y = Identity(x)")
IMAGES = graph("(float[N, 2, 2] image) => (float[N, 2, 2] same)", "same = Identity(image)")


# What is asked


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": SPLIT},
        {"dataframe_split": BACKWARDS},
        {"dataframe_split": SPLIT | {"columns": [0, 1, 2, 3, 4, 5]}},
        {"dataframe_records": RECORDS},
        {"dataframe_records": [RECORDS[0], {name: value for name, value in RECORDS[1].items() if value is not None}]},
        {"instances": RECORDS},
        {"instances": ROWS},
        {"inputs": {name: [row[at] for row in ROWS] for at, name in enumerate(NAMES)}},
        {"inputs": RECORDS},
        {"inputs": RECORDS, "params": {"temperature": 0.5}, "client_request_id": "1"},
        {"instances": RECORDS, "params": None},
    ],
)
def test_every_form_gives_what_v1_gives(shipped: InferenceService, invoke: Invoke, body: dict[str, Any]) -> None:
    v1 = shipped.handle(Request("POST", "/v1/models/penguins:predict", body=json.dumps({"instances": ROWS}).encode()))

    response = invoke(body)

    assert response.body == v1.body
    assert [each["label"] for each in predictions(response)] == ["Adelie", "Gentoo"]
    assert (response.outcome.model, response.outcome.version, response.outcome.rows) == ("penguins", "1", 2)


@pytest.mark.parametrize(
    "table",
    [
        '{"columns":["mean radius","b"],"data":[[1,[2]]]}',
        '{"columns":["mean radius","b\\u005b"],"data":[[1,[2]]]}',
        '{"columns":["mean radius","b["],"data":[[1,[2]]]}',
        '{"index":[[0]],"columns":[0,1],"data":[[1,[2]]]}',
        '{"index":0,"columns":[0,1],"data":[[1,[2]]]}',
    ],
)
def test_an_array_in_place_of_a_value_is_not_flattened(add_model: AddModel, invoke: Invoke, table: str) -> None:
    names = json.loads(table)["columns"]
    features = tuple(Feature(name if isinstance(name, str) else f"f{name}") for name in names)
    Manifest(features=features).write(add_model(MATRIX))

    response = invoke(f'{{"dataframe_split":{table}}}'.encode(), "m")

    assert response.status == 400
    assert "row 0" in error(response)


@pytest.mark.parametrize(
    ("form", "table"),
    [
        ("dataframe_split", {"columns": ["a", "b"], "data": [[1, 2], [3, 0.5]]}),
        ("dataframe_split", {"columns": [0, 1], "data": [[1, 2], [3, 0.5]]}),
        ("dataframe_split", {"columns": ["x"], "data": [[[1, 2]], [[3, 0.5]]]}),
        ("inputs", [[1, 2], [3, 0.5]]),
        ("instances", [[1, 2], [3, 0.5]]),
    ],
)
def test_a_matrix_without_names_takes_columns_by_position(
    add_model: AddModel, invoke: Invoke, form: str, table: Any
) -> None:
    add_model(MATRIX)

    assert predictions(invoke({form: table}, "m")) == [{"y": [1, 2]}, {"y": [3, 0.5]}]


def test_a_table_may_hold_tensors(add_model: AddModel, invoke: Invoke) -> None:
    add_model(IMAGES)
    images = [[[1, 2], [3, 4]], [[5, 6], [7, None]]]

    split = {"columns": ["image"], "data": [[image] for image in images]}

    assert predictions(invoke({"dataframe_split": split}, "m")) == [{"same": image} for image in images]


def test_no_rows_are_no_predictions(invoke: Invoke) -> None:
    bodies: list[dict[str, Any]] = [
        {"dataframe_split": {"columns": NAMES, "data": []}},
        {"dataframe_split": {"columns": NAMES[::-1], "data": []}},
        {"dataframe_split": {"columns": [], "data": []}},
        {"dataframe_records": []},
        {"inputs": {name: [] for name in NAMES}},
    ]
    for body in bodies:
        assert predictions(invoke(body)) == [], body
    assert invoke({"dataframe_records": []}, accept="text/csv").body == b""


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "the body has no key; expected exactly one of dataframe_split, dataframe_records, instances, inputs"),
        ({"columns": [], "data": []}, "the body has 'columns' and 'data'; expected exactly one of"),
        ({"x" * 99: 1}, "the body has 'xxx"),
        ({"inputs": [], "dataframe_split": {}}, "the body has dataframe_split and inputs; expected exactly one of"),
        (RECORDS, "the body is an array; expected a JSON object"),
        (b"", "the body is empty; expected a JSON object"),
        (b'{"inputs": [], "inputs": []}', "the key 'inputs' is there twice"),
        (b'{"instances": [{"sex": "male", "sex": "female"}]}', "row 0: the key 'sex' is there twice"),
        ({"dataframe_split": ROWS}, "dataframe_split is an array; expected an object with columns and data"),
        ({"dataframe_split": {"data": ROWS}}, "dataframe_split: columns is missing; expected an array"),
        ({"dataframe_split": {"columns": NAMES, "data": {}}}, "dataframe_split: data is an object; expected an array"),
        ({"dataframe_split": SPLIT | {"columns": [None] * 6}}, "columns holds null; expected the features' names"),
        ({"dataframe_split": {"columns": ["sex"] * 6, "data": ROWS}}, "the column 'sex' is there twice"),
        ({"dataframe_split": {"columns": ["sex", "wings"], "data": [["male", 2]]}}, "unknown feature 'wings'"),
        ({"dataframe_split": SPLIT | {"data": [ROWS[0], ROWS[1][1:]]}}, "row 1 has 5 values; expected 6"),
        ({"dataframe_split": SPLIT | {"data": [ROWS[0], RECORDS[1]]}}, "row 1 is an object, but row 0 is an array"),
        ({"dataframe_split": SPLIT | {"data": RECORDS}}, "row 0 is an object; expected an array of 6 values"),
        ({"dataframe_split": SPLIT | {"data": [[1]]}}, "row 0 has 1 values; expected 6, as columns has"),
        (
            {"dataframe_split": BACKWARDS | {"data": [ROWS[0][::-1], RECORDS[1]]}},
            "row 1 is an object; expected an array",
        ),
        (
            {"dataframe_split": BACKWARDS | {"data": [ROWS[0][::-1], []]}},
            "row 1 has 0 values; expected 6, as columns has",
        ),
        ({"dataframe_split": {"columns": [0, 1], "data": [[1, 2]]}}, "row 0 has 2 values; expected 6"),
        ({"dataframe_split": SPLIT | {"data": [ROWS[0], [1, *ROWS[1][1:]]]}}, "row 1: feature 'island' is 1; expected"),
        ({"dataframe_split": BACKWARDS | {"data": [["m", "3", 1, 1, 1, "x"]]}}, "feature 'body_mass_g' is '3'"),
        ({"dataframe_records": {}}, "dataframe_records is an object; expected an array of objects"),
        ({"dataframe_records": ROWS}, "row 0 is an array; expected an object"),
        ({"dataframe_records": [*RECORDS, ROWS[0]]}, "row 2 is an array, but row 0 is an object"),
        ({"dataframe_records": [*RECORDS, {"wings": 2}]}, "row 2: unknown feature 'wings'; expected 'island'"),
        ({"inputs": 3}, "inputs is a number; expected an object with 'island'"),
    ],
)
def test_what_does_not_fit_is_400(invoke: Invoke, body: Any, says: str) -> None:
    response = invoke(body)

    assert says in error(response)
    assert (response.outcome.error, response.outcome.model) == ("InvalidRequest", "penguins")


def test_the_word_nan_is_no_json(invoke: Invoke) -> None:
    body = json.dumps({"dataframe_split": SPLIT | {"data": [[*ROWS[0][:4], float("nan"), "male"]]}})

    assert "NaN is not a JSON value; write null" in error(invoke(body))


def test_short_rows_that_stand_for_many_values_are_413(add_model: AddModel, invoke: Invoke) -> None:
    names = [f"f{number}" for number in range(1000)]
    folder = add_model(graph("(float[N, 1000] x) => (float[N, 1000] y)", "y = Identity(x)"))
    Manifest(features=tuple(Feature(name, missing="NaN") for name in names)).write(folder)
    lines = 1001

    bodies = [
        ({"dataframe_split": {"columns": ["f1"], "data": [[1]] * lines}}, "application/json"),
        ({"dataframe_records": [{}] * lines}, "application/json"),
        ("f1\n" + "1\n" * lines, "text/csv"),
        ("{}\n" * lines, "application/jsonlines"),
    ]
    for body, content_type in bodies:
        assert "over the 1,000,000 values" in error(invoke(body, "m", content_type), 413)


def test_a_packed_body_is_unpacked(invoke: Invoke, shipped: InferenceService) -> None:
    body = gzip.compress(json.dumps({"dataframe_split": SPLIT}).encode())
    headers = {"content-encoding": "gzip"}

    response = shipped.handle(Request("POST", "/models/penguins/invocations", headers, body))

    assert response.body == invoke({"dataframe_split": SPLIT}).body


def test_every_invocation_is_counted_with_its_model(root: Path) -> None:
    from despliegue.models import ModelRepository

    service = InferenceService(ModelRepository(root / "layers" / "models"))
    for body in ({"instances": ROWS}, {"instances": [[1]]}):
        service.handle(Request("POST", "/models/penguins/invocations", {}, json.dumps(body).encode()))
    counted = service.handle(Request("GET", "/v2/models/penguins/stats"))

    [stats] = json.loads(counted.body)["model_stats"]
    assert (stats["execution_count"], stats["inference_count"]) == (1, 2)


# Which model answers


@pytest.mark.parametrize(
    ("default", "status", "says"),
    [
        ("", 400, "the path names no model, and several are served: a, b; expected /models/{model}/invocations"),
        ("b", 200, ""),
        ("b@2", 200, ""),
        ("c", 404, "there is no model 'c'"),
        ("b@9", 404, "model 'b' has no version '9'"),
    ],
)
def test_a_path_without_a_model_means_the_default(
    add_model: AddModel, repository: ModelRepository, default: str, status: int, says: str
) -> None:
    for name, version in (("a", "1"), ("b", "1"), ("b", "2")):
        add_model(REGRESSOR, name, version)
    service = InferenceService(repository, default_model=default)

    response = service.handle(Request("POST", "/invocations", {}, b'{"inputs": [4]}'))
    pinged = service.handle(Request("GET", "/ping"))

    assert response.status == status
    assert pinged.status == (200 if status == 400 else status), "with several, being asked which is no illness"
    if says:
        assert says in error(response, status)
        assert response.outcome.model == ""
    else:
        assert predictions(response) == [4]
        assert (response.outcome.model, response.outcome.version) == ("b", "2")


def test_a_version_is_invoked_by_its_path(add_model: AddModel, repository: ModelRepository) -> None:
    for version, body in (("1", "years = Identity(age)"), ("2", "years = Add(age, age)")):
        add_model(graph("(float[N] age) => (float[N] years)", body), "m", version)
    service = InferenceService(repository)

    def post(path: str) -> Response:
        return service.handle(Request("POST", path, {"content-type": "text/csv"}, b"age\n4\n"))

    assert predictions(post("/models/m/versions/1/invocations")) == [4]
    assert predictions(post("/models/m/versions/2/invocations")) == [8]
    assert "model 'm' has no version '3'" in error(post("/models/m/versions/3/invocations"), 404)


def test_the_only_model_needs_no_name(add_model: AddModel, repository: ModelRepository) -> None:
    service = InferenceService(repository)
    assert "there is no model to invoke" in error(service.handle(Request("POST", "/invocations")), 404)
    assert "there is no model to invoke" in error(service.handle(Request("GET", "/ping")), 404)
    add_model(REGRESSOR)

    for path in ("/invocations", "/models/m/invocations"):
        assert predictions(service.handle(Request("POST", path, {}, b'{"inputs": [4]}'))) == [4]
    assert "takes POST, not 'GET'" in error(service.handle(Request("GET", "/invocations")), 405)
    unknown = service.handle(Request("POST", "/models/nobody/invocations", {}, b"{}"))
    assert "there is no model 'nobody'" in error(unknown, 404)


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_ping_loads_the_model_that_answers(add_model: AddModel, repository: ModelRepository, path: str) -> None:
    folder = add_model(REGRESSOR)
    service = InferenceService(repository)

    assert service.handle(Request("HEAD", path)).status == 200
    assert [model.name for model in repository.loaded()] == ["m"]
    (folder / "model.onnx").write_bytes(b"")
    broken = InferenceService(type(repository)(repository.root))
    assert "cannot load model.onnx" in error(broken.handle(Request("GET", path, id="request-1")), 500)


def test_the_version_is_told(shipped: InferenceService) -> None:
    response = shipped.handle(Request("GET", "/version"))

    assert (response.status, response.body.decode()) == (200, despliegue.__version__)
    assert response.headers["content-type"] == "text/plain"
