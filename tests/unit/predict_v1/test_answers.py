"""V1 predict: rows, records and columns in, a prediction a row out, exact to the last bit."""

import json
import math
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.predict_v1.conftest import (
    BIRD,
    CANCER,
    CANCER_NAMES,
    CANCER_RECORD,
    CANCER_ROW,
    IDENTITY,
    IMAGES,
    INCOMPLETE,
    ONE_COLUMN,
    PENGUINS,
    REGRESSOR,
    SHIPPED,
    TENSORS,
    TYPES,
    AddModel,
    Predict,
    graph,
    predictions,
)
from tests.unit.replies import error

from despliegue.http import InferenceService, Request
from despliegue.models import Manifest, Model, ModelRepository
from despliegue.models.manifest import Feature
from despliegue.protocols.predict_v1 import encode_response

# What the shipped models answer


def test_rows_records_and_columns_of_a_matrix_model_are_the_same(predict: Predict) -> None:
    bodies: list[Any] = [
        {"instances": [CANCER_ROW, CANCER_ROW[::-1]]},
        {"instances": [CANCER_RECORD, dict(zip(CANCER_NAMES[::-1], CANCER_ROW, strict=True))]},
        {"inputs": {name: [value, CANCER_ROW[29 - at]] for at, (name, value) in enumerate(CANCER_RECORD.items())}},
        {"inputs": {name: [[value], [CANCER_ROW[29 - at]]] for at, (name, value) in enumerate(CANCER_RECORD.items())}},
        {"inputs": [CANCER_ROW, CANCER_ROW[::-1]]},
        {"inputs": {"input": [CANCER_ROW, CANCER_ROW[::-1]]}},
        {"signature_name": "serving_default", "instances": [CANCER_RECORD, dict(reversed(CANCER_RECORD.items()))]},
    ]

    replies = [predict(body, "breast-cancer") for body in bodies]
    first, second = predictions(replies[0])

    x = np.array([CANCER_ROW], np.float32)
    label, probabilities = CANCER.run({"input": x}, ["label", "probabilities"])
    assert first["label"] == label[0]
    assert list(first["probabilities"]) == ["benign", "malignant"]
    assert np.float32(first["probabilities"]["malignant"]) == probabilities[0, 1]
    assert b'"malignant":0.98' in replies[0].body or len(json.dumps(first)) < 100, "as short as a float32 may be"
    assert second["label"] in ("benign", "malignant")
    for body, reply in zip(bodies, replies, strict=True):
        assert predictions(reply)[0] == first, body
        assert reply.outcome.rows == 2
    assert all(reply.body == replies[0].body for at, reply in enumerate(replies) if at not in (1, 6))


def test_penguins_may_lack_what_the_model_imputes(predict: Predict) -> None:
    columns = {name: [BIRD[name], INCOMPLETE.get(name)] for name in BIRD}
    bodies = [
        {"instances": [BIRD, INCOMPLETE]},
        {"inputs": columns},
        {"instances": list(zip(*columns.values(), strict=True))},
    ]

    replies = [predict(body, "penguins") for body in bodies]

    feed = {
        name: np.array(
            [[BIRD[name]], [INCOMPLETE.get(name) or ("" if name in ("island", "sex") else np.nan)]],
            object if name in ("island", "sex") else np.float32,
        )
        for name in BIRD
    }
    label, probabilities = PENGUINS.run(feed, ["label", "probabilities"])
    assert [row["label"] for row in predictions(replies[0])] == label.tolist() == ["Adelie", "Gentoo"]
    assert [list(row["probabilities"].values()) for row in predictions(replies[0])] == [
        [float(str(value)) for value in row] for row in probabilities
    ]
    assert {reply.body for reply in replies} == {replies[0].body}


