"""Schemas say what the service takes and gives: what fits them is taken, what does not is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from openapi_schema_validator import OAS31Validator

from despliegue.http import InferenceService, Request

if TYPE_CHECKING:
    from collections.abc import Callable

type Documents = dict[str, dict[str, Any]]
type Read = Callable[[str], dict[str, Any]]

BIRD = {"island": "Biscoe", "bill_length_mm": 46.1, "sex": None}
TUMOUR = [1.0] * 30
X = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, None]}
Y = {"name": "y", "shape": [2], "datatype": "FP32", "data": [1, 2]}
B = {"name": "b", "shape": [1], "datatype": "BOOL", "data": [True]}
LARGEST = 3.4028235677973362e38
"""The largest double that rounds to a float32; the next is the largest float32 and half a step."""


def fits(document: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    whole = {"components": document["components"], **schema}
    return bool(OAS31Validator(whole).is_valid(value))


def body_schema(document: dict[str, Any], path: str) -> dict[str, Any]:
    schema: dict[str, Any] = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return schema


def is_taken(service: InferenceService, document: dict[str, Any], path: str, body: Any) -> tuple[bool, bool]:
    """Whether a body fits the schema of a path, and whether the service takes it."""
    response = service.handle(Request("POST", path, body=json.dumps(body).encode()))
    return fits(document, body_schema(document, path), body), response.status in (200, 201)


def reply_schema(operation: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return schema


@pytest.mark.parametrize(
    ("model", "body", "taken"),
    [
        ("penguins", {"instances": [BIRD]}, True),
        ("penguins", {"instances": []}, True),
        ("penguins", {"instances": [{}]}, True),
        ("penguins", {"instances": [list(range(6))]}, False),
        ("penguins", {"instances": [["Biscoe", 1, 2, 3, 4, None]]}, True),
        ("penguins", {"instances": [["Biscoe", 1, 2, 3, 4]]}, False),
        ("penguins", {"instances": [{**BIRD, "species": "Adelie"}]}, False),
        ("penguins", {"instances": [{**BIRD, "sex": 1}]}, False),
        ("penguins", {"instances": [{**BIRD, "bill_length_mm": "46.1"}]}, False),
        ("penguins", {"instances": [{**BIRD, "bill_length_mm": LARGEST}]}, True),
        ("penguins", {"instances": [{**BIRD, "bill_length_mm": 3.4028235677973366e38}]}, False),
        ("penguins", {"instances": {}}, False),
        ("penguins", {"records": [BIRD]}, False),
        ("penguins", {"instances": [BIRD], "inputs": {}}, False),
        ("penguins", {"instances": [BIRD], "signature_name": "serving_default"}, True),
        ("breast-cancer", {"instances": [TUMOUR]}, True),
        ("breast-cancer", {"instances": [[*TUMOUR[1:], None]]}, False),
        ("breast-cancer", {"instances": [{"mean radius": 1}]}, False),
        ("types", {"instances": [{"b": True, "i": -128, "u": 2**64 - 1, "d": None, "h": 65519, "s": ""}]}, True),
        ("types", {"instances": [{"b": True, "i": -129, "u": 0, "d": 0, "h": 0, "s": ""}]}, False),
        ("types", {"instances": [{"b": True, "i": 0, "u": -1, "d": 0, "h": 0, "s": ""}]}, False),
        ("types", {"instances": [{"b": True, "i": 0, "u": 0, "d": 0, "h": 65520, "s": ""}]}, False),
        ("types", {"instances": [{"b": 1, "i": 0, "u": 0, "d": 0, "h": 0, "s": ""}]}, False),
        ("types", {"instances": [{"b": True, "i": 0.5, "u": 0, "d": 0, "h": 0, "s": ""}]}, False),
        ("types", {"instances": [{"b": True, "i": 3.0, "u": 0, "d": 0, "h": 0, "s": None}]}, False),
        ("with-default", {"instances": [{"x": 1}]}, True),
        ("with-default", {"instances": [{"y": 1, "x": None}]}, True),
        ("with-default", {"instances": [{"y": 1}]}, True),
    ],
)
def test_predict_takes_what_fits_and_nothing_else(
    service: InferenceService, document: Read, model: str, body: Any, *, taken: bool
) -> None:
    path = f"/v1/models/{model}:predict"
    assert is_taken(service, document(model), path, body) == (taken, taken)


def test_what_is_usual_is_told_and_other_values_fit(service: InferenceService, document: Read) -> None:
    properties = document("penguins")["components"]["schemas"]["Record"]["properties"]

    assert properties["island"]["examples"] == ["Biscoe", "Dream", "Torgersen"]
    assert properties["bill_length_mm"]["description"].endswith("missing. Usually 34 to 54")
    assert properties["bill_length_mm"]["x-usual"] == [34, 54]
    other = {"instances": [{"island": "Isla Decepción", "bill_length_mm": -3}]}
    assert is_taken(service, document("penguins"), "/v1/models/penguins:predict", other) == (True, True)


@pytest.mark.parametrize(
    ("model", "body", "taken"),
    [
        ("with-default", {"inputs": [X]}, True),
        ("with-default", {"inputs": [X, Y]}, True),
        ("with-default", {"inputs": [Y, X], "id": "1", "outputs": [{"name": "z"}], "parameters": None}, True),
        ("with-default", {"inputs": [Y]}, False),
        ("with-default", {"inputs": [X, X]}, False),
        ("with-default", {"inputs": []}, False),
        ("with-default", {}, False),
        ("with-default", {"inputs": [X], "id": 1}, False),
        ("with-default", {"inputs": [X], "outputs": [{"name": "w"}]}, False),
        ("with-default", {"inputs": [X], "outputs": [{"name": "z", "parameters": {"classification": 1001}}]}, False),
        ("with-default", {"inputs": [{**X, "name": "w"}]}, False),
        ("with-default", {"inputs": [{**X, "datatype": "FP64"}]}, False),
        ("with-default", {"inputs": [{**X, "shape": [2, 1]}]}, False),
        ("with-default", {"inputs": [{**X, "shape": [-2]}]}, False),
        ("with-default", {"inputs": [{**X, "data": ["1", "2"]}]}, False),
        ("with-default", {"inputs": [{key: X[key] for key in ("name", "shape", "datatype")}]}, False),
        ("breast-cancer", {"inputs": [{**X, "name": "input", "shape": [1, 30], "data": TUMOUR}]}, True),
        ("breast-cancer", {"inputs": [{**X, "name": "input", "shape": [1, 30], "data": [TUMOUR]}]}, True),
        ("breast-cancer", {"inputs": [{**X, "name": "input", "shape": [1, 29], "data": [TUMOUR[1:]]}]}, False),
        ("image", {"inputs": [{**X, "name": "image", "shape": [1, 3, 4, 4], "data": [1] * 48}]}, True),
        ("image", {"inputs": [{**X, "name": "image", "shape": [1, 3, 4, 4], "data": [[[[1] * 4] * 4] * 3]}]}, True),
        ("image", {"inputs": [{**X, "name": "image", "shape": [1, 3, 4, 4], "data": [[[[1] * 4] * 3] * 3]}]}, False),
        ("scalar", {"inputs": [{**X, "shape": [], "data": 1.5}]}, True),
        ("scalar", {"inputs": [{**X, "shape": [], "data": [1.5]}]}, True),
        ("scalar", {"inputs": [{**X, "shape": [], "data": "1.5"}]}, False),
        ("types", {"inputs": [B]}, False),
    ],
)
def test_infer_takes_what_fits_and_nothing_else(
    service: InferenceService, document: Read, model: str, body: Any, *, taken: bool
) -> None:
    path = f"/v2/models/{model}/infer"
    assert is_taken(service, document(model), path, body) == (taken, taken)


@pytest.mark.parametrize(
    ("model", "body", "taken"),
    [
        ("penguins", {"dataframe_records": [BIRD]}, True),
        ("penguins", {"dataframe_records": []}, True),
        ("penguins", {"dataframe_records": [BIRD], "params": {"temperature": 1}}, True),
        ("penguins", {"dataframe_records": [{**BIRD, "species": "Adelie"}]}, False),
        ("penguins", {"dataframe_records": {}}, False),
        ("penguins", {"dataframe_split": {"columns": ["sex", "island"], "data": [[None, "Biscoe"]]}}, True),
        ("penguins", {"dataframe_split": {"index": [5], "columns": ["sex"], "data": [["male"]]}}, True),
        (
            "penguins",
            {"dataframe_split": {"columns": [0, 1, 2, 3, 4, 5], "data": [["Biscoe", 1, 2, 3, 4, None]]}},
            True,
        ),
        ("penguins", {"dataframe_split": {"columns": ["wings"], "data": [[2]]}}, False),
        ("penguins", {"dataframe_split": {"columns": ["sex"], "data": ["male"]}}, False),
        ("penguins", {"dataframe_split": {"columns": ["sex"]}}, False),
        ("penguins", {"instances": [BIRD]}, True),
        ("penguins", {"instances": [["Biscoe", 1, 2, 3, 4, None]]}, True),
        ("penguins", {"instances": [5]}, False),
        ("penguins", {"inputs": {"sex": ["male", None]}}, True),
        ("penguins", {"inputs": {"sex": "male"}}, False),
        ("penguins", {"inputs": {"wings": [2]}}, False),
        ("penguins", {"inputs": {}}, False),
        ("penguins", {"instances": [BIRD], "inputs": {"sex": ["male"]}}, False),
        ("penguins", {"records": [BIRD]}, False),
        ("penguins", [BIRD], False),
        ("breast-cancer", {"inputs": {"input": [TUMOUR]}}, True),
        ("breast-cancer", {"inputs": [TUMOUR]}, True),
        ("with-default", {"instances": [1.5, None]}, True),
        ("image", {"instances": [[[[1] * 4] * 4] * 3]}, True),
        ("image", {"inputs": {"image": [[[[1] * 4] * 4] * 3]}}, True),
        ("image", {"instances": {}}, False),
    ],
)
def test_invocations_take_what_fits_and_nothing_else(
    service: InferenceService, document: Read, model: str, body: Any, *, taken: bool
) -> None:
    path = f"/models/{model}/invocations"
    assert is_taken(service, document(model), path, body) == (taken, taken)


def options(**given: Any) -> dict[str, Any]:
    return {"options": {name.replace("_", "-"): value for name, value in given.items()}}


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ({}, True),
        ({"format": None, "compression": None, "options": None}, True),
        ({"format": "jsonl", "compression": "zstd", "options": {}}, True),
        ({"format": "parquet", "compression": ""}, True),
        ({"format": "parquet", "compression": "gzip"}, False),
        ({"format": "xlsx"}, False),
        ({"compression": "br"}, False),
        ({"content_type": "csv"}, False),
        ({"options": []}, False),
        *((options(delimiter=text), True) for text in (";", "\t", "tab", " Comma", "\\t", "|", "~", None)),
        *(
            (options(delimiter=text), False)
            for text in ("", " ", "::", "a", "5", '"', "'", ".", "+", "-", "ñ", "\x01", 5)
        ),
        *((options(header=value, join=value), True) for value in (True, False, "TRUE", " no ", "1", 0, 1.0, None)),
        *((options(header=value), False) for value in ("perhaps", "", 2, 0.5, [True])),
        *((options(id=value), True) for value in ("a name", " ~ ", 1, 2.5, True, None, "x" * 1024)),
        *((options(id=value), False) for value in ("", " ", "año", "a\nb", "x" * 1025, ["id"])),
        *((options(reject_threshold=value), True) for value in (0, 1, 0.05, "0.05", "5%", "100%", " 2.5% ", None)),
        *((options(reject_threshold=value), False) for value in (-0.1, 1.1, "2", "101%", "", True, [0.1])),
        (options(separator=";"), False),
    ],
)
def test_jobs_take_what_fits_and_nothing_else(
    service: InferenceService, document: Read, body: Any, *, taken: bool
) -> None:
    path = "/v2/models/penguins/jobs"
    assert is_taken(service, document("penguins"), path, body) == (taken, taken)


def test_every_example_fits_its_schema(documents: Documents) -> None:
    checked = 0
    for path, document in documents.items():
        for item in document["paths"].values():
            for operation in item.values():
                bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
                bodies += document["components"]["responses"].values()
                for content in [body["content"] for body in bodies if "content" in body]:
                    for media in content.values():
                        for example in media.get("examples", {}).values():
                            assert fits(document, media["schema"], example["value"]), (path, example)
                            checked += 1
    assert checked > 1000


def test_replies_fit_their_schemas_whatever_was_asked_for(service: InferenceService, document: Read) -> None:
    described = document("zipmap")
    operation = described["paths"]["/v2/models/zipmap/infer"]["post"]
    inputs = [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1e38, None, 2, 3]}]
    wanted = [{"name": "p", "parameters": {"classification": 1}}, {"name": "k"}]

    for outputs in ([], wanted, wanted[::-1]):
        body = json.dumps({"id": "7", "inputs": inputs, "outputs": outputs}).encode()
        response = service.handle(Request("POST", "/v2/models/zipmap/infer", body=body))
        assert fits(described, reply_schema(operation), json.loads(response.body)), response.body


@pytest.mark.parametrize(
    ("model", "prediction"),
    [
        (
            "penguins",
            {"label": {"type": "string", "enum": ["Adelie", "Chinstrap", "Gentoo"]}, "probabilities": 3},
        ),
        ("breast-cancer", {"label": {"type": "string", "enum": ["benign", "malignant"]}, "probabilities": 2}),
        ("zipmap", {"label": {"type": "integer"}, "probabilities": 2}),
    ],
)
def test_a_classifier_names_its_classes(document: Read, model: str, prediction: dict[str, Any]) -> None:
    schema = document(model)["components"]["schemas"]["Prediction"]

    assert schema["properties"]["label"] == prediction["label"]
    probabilities = schema["properties"]["probabilities"]
    assert len(probabilities["properties"]) == len(probabilities["required"]) == prediction["probabilities"]


def test_a_regressor_predicts_numbers_and_other_models_their_outputs(document: Read) -> None:
    assert document("odd")["components"]["schemas"]["Prediction"] == {"type": ["number", "null"]}
    outputs = document("types")["components"]["schemas"]["Prediction"]["properties"]
    assert outputs["ob"] == {"type": "boolean"}
    assert outputs["os"] == {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 1}


def test_names_of_features_are_as_they_are(document: Read) -> None:
    record = document("odd")["components"]["schemas"]["Record"]

    assert "<script>alert(1)</script>" in record["properties"]
    assert record["required"] == ['a "quoted" one', "ñandú", "$id", "<script>alert(1)</script>", "a:b"]
    assert record["additionalProperties"] is False


def test_what_no_row_can_serve_has_no_predict(document: Read) -> None:
    for name in ("one-for-all", "bf16", "bf16-text", "image"):
        assert f"/v1/models/{name}:predict" not in document(name)["paths"]
