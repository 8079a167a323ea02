"""V1 predict: rows, records and columns in, a prediction a row out; the shortcut for records gives the same."""

import gc
import json
import math
import tracemalloc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.unit.replies import error

from despliegue.errors import InvalidRequest
from despliegue.features import Schema
from despliegue.http import InferenceService, Request, Response
from despliegue.models import DATATYPES, Manifest, Model, ModelRepository, Signature, TensorSpec
from despliegue.models.manifest import Feature
from despliegue.protocols.predict_v1 import Decoder, decoder_of, encode_response

type AddModel = Callable[..., Path]
type Predict = Callable[..., Response]

ROOT = Path(__file__).parents[2]
SHIPPED = ModelRepository(ROOT / "layers" / "models")
CANCER, PENGUINS = SHIPPED.get("breast-cancer"), SHIPPED.get("penguins")
CANCER_NAMES = [feature.name for feature in CANCER.manifest.features]
CANCER_ROW: list[float] = CANCER.manifest.example["input"][0]
CANCER_RECORD = dict(zip(CANCER_NAMES, CANCER_ROW, strict=True))
BIRD: dict[str, Any] = {name: values[0][0] for name, values in PENGUINS.manifest.example.items()}
INCOMPLETE = {"island": "Biscoe", "bill_length_mm": None, "bill_depth_mm": 14.3, "flipper_length_mm": 215, "sex": None}


def graph(signature: str, body: str) -> str:
    return f'<ir_version: 10, opset_import: ["": 21]> g {signature} {{ {body} }}'


REGRESSOR = graph("(float[N, 2] x) => (float[N, 1] y)", "y = ReduceSum<keepdims=1>(x, axes)").replace(
    "{ y", "<int64[1] axes = {1}> { y"
)
IDENTITY = graph("(float[N, 2] x) => (float[N, 2] y)", "y = Identity(x)")
ONE_COLUMN = graph("(float[N] age) => (float[N] y)", "y = Identity(age)")
IMAGES = graph("(float[N, 2, 2] image) => (float[N, 2, 2] same)", "same = Identity(image)")
TENSORS = graph(
    "(int64[N, L] ids, int64[N, L] mask, int64[N] kind) => (int64[N, L] sum, int64[N] same)",
    "sum = Add(ids, mask)  same = Identity(kind)",
)
TYPES = graph(
    "(bool[N] b, int8[N] i, uint64[N] u, double[N] d, string[N] s)"
    " => (bool[N] ob, int8[N] oi, uint64[N] ou, double[N] od, string[N] os)",
    "ob = Identity(b)  oi = Identity(i)  ou = Identity(u)  od = Identity(d)  os = Identity(s)",
)


@pytest.fixture(scope="module")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of one output."""
    root = tmp_path_factory.mktemp("models")
    (root / "m" / "1").mkdir(parents=True)
    onnx.save(onnx.parser.parse_model(ONE_COLUMN), root / "m" / "1" / "model.onnx")
    return ModelRepository(root).get("m")


@pytest.fixture
def predict(repository: ModelRepository) -> Predict:
    """Sends a body to the predict route of a model, `m` unless told, shipped or added."""

    def call(body: Any, model: str = "m", path: str = ":predict", **headers: str) -> Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        shipped = SHIPPED if model in SHIPPED.index() else repository
        service = InferenceService(shipped)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return service.handle(Request("POST", f"/v1/models/{model}{path}", named, data, "request-1"))

    return call


def predictions(response: Response) -> Any:
    document = json.loads(response.body)
    assert response.status == 200, document
    assert list(document) == ["predictions"]
    return document["predictions"]


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


# Mistakes

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


DOCUMENTS: Any = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.sampled_from([1, 2.5, "a"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(st.lists(inner, min_size=2, max_size=2), max_size=3),
        st.dictionaries(
            st.sampled_from([*BIRD, "ids", "mask", "kind", "image", "x", *"biuds", "?"]), inner, max_size=6
        ),
    ),
    max_leaves=20,
)
REQUESTS = st.dictionaries(st.sampled_from(["instances", "inputs"]), DOCUMENTS, max_size=2)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelRepository]:
    """Models of every form, by name, each in a repository that has it."""
    added = ModelRepository(tmp_path_factory.mktemp("models"))
    texts = {"matrix": IDENTITY, "column": ONE_COLUMN, "images": IMAGES, "tensors": TENSORS, "types": TYPES}
    for name, text in texts.items():
        (added.root / name / "1").mkdir(parents=True)
        onnx.save(onnx.parser.parse_model(text), added.root / name / "1" / "model.onnx")
    return dict.fromkeys(["breast-cancer", "penguins"], SHIPPED) | dict.fromkeys(texts, added)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_request_is_our_fault(models: dict[str, ModelRepository], data: st.DataObject) -> None:
    """Given any document under any model, then it is answered or refused as the caller's mistake."""
    name = data.draw(st.sampled_from(sorted(models)))
    body = json.dumps(data.draw(REQUESTS)).encode()

    response = InferenceService(models[name]).handle(Request("POST", f"/v1/models/{name}:predict", body=body))

    assert response.status in (200, 400), response
    assert len(response.body) < 1000 or response.status == 200
    assert set(json.loads(response.body)) == {"predictions" if response.status == 200 else "error"}