def test_a_version_can_be_named_and_its_status_asked(predict: Predict) -> None:
    reply = predict({"instances": [BIRD]}, "penguins", "/versions/1:predict")
    service = InferenceService(SHIPPED)

    assert predictions(reply)[0]["label"] == "Adelie"
    assert (reply.outcome.model, reply.outcome.version) == ("penguins", "1")
    for path in ("/v1/models/penguins", "/v1/models/penguins/versions/1", "/v1/models/penguins/"):
        status = service.handle(Request("GET", path))
        assert (status.status, json.loads(status.body)) == (200, {"name": "penguins", "ready": True})
    listed = service.handle(Request("GET", "/v1/models"))
    assert json.loads(listed.body) == {"models": ["breast-cancer", "penguins"]}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models/penguins:predict", 405),
        ("POST", "/v1/models/penguins", 405),
        ("POST", "/v1/models/:predict", 405),
        ("POST", "/v1/models/nobody:predict", 404),
        ("POST", "/v1/models/penguins:explain", 405),
        ("POST", "/v1/models/penguins:predict:predict", 404),
        ("POST", "/v1/models/penguins/versions/9:predict", 404),
        ("POST", "/v1/models/penguins/versions/1:predict/more", 404),
        ("GET", "/v1/models/nobody", 404),
        ("GET", "/v1", 404),
    ],
)
def test_what_is_not_there(method: str, path: str, status: int) -> None:
    response = InferenceService(SHIPPED).handle(Request(method, path, body=json.dumps({"instances": [BIRD]}).encode()))

    error(response, status)


def test_a_broken_model_is_not_ready(add_model: AddModel, repository: ModelRepository, predict: Predict) -> None:
    (add_model() / "model.onnx").write_bytes(b"")

    response = InferenceService(repository).handle(Request("GET", "/v1/models/m"))

    assert response.status == 400
    assert json.loads(response.body)["ready"] is False
    assert "cannot load model.onnx" in error(predict({"instances": [[1, 2]]}), 500)


def test_another_content_type_is_415(predict: Predict) -> None:
    assert "expected application/json" in error(predict(b"a=1", "penguins", content_type="text/csv"), 415)


# What other models answer


def test_a_regressor_answers_numbers(add_model: AddModel, predict: Predict) -> None:
    add_model(REGRESSOR)

    response = predict(b'{"instances": [[0.1, 0], [1, null], [1e999, 1], [-1e999, 1]]}')

    assert response.body == b'{"predictions":[0.1,null,1e999,-1e999]}'


def test_other_models_answer_an_object_of_outputs_a_row(add_model: AddModel, predict: Predict) -> None:
    add_model(IDENTITY)
    assert predict({"instances": [[1, 2], [3, 0.1]]}).body == b'{"predictions":[{"y":[1.0,2.0]},{"y":[3.0,0.1]}]}'


def test_every_datatype_comes_back_as_it_went(add_model: AddModel, predict: Predict) -> None:
    add_model(TYPES)
    records: list[dict[str, Any]] = [
        {"b": True, "i": -128, "u": 2**64 - 1, "d": 0.1, "s": 'ñ":{}%b'},
        {"b": False, "i": 3.0, "u": 0, "d": None, "s": ""},
    ]

    response = predict({"instances": records})

    assert predictions(response) == [{"o" + name: value for name, value in record.items()} for record in records]


def test_a_single_column_takes_bare_values_too(add_model: AddModel, predict: Predict) -> None:
    add_model(ONE_COLUMN)

    bodies: list[Any] = [
        {"instances": [1, None, 3]},
        {"instances": [[1], [None], [3]]},
        {"instances": [{"age": 1}, {}, {"age": 3}]},
        {"instances": [{"age": [1]}, {"age": [None]}, {"age": [3]}]},
        {"inputs": [1, None, 3]},
        {"inputs": {"age": [1, None, 3]}},
    ]
    for body in bodies:
        assert predictions(predict(body)) == [1, None, 3], body


