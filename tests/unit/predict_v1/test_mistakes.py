"""What a caller got wrong is named: the row, the feature, what was expected and what came."""

import json
import tracemalloc
from typing import Any

import pytest
from tests.unit.predict_v1.conftest import (
    BIRD,
    CANCER_NAMES,
    CANCER_RECORD,
    CANCER_ROW,
    IDENTITY,
    AddModel,
    Predict,
    graph,
    predictions,
)
from tests.unit.replies import error

from despliegue.models import Manifest
from despliegue.models.manifest import Feature

MATRIX_MISTAKES: list[tuple[Any, str]] = [
    ({}, "the body has neither; expected either instances or inputs"),
    ({"instances": [], "inputs": []}, "the body has instances and inputs; expected either"),
    ({"instances": None}, "instances is null; expected an array"),
    ({"instances": {"a": 1}}, "instances is an object; expected an array"),
    ({"instances": "[]"}, "instances is a string; expected an array"),
    ({"instances": 3}, "instances is a number; expected an array"),
    ({"inputs": 3}, "inputs is a number; expected an object with 'mean radius'"),
    ({"inputs": [CANCER_RECORD]}, "inputs is an array of objects; expected records under instances"),
    ({"inputs": {}}, "missing feature 'mean radius'"),
    ({"inputs": {"mean radius": 3}}, "'mean radius' is 3; expected an array, a value a row"),
    ({"inputs": {"radius": [3]}}, "unknown feature 'radius'; expected 'mean radius'"),
    ({"inputs": {name: [1] * (1 + at // 29) for at, name in enumerate(CANCER_NAMES)}}, "has 2 rows, but 'mean radius'"),
    ({"inputs": {name: [[1, 2]] for name in CANCER_NAMES}}, "row 0: feature 'mean radius' is an array of 2 values"),
    ({"instances": [CANCER_ROW, CANCER_ROW[1:]]}, "row 1 has 29 values; expected 30"),
    ({"instances": [CANCER_ROW[1:], CANCER_ROW]}, "row 0 has 29 values; expected 30"),
    ({"instances": [[]]}, "row 0 has 0 values; expected 30"),
    ({"instances": CANCER_ROW}, "row 0 is 17.99; expected an array of 30 values"),
    ({"instances": [CANCER_ROW, 3]}, "row 1 is 3; expected an array of 30 values"),
    ({"instances": [CANCER_ROW, None]}, "row 1 is null; expected an array of 30 values"),
    ({"instances": [CANCER_ROW, CANCER_RECORD]}, "row 1 is an object, but row 0 is an array; expected all rows alike"),
    ({"instances": [CANCER_RECORD, CANCER_ROW]}, "row 1 is an array, but row 0 is an object; expected all rows alike"),
    ({"instances": [CANCER_RECORD, None]}, "row 1 is null, but row 0 is an object; expected all rows alike"),
    ({"instances": [CANCER_ROW, [None, *CANCER_ROW[1:]]]}, "row 1: feature 'mean radius' is null; expected a number"),
    ({"instances": [CANCER_ROW, ["x", *CANCER_ROW[1:]]]}, "row 1: feature 'mean radius' is 'x'; expected a number"),
    ({"instances": [[True, *CANCER_ROW[1:]]]}, "row 0: feature 'mean radius' is true; expected a number"),
    ({"instances": [[[1], *CANCER_ROW[1:]]]}, "row 0: feature 'mean radius' is an array"),
    ({"instances": [CANCER_ROW, [*CANCER_ROW[:29], [1]]]}, "row 1: feature 'worst fractal dimension' is an array"),
    ({"instances": [[1e39, *CANCER_ROW[1:]]]}, "row 0: feature 'mean radius' is 1e+39, which is out of the range of"),
    ({"instances": [CANCER_RECORD, {"radius": 1}]}, "row 1: unknown feature 'radius'; expected 'mean radius'"),
    ({"instances": [CANCER_RECORD, {}]}, "row 1: feature 'mean radius' is missing; expected a number"),
    ({"instances": [CANCER_RECORD | {"mean area": None}]}, "row 0: feature 'mean area' is null; expected a number"),
    ({"instances": [CANCER_RECORD | {"mean area": "9"}]}, "row 0: feature 'mean area' is '9'; expected a number"),
    ({"instances": [CANCER_RECORD | {"mean area": [1]}]}, "row 0: feature 'mean area' is an array; expected a number"),
    ({"instances": [CANCER_RECORD | {"mean area": {}}]}, "row 0: feature 'mean area' is an object; expected a number"),
    ({"instances": [CANCER_RECORD | {"mean area": 1e39}]}, "row 0: feature 'mean area' is 1e+39, which is out of"),
    (b'{"instances": [{"mean radius": 1, "mean radius": 2}]}', "row 0: the key 'mean radius' is there twice"),
    (b'{"instances": [], "instances": []}', "the key 'instances' is there twice"),
    (b'{"inputs": {"mean radius": [1], "mean radius": [1]}}', "the key 'mean radius' is there twice"),
    (b'{"instances": [[NaN]]}', "NaN is not a JSON value; write null"),
    (b'{"instances": [{"mean radius": Infinity}]}', "Infinity is not a JSON value; write 1e999"),
    (b"", "the body is empty"),
    (b"[]", "the body is an array; expected a JSON object"),
    (b'{"instances": [', "not valid JSON"),
    (b'{"instances": [{"mean radius": "\xff"}]}', "not UTF-8"),
    (b'{"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested too deep"),
]


@pytest.mark.parametrize(("body", "says"), MATRIX_MISTAKES)
def test_a_mistake_to_a_matrix_model_is_named(predict: Predict, body: Any, says: str) -> None:
    assert says in error(predict(body, "breast-cancer"))


def test_a_record_with_every_key_twice_is_refused_though_it_has_all(predict: Predict) -> None:
    twice = json.dumps(CANCER_RECORD)[:-1] + ", " + json.dumps(CANCER_RECORD)[1:]

    assert "row 1: the key" in error(predict(f'{{"instances": [{{}}, {twice}]}}'.encode(), "breast-cancer"))
    assert "row 0: the key" in error(predict(f'{{"instances": [{twice}]}}'.encode(), "breast-cancer"))


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"island": 7}, "row 1: feature 'island' is 7; expected a string or null"),
        ({"island": ["Dream"]}, "row 1: feature 'island' is an array; expected a string or null"),
        ({"body_mass_g": "3750"}, "row 1: feature 'body_mass_g' is '3750'; expected a number or null"),
        ({"body_mass_g": True}, "row 1: feature 'body_mass_g' is true; expected a number or null"),
        ({"iland": "Dream"}, "row 1: unknown feature 'iland'; expected 'island', 'bill_length_mm'"),
        ({"iland" * 100: 1}, "row 1: unknown feature 'iland"),
    ],
)
def test_a_mistake_in_a_record_is_named(predict: Predict, record: Any, says: str) -> None:
    message = error(predict({"instances": [BIRD, BIRD | record]}, "penguins"))

    assert says in message
    assert len(message) < 250


@pytest.mark.parametrize(
    "body", [b'{"instances": [' + b"{}, " * 50_000 + b"{}]}", b'{"inputs": {"f7": [' + b"1," * 50_000 + b"1]}}"]
)
def test_a_short_body_does_not_become_much(add_model: AddModel, predict: Predict, body: bytes) -> None:
    """Where features may be missing, three bytes would stand for as many values as the model has features."""
    folder = add_model(graph("(float[N, 1000] x) => (float[N, 1000] y)", "y = Identity(x)"))
    Manifest(features=tuple(Feature(f"f{number}", missing="NaN") for number in range(1000))).write(folder)
    assert len(predictions(predict({"instances": [{}] * 100}))) == 100

    tracemalloc.start()
    message = error(predict(body), 413)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "50,001 rows of 1,000 features are over the 1,000,000 values that a body of " in message
    assert "send fewer rows" in message
    assert peak < 100 * len(body)


def test_a_missing_and_a_double_key_do_not_make_up_for_each_other(predict: Predict) -> None:
    """The shortcut counts colons to find double keys, and a record may lack some."""
    record = json.dumps(BIRD | {"sex": ""}).replace('"sex"', '"island"')

    for body in (f'{{"instances": [{record}]}}', '{"instances": [{"island": "Dream", "island": "Biscoe"}]}'):
        assert "row 0: the key 'island' is there twice in one object" in error(predict(body.encode(), "penguins"))


@pytest.mark.parametrize("value", ["12:30", '": "', "\\u003a:", 'a":"b'])
def test_colons_in_values_are_just_values(predict: Predict, value: str) -> None:
    reply = predict({"instances": [BIRD | {"island": value}, {}]}, "penguins")

    assert len(predictions(reply)) == 2


@pytest.mark.parametrize("name", ["a:b", 'a"b', "a\\b", "a\nb", "ñ", "%b", "", "f0", "{"])
def test_a_feature_may_have_any_name(add_model: AddModel, predict: Predict, name: str) -> None:
    Manifest(features=(Feature(name), Feature("other"))).write(add_model(IDENTITY))

    assert predictions(predict({"instances": [{name: 1, "other": 2}]})) == [{"y": [1, 2]}]
    assert "feature 'other' is missing" in error(predict({"instances": [{name: 1}]}))
    twice = f'{{"instances": [{{{json.dumps(name)}: 1, "other": 2, {json.dumps(name)}: 3}}]}}'
    assert "is there twice" in error(predict(twice.encode()))


@pytest.mark.parametrize("name", ["a", "a%b", 'a"b', "ñ"])
def test_a_class_may_have_any_name(add_model: AddModel, predict: Predict, name: str) -> None:
    classifier = graph(
        "(float[N, 2] x) => (int64[N] label, float[N, 2] p)", "label = ArgMax<axis=1, keepdims=0>(x)  p = Identity(x)"
    )
    Manifest(labels=(name, "b")).write(add_model(classifier))

    (prediction,) = predictions(predict({"instances": [[0.25, 0.75]]}))

    assert prediction == {"label": 1, "probabilities": {name: 0.25, "b": 0.75}}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            {"instances": [[1, 2], [1]]},
            "row 1: input 'x': shape [2] does not fit its data: it needs 2 values, data has 1",
        ),
        ({"instances": [[1]]}, "input 'x': the data's shape [1, 1] does not fit the model's [-1, 2]"),
        ({"instances": [1, 2]}, "input 'x': the data's shape [2] does not fit the model's [-1, 2]"),
        ({"instances": [[1, "2"]]}, "row 0: input 'x': value 1 is '2'; FP32 expects a number or null"),
        ({"instances": [{"x": [1, 2]}]}, "row 0 is an object, but the model has no named features"),
        ({"inputs": {"y": [[1, 2]]}}, "unknown input 'y'; expected 'x'"),
    ],
)
def test_a_mistake_to_a_bare_matrix_model_is_named(add_model: AddModel, predict: Predict, body: Any, says: str) -> None:
    add_model(IDENTITY)

    assert says in error(predict(body))


def test_nesting_beyond_what_numpy_takes_is_refused(add_model: AddModel, predict: Predict) -> None:
    add_model(graph("(float x) => (float y)", "y = Identity(x)"))

    assert "does not fit the model's" in error(predict(b'{"instances": ' + b"[" * 100 + b"]" * 100 + b"}"))
    assert predictions(predict({"instances": [1, 2]})) == [1, 2]
