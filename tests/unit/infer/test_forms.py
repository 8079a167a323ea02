"""Requests that differ in their numbers only are known again: each is answered as if it were the first of its kind."""

import json
import re
from typing import Any

import pytest
from tests.unit.infer.conftest import Ask, K, X

from despliegue.models import DATATYPES, Signature, TensorSpec
from despliegue.protocols import infer_form
from despliegue.protocols.infer_form import known_form

X_DATA = '{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2.5]}'
K_DATA = '{"name":"k","shape":[1],"datatype":"INT64","data":[7]}'
BODY = '{"inputs":[' + X_DATA + "," + K_DATA + "]}"

SIGNATURE = Signature({name: TensorSpec(name, DATATYPES["FP32"], (-1,)) for name in ("x", "k")}, {})

BODIES = [
    BODY,
    BODY.replace(",", " ,\n ").replace(":", "\t: "),
    BODY.replace("[1,2.5]", "[[1,2.5]]"),
    BODY.replace("[1,2.5]", "[[1,[2.5]]]"),
    BODY.replace("[1,2.5]", "[[[1],2.5]]"),
    BODY.replace("[1,2.5]", "[[[1,2.5]]]"),
    BODY.replace("[1,2.5]", "[[1],[2.5]]"),
    BODY.replace("[1,2.5]", "[ [1,2.5] ]"),
    BODY.replace("[1,2.5]", "[[1,2.5],]"),
    BODY.replace("[1,2.5]", "[[]]"),
    BODY.replace("[1,2.5]", '[["1","2"]]'),
    BODY.replace("[1,2.5]", "[[1,null]]"),
    BODY.replace("[7]", "[[7]]"),
    BODY.replace("[1,2.5]", "[[1,2.5]").replace('"FP32"', '"FP32" '),
    BODY.replace("[1,2.5]", "[1,[2.5]]"),
    BODY.replace("[1,2.5]", "[1,{}]"),
    BODY.replace("[1,2.5]", "[1,]"),
    BODY.replace("[1,2.5]", "[1 2.5]"),
    BODY.replace("[1,2.5]", "[01,2.5]"),
    BODY.replace("[1,2.5]", "[1,2.5,3]"),
    BODY.replace("[1,2.5]", '["1]","2"]'),
    BODY.replace("[1,2.5]", "[1,null]"),
    BODY.replace("[1,2.5]", "[1,1e39]"),
    BODY.replace("[1,2.5]", "[1,1e999]"),
    BODY.replace("[1,2.5]", "[1,NaN]"),
    BODY.replace("[1,2.5]", "[1,true]"),
    BODY.replace("[1,2.5]", "[]"),
    BODY.replace("[1,2.5]", "1"),
    BODY.replace("[7]", "[7.0]"),
    BODY.replace("[7]", "[7.5]"),
    BODY.replace("[7]", "[9223372036854775808]"),
    BODY.replace("[7]", "7"),
    BODY.replace("[7]}]}", "[7]}]"),
    BODY.replace("[7]}]}", "[7"),
    BODY + "]",
    BODY.replace('"data":[7]', '"data":[7],"data":[8]'),
    BODY.replace('"data":[7]', '"d\\u0061ta":[7]'),
    BODY.replace('"data":[7]', '"d\\u0061ta":[7],"parameters":{"data":[8]}'),
    BODY.replace('"data":[7]', '"parameters":{"data":[8]}'),
    BODY.replace('"data":[7]', '"data":[7],"parameters":{"data":[8]}'),
    BODY.replace('"data":[7]', '"data":[7],"x\\"data":[8]'),
    BODY.replace('"data":[7]', '"data":[7],"more":[[8]]'),
    BODY.replace('"data":[1,2.5]', '"more":[],"data":[1,[2.5]]'),
    BODY.replace('"name":"k"', '"name":"data"'),
    BODY.replace('"INT64"', '"INT32"'),
    BODY.replace("[1],", "[2],"),
    BODY.replace('{"inputs"', '{"id":"a:[1]","inputs"'),
    BODY.replace('{"inputs"', '{"id":"ñ","inputs"'),
    BODY.replace('{"inputs"', '{"id":"a\\"b","inputs"'),
    BODY.replace('{"inputs"', '{"id":"a","id":"b","inputs"'),
    BODY.replace('{"inputs"', '{"id":7,"inputs"'),
    BODY.replace('{"inputs"', '{"id":"","inputs"'),
    BODY.replace('{"inputs"', '{"id":null,"inputs"'),
    BODY.replace('{"inputs"', '{\n "id" : "a b" , "inputs"'),
    BODY.replace('{"inputs"', '{"id":"a","parameters":{"id":"b"},"inputs"'),
    BODY.replace('{"inputs"', '{"id":"","parameters":{"id":"b"},"inputs"'),
    BODY.replace('{"inputs"', '{"parameters":{"id":"b"},"id":"","inputs"'),
    BODY.replace('{"inputs"', '{"parameters":{"id":"b"},"inputs"'),
    BODY.replace('"name":"k"', '"name":"id"'),
    BODY.replace("]}]}", ']}],"more":[{"data":[1]},{"data":[]}]}'),
    BODY.replace("]}]}", ']}],"id":"last","outputs":[{"name":"same"}]}'),
    BODY.replace("]}]}", ']}],"outputs":[{"name":"same","data":[1]}]}'),
    '{"inputs":[' + X_DATA + "]}",
    '{"inputs":[]}',
    '{"data":[1,2]}',
    "[" + X_DATA + "]",
    "",
]


