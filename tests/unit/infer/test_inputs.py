"""Inputs that do not fit the model or one another: an answer says what was wrong, what was expected and what came."""

import json
import tracemalloc
from typing import Any

import pytest
from tests.unit.infer.conftest import AddModel, Ask, K, X, error, infer

from despliegue.http import InferenceService, Request, Response
from despliegue.models import ModelRepository


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([X], "missing input 'k'; came 'x'"),
        ([], "missing input 'x', 'k'; came none"),
        ([X, K, X], "input 'x' is given twice"),
        ([X, K, {**X, "name": "z"}], "unknown input 'z'; expected 'x', 'k'"),
        ([X, {"shape": [1], "datatype": "INT64", "data": [7]}], "inputs: name is missing; expected a string"),
        ([X, {**K, "name": 3}], "inputs: name is a number; expected a string"),
        ([X, {**K, "datatype": "FP32"}], "input 'k': datatype is 'FP32'; expected INT64"),
        ([X, {**K, "datatype": "LONG"}], "input 'k': datatype is 'LONG', which is no datatype; expected INT64"),
        ([X, {**K, "datatype": None}], "input 'k': datatype is null; expected a string"),
        ([X, {**K, "shape": [1, 1]}], "input 'k': shape [1, 1] does not fit the model's [-1]"),
        ([{**X, "shape": [1, 3]}, K], "input 'x': shape [1, 3] does not fit the model's [-1, 2]"),
        ([{**X, "shape": [-1, 2]}, K], "input 'x': shape is [-1, 2]; expected an array of integers ≥ 0"),
        ([{**X, "shape": [1.0, 2]}, K], "input 'x': shape is [1.0, 2]; expected an array of integers ≥ 0"),
        ([{**X, "shape": [True, 2]}, K], "expected an array of integers ≥ 0"),
        ([{**X, "shape": "[1, 2]"}, K], "input 'x': shape is '[1, 2]'; expected an array of integers ≥ 0"),
        ([{**X, "shape": [2, 2]}, K], "input 'x': shape [2, 2] does not fit its data: it needs 4 values, data has 2"),
        ([{**X, "shape": [10**12, 2]}, K], "it needs 2000000000000 values, data has 2"),
        ([{**X, "shape": [10**18, 2]}, K], "it needs 2000000000000000000 values, data has 2"),
        ([{**X, "shape": [10**30, 2]}, K], "values, data has 2"),
        ([{"name": "x", "shape": [1, 2], "datatype": "FP32"}, K], "input 'x': it has no data"),
        ([{**X, "data": [1, [2]]}, K], "input 'x': value 1 is an array; FP32 expects a number or null"),
        ([{**X, "data": [[1, [2]]]}, K], "input 'x': value 1 is an array; FP32 expects a number or null"),
        ([{**X, "data": [[1], 2]}, K], "input 'x': shape [1, 2] does not fit its data"),
        ([{**X, "data": ["1", 2]}, K], "input 'x': value 0 is '1'; FP32 expects a number or null"),
        ([{**X, "data": [1e39, 2]}, K], "input 'x': value 0 is 1e+39, which is out of the range of FP32"),
        ([X, 3], "inputs[1] is a number; expected an object"),
        ([[X]], "inputs[0] is an array; expected an object"),
    ],
)
def test_inputs_that_do_not_fit_are_400(ask: Ask, inputs: list[Any], says: str) -> None:
    response = infer(ask, *inputs)

    assert response.status == 400
    assert says in error(response)
    assert response.outcome.error == "InvalidRequest"
    assert response.outcome.model == "m"


def test_a_huge_shape_with_little_data_allocates_nothing(ask: Ask) -> None:
    infer(ask, X, K)
    tracemalloc.start()
    try:
        response = infer(ask, {**X, "shape": [10**9, 2]}, K)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert response.status == 400
    assert peak < 100_000
    empty = infer(ask, {**X, "shape": [10**9, 0], "data": []}, K)
    assert "does not fit the model's [-1, 2]" in error(empty)


def test_an_empty_tensor_may_not_be_large(add_model: AddModel, repository: ModelRepository) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (float[N, T] x) => (float[N] y)
        { axes = Constant <value = int64[1] {1}> ()  y = ReduceSum <keepdims = 0> (x, axes) }
    """)
    service = InferenceService(repository)

    def ask_for(rows: int) -> Response:
        tensor = {"name": "x", "shape": [rows, 0], "datatype": "FP32", "data": []}
        return service.handle(Request("POST", "/v2/models/m/infer", body=json.dumps({"inputs": [tensor]}).encode()))

    assert json.loads(ask_for(3).body)["outputs"][0]["data"] == [0, 0, 0]
    assert "is empty but large; its other dimensions may multiply to 65,536" in error(ask_for(30_000_000))


PAIR = """
    <ir_version: 10, opset_import: ["": 21]>
    g (float[N] a, float[N] b, int64[M] i) => (float[N] sum, float[M] picked) { sum = Add(a, b)  picked = Gather(a, i) }
"""


@pytest.mark.parametrize(
    ("a", "b", "i", "says"),
    [
        ([1, 2], [1, 2, 3], [0], "input 'b': dimension N is 3, but input 'a' has 2"),
        ([1, 2], [1, 2], [7], "model 'm' refused its inputs: indices element out of data bounds"),
    ],
)
def test_inputs_that_do_not_go_together_are_400(
    add_model: AddModel, repository: ModelRepository, a: list[int], b: list[int], i: list[int], says: str
) -> None:
    add_model(PAIR)
    inputs = [
        {"name": name, "shape": [len(data)], "datatype": datatype, "data": data}
        for name, datatype, data in (("a", "FP32", a), ("b", "FP32", b), ("i", "INT64", i))
    ]
    request = Request("POST", "/v2/models/m/infer", body=json.dumps({"inputs": inputs}).encode())

    response = InferenceService(repository).handle(request)

    assert response.status == 400
    assert says in error(response)


def test_an_input_of_unknown_rank_takes_any(add_model: AddModel, repository: ModelRepository) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (float x) => (float y) { y = Identity(x) }
    """)
    service = InferenceService(repository)

    deep = {"name": "x", "shape": [1] * 65, "datatype": "FP32", "data": [1]}
    refused = service.handle(Request("POST", "/v2/models/m/infer", body=json.dumps({"inputs": [deep]}).encode()))
    assert refused.status == 400

    for shape, data in (([], [3.0]), ([2], [1.0, 2.0])):
        tensor = {"name": "x", "shape": shape, "datatype": "FP32", "data": data}
        response = service.handle(Request("POST", "/v2/models/m/infer", body=json.dumps({"inputs": [tensor]}).encode()))
        (output,) = json.loads(response.body)["outputs"]
        assert (output["shape"], output["data"]) == (shape, data)