# The shortcut for records

SIGNATURES = [
    [("x", "FP32", (-1, 2))],
    [("x", "FP16", (-1, 2))],
    [("x", "INT8", (-1, 2))],
    [("x", "BYTES", (-1, 2))],
    [("a", "FP32", (-1, 1)), ("b", "BYTES", (-1,))],
    [("a", "UINT64", (-1,)), ("b", "BOOL", (-1,))],
    [("a", "INT64", (-1,)), ("b", "FP64", (-1, 1))],
]
MARKERS = {"f": "NaN", "i": "-1", "u": "0", "O": "", "b": None}


def decoder(inputs: Any, may_miss: bool) -> Decoder:
    specs = {name: TensorSpec(name, DATATYPES[datatype], shape) for name, datatype, shape in inputs}
    kinds = [spec.datatype.kind for spec in specs.values()] * 2
    features = tuple(
        Feature(name, missing=MARKERS[kind] if may_miss else None) for name, kind in zip("ab", kinds, strict=False)
    )
    return Decoder(Schema.read(Signature(specs, {}), Manifest(features=features)))


DECODERS = [decoder(inputs, may_miss) for inputs in SIGNATURES for may_miss in (False, True)]
JSON_VALUES = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(max_size=3).map(json.dumps),
    st.sampled_from(
        [
            *("null", "true", "false", "1", "2.5", "-0", "-0.0", "3.0", "1e999", "-1e999", "1e39", "65519.9", "65520"),
            *("3.4028235677973366e38", "127", "128", "1E2", "1e-400", '""', '"a"', '"b:c"', '"\\ud800"', '"\\udc00"'),
            *('"\\ud83d\\ude00"', '"\\u0041\\u003a"', '"ñ"', "[]", "[1]", "{}", "NaN", "01", "1.", "+1", '"'),
        ]
    ),
)
KEYS = st.sampled_from(['"a"', '"a"', '"b"', '"b"', '"\\u0061"', '"c"'])
RECORDS = st.one_of(
    st.tuples(JSON_VALUES, JSON_VALUES).map(lambda pair: f'{{"a": {pair[0]}, "b": {pair[1]}}}'),
    st.tuples(JSON_VALUES, JSON_VALUES).map(lambda pair: f'{{"b":{pair[1]},"a":{pair[0]}}}'),
    st.lists(st.tuples(KEYS, JSON_VALUES), max_size=3).map(
        lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
    ),
)
BODIES = st.tuples(
    st.sampled_from(
        ['{"instances": [', '{"instances":[', '{"signature_name": "s", "instances": [', '{"x": 1, "instances": [']
    ),
    st.lists(RECORDS, max_size=3).map(", ".join),
    st.sampled_from(["]}", "]}", "]}", '], "more": 1}', '], "instances": []}', '], "inputs": 1}', "]", "]} x"]),
).map("".join)


def outcome(way: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        arrays = way(body)
    except InvalidRequest as error:
        return str(error)
    return {name: (array.dtype, array.shape, array.tolist().__repr__()) for name, array in arrays.items()}


@settings(max_examples=500, deadline=None)
@given(BODIES, st.sampled_from(DECODERS))
@example('{"instances": [{"b": 0, "b": 0}]}', DECODERS[1])
@example('{"instances": [{}], "instances": []}', DECODERS[5])
def test_both_ways_agree(text: str, decoder: Decoder) -> None:
    """Whatever the shortcut accepts, reading value by value gives the same arrays."""
    body = text.encode()

    assert outcome(decoder.decode, body) == outcome(decoder.decode_carefully, body)


@pytest.mark.parametrize("model", [CANCER, PENGUINS])
def test_well_formed_records_take_the_shortcut(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of its own, since the careful way gives the same arrays ten times as slowly."""
    record = CANCER_RECORD if model is CANCER else BIRD
    records = [record] * 3 if model is CANCER else [record, {}, {"island": None, "body_mass_g": 1}]
    monkeypatch.setattr(Decoder, "decode_carefully", None)

    for separators in ((",", ":"), (", ", ": ")):
        arrays = decoder_of(model).decode(json.dumps({"instances": records}, separators=separators).encode())
        assert {len(array) for array in arrays.values()} == {3}


def test_a_decoder_does_not_hold_its_model(add_model: AddModel, repository: ModelRepository) -> None:
    add_model(IDENTITY)
    model = repository.get("m")
    assert decoder_of(model) is decoder_of(model)

    gone = weakref.ref(model)
    repository._loaded.clear()
    del model
    gc.collect()

    assert gone() is None


@given(values=st.lists(st.floats(width=32), min_size=1, max_size=5))
def test_predictions_are_exact_to_the_last_bit(regressor: Model, values: list[float]) -> None:
    array = np.array(values, np.float32)

    reply = json.loads(encode_response(regressor, {"y": array}, len(values)))["predictions"]

    back = np.array([math.nan if value is None else value for value in reply], np.float64)
    np.testing.assert_array_equal(back.astype(np.float32), array)