def test_a_row_of_a_model_of_higher_rank_is_a_tensor(add_model: AddModel, predict: Predict) -> None:
    add_model(IMAGES)
    images = [[[1, 2], [3, 4]], [[5, 6], [7, None]]]

    bodies: list[Any] = [
        {"instances": images},
        {"inputs": images},
        {"inputs": {"image": images}},
        {"instances": [{"image": image} for image in images]},
    ]
    for body in bodies:
        assert predictions(predict(body)) == [{"same": image} for image in images], body
    assert "row 1: input 'image': value 3 is 'x'" in error(predict({"instances": [images[0], [[1, 2], [3, "x"]]]}))
    assert "row 1: input 'image': shape [2, 2] does not fit" in error(
        predict({"instances": [images[0], [[1, 2], [3]]]})
    )
    assert "row 1: input 'image'" in error(predict({"instances": [images[0], [[1, 2], [3, [4]]]]}))


def test_several_tensors_are_records_or_columns(add_model: AddModel, predict: Predict) -> None:
    add_model(TENSORS)
    columns: dict[str, list[Any]] = {"ids": [[1, 2], [3, 4]], "mask": [[0, 1], [1, 1]], "kind": [7, 8]}
    records = [{name: values[row] for name, values in columns.items()} for row in range(2)]

    bodies: list[Any] = [{"inputs": columns}, {"instances": records}]
    for body in bodies:
        assert predictions(predict(body)) == [{"sum": [1, 3], "same": 7}, {"sum": [4, 5], "same": 8}]
    assert "missing input 'kind'; came 'ids', 'mask'" in error(
        predict({"inputs": {name: columns[name] for name in ("ids", "mask")}})
    )
    assert "input 'kind' has 1 rows, but others have 2" in error(predict({"inputs": columns | {"kind": [7]}}))
    del records[1]["mask"]
    assert "row 1: input 'mask' is missing, but other rows have it" in error(predict({"instances": records}))
    assert "unknown input 'x'" in error(predict({"inputs": {**columns, "x": []}}))
    assert "expected an object with 'ids', 'mask', 'kind'" in error(predict({"instances": [[1], [2]]}))


def test_an_output_that_is_not_by_row_is_501(add_model: AddModel, predict: Predict) -> None:
    add_model(graph("(float[N] x) => (float y)", "y = ReduceSum<keepdims=0>(x)"))

    assert "output 'y' has shape [], not a value for each of 2 rows" in error(predict({"instances": [1, 2]}), 501)


def test_no_rows_are_no_predictions(add_model: AddModel, predict: Predict) -> None:
    for text in (IDENTITY, ONE_COLUMN, IMAGES, TENSORS, TYPES):
        name = f"m{abs(hash(text))}"
        add_model(text, name)
        assert predictions(predict({"instances": []}, name)) == []
    assert predictions(predict({"inputs": {name: [] for name in BIRD}}, "penguins")) == []


def test_a_manifest_that_does_not_fit_is_500_and_says_why(add_model: AddModel, predict: Predict) -> None:
    Manifest(features=(Feature("a"),)).write(add_model(IDENTITY))

    message = error(predict({"instances": [[1, 2]]}), 500)

    assert "model 'm' version 1 is not ready: manifest.json names 1 features, but input 'x' takes 2" in message


@pytest.fixture(scope="module")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of one output."""
    root = tmp_path_factory.mktemp("models")
    (root / "m" / "1").mkdir(parents=True)
    onnx.save(onnx.parser.parse_model(ONE_COLUMN), root / "m" / "1" / "model.onnx")
    return ModelRepository(root).get("m")


@given(values=st.lists(st.floats(width=32), min_size=1, max_size=5))
def test_predictions_are_exact_to_the_last_bit(regressor: Model, values: list[float]) -> None:
    array = np.array(values, np.float32)

    reply = json.loads(encode_response(regressor, {"y": array}, len(values)))["predictions"]

    back = np.array([math.nan if value is None else value for value in reply], np.float64)
    np.testing.assert_array_equal(back.astype(np.float32), array)