def answer(ask: Ask, body: str) -> tuple[int, bytes]:
    response = ask("POST", "/v2/models/m/infer", body.encode())
    return response.status, response.body


@pytest.mark.parametrize("body", BODIES)
def test_a_known_request_is_answered_as_one_that_is_read_whole(ask: Ask, body: str) -> None:
    # A key with a backslash in it is ignored, and by it the whole body is read.
    whole = body.replace("{", '{"\\u0078":0,', 1) if body.startswith("{") else body
    assert answer(ask, BODY)[0] == 200
    expected = answer(ask, whole)

    answers = {answer(ask, body) for _ in range(3)}

    assert len(answers) == 1
    ((status, text),) = answers
    assert status == expected[0]
    # Only a place in the text may differ.
    assert re.sub(rb"column \d+", b"", text) == re.sub(rb"column \d+", b"", expected[1])


def test_the_numbers_and_the_id_are_each_requests_own(ask: Ask) -> None:
    def doubled(number: float, request_id: str) -> Any:
        document = {"id": request_id, "inputs": [{**X, "data": [number, 1]}, K]}
        reply = json.loads(ask("POST", "/v2/models/m/infer", document).body)
        return reply["id"], reply["outputs"][0]["data"]

    assert [doubled(number, f"request {number}") for number in (1, 2, 3)] == [
        ("request 1", [2.0, 2.0]),
        ("request 2", [4.0, 2.0]),
        ("request 3", [6.0, 2.0]),
    ]


@pytest.mark.parametrize("ids", [("a", "b"), ("c", "d e:f"), ("", "ñ")])
def test_an_id_may_stand_anywhere(ask: Ask, ids: tuple[str, str]) -> None:
    for request_id in ids:
        document = {"inputs": [X, K], "id": request_id, "parameters": {"more": 1}}
        assert json.loads(ask("POST", "/v2/models/m/infer", document).body)["id"] == request_id


def test_what_is_cut_out_is_bounded_by_the_models_inputs(ask: Ask) -> None:
    many = '{"data":[]},' * 100_000
    body = BODY.replace("]}]}", ']}],"more":[' + many + "{}]}")

    assert answer(ask, body) == answer(ask, BODY)
    assert known_form(body.encode(), SIGNATURE) is None


def test_ids_leave_what_is_known_as_it_is(ask: Ask) -> None:
    before = infer_form._known.cache_info().currsize
    for number in range(20):
        answer(ask, BODY.replace('{"inputs"', f'{{"x":0,"id":"{number}","inputs"'))
    for number in range(20):
        answer(ask, BODY.replace('{"inputs"', f'{{"x":0,"id":"\\u00f1{number}","inputs"'))

    assert infer_form._known.cache_info().currsize <= before + 1


def test_a_reply_with_percent_signs_is_as_any_other(ask: Ask) -> None:
    reply = json.loads(ask("POST", "/v2/models/m/infer", {"id": "100 % b%b", "inputs": [X, K]}).body)

    assert reply["id"] == "100 % b%b"
    assert reply["outputs"][0]["data"] == [2.0, 5.0]


def test_binary_inputs_are_each_requests_own(ask: Ask) -> None:
    inputs = [
        {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
        {"name": "k", "shape": [1], "datatype": "INT64", "parameters": {"binary_data_size": 8}},
    ]
    header = json.dumps({"inputs": inputs, "outputs": [{"name": "same"}]}).encode()
    length = {"inference_header_content_length": str(len(header))}

    for number in (1, 2, 3):
        body = header + bytes(8) + number.to_bytes(8, "little")
        reply = json.loads(ask("POST", "/v2/models/m/infer", body, **length).body)
        assert reply["outputs"][0]["data"] == [number]
    for wrong in (bytes(15), bytes(17)):
        assert ask("POST", "/v2/models/m/infer", header + wrong, **length).status == 400


def test_models_of_one_name_do_not_share_what_is_known(ask: Ask) -> None:
    for version in ("1", "2", "1"):
        reply = json.loads(ask("POST", f"/v2/models/m/versions/{version}/infer", BODY.encode()).body)
        assert reply["model_version"] == version
