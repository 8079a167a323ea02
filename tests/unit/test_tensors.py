"""JSON data ↔ arrays: the fast and the careful way give the same numbers, and mistakes are named."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from despliegue.errors import InvalidRequest
from despliegue.models import DATATYPES
from despliegue.protocols import tensors
from despliegue.protocols.document import parse_object


def decode(text: str, datatype: str, *shape: int) -> np.ndarray[Any, Any]:
    data = parse_object(f'{{"data": {text}}}'.encode())["data"]
    return tensors.decode(data, DATATYPES[datatype], shape, "x")[0]


IN_JSON = sorted(name for name, datatype in DATATYPES.items() if datatype.in_json)


@pytest.mark.parametrize("datatype", IN_JSON)
def test_flat_and_nested_data_are_the_same_array(datatype: str) -> None:
    flat, nested = {
        "BOOL": ("[true, false, true, true]", "[[true, false], [true, true]]"),
        "BYTES": ('["a", "", "ñ", "[1]"]', '[["a", ""], ["ñ", "[1]"]]'),
    }.get(datatype, ("[1, 0, 3, 4]", "[[1, 0], [3, 4]]"))

    array = decode(flat, datatype, 2, 2)

    assert array.dtype == DATATYPES[datatype].dtype
    assert array.shape == (2, 2)
    assert array.tolist() == decode(nested, datatype, 2, 2).tolist() == json.loads(nested)


def test_null_is_nan_and_numbers_beyond_double_are_infinite() -> None:
    array = decode("[null, 1e999, -1e999, 0.5]", "FP32", 4)

    assert np.isnan(array[0])
    assert array[1:].tolist() == [math.inf, -math.inf, 0.5]


def test_integers_may_be_written_as_floats_and_are_exact_to_the_last_bit() -> None:
    assert decode("[3.0, -1]", "INT8", 2).tolist() == [3, -1]
    assert decode(f"[{2**63 - 1}, {-(2**63)}]", "INT64", 2).tolist() == [2**63 - 1, -(2**63)]
    assert decode(f"[{2**64 - 1}]", "UINT64", 1).tolist() == [2**64 - 1]


def test_empty_tensors_need_no_values() -> None:
    assert decode("[]", "FP32", 0, 30).shape == (0, 30)
    assert decode("[[], []]", "INT64", 2, 0).shape == (2, 0)


@pytest.mark.parametrize(
    ("text", "datatype", "shape", "says"),
    [
        ("[1, 2, 3]", "FP32", (2, 2), "shape [2, 2] does not fit its data: it needs 4 values, data has 3"),
        ("[]", "FP32", (10**6, 10**6), "it needs 1000000000000 values, data has 0"),
        ("[[1, 2], [3]]", "FP32", (2, 2), "at depth 2 there is an array of 1 items, not 2"),
        ("[[1, 2, 3], [4]]", "FP32", (2, 2), "at depth 2 there is an array of 1 items, not 2"),
        ("[[1, 2], 3]", "FP32", (2, 2), "at depth 2 there is a value where an array belongs"),
        ('[["a"], "b"]', "BYTES", (2, 1), "at depth 2 there is a value where an array belongs"),
        ("[[1, 2]]", "FP32", (2, 1), "at depth 1 there is an array of 1 items, not 2"),
        ("[1, [2]]", "INT8", (2,), "value 1 is an array; INT8 expects an integer"),
        ('[1, "2"]', "FP32", (2,), "value 1 is '2'; FP32 expects a number or null"),
        ("[true]", "FP32", (1,), "value 0 is true; FP32 expects a number or null"),
        ("[false]", "INT32", (1,), "value 0 is false; INT32 expects an integer"),
        ("[null]", "INT32", (1,), "value 0 is null; INT32 expects an integer"),
        ("[1.5]", "INT32", (1,), "value 0 is 1.5; INT32 expects an integer"),
        ("[1e999]", "INT32", (1,), "value 0 is Infinity; INT32 expects an integer"),
        ("[1]", "BOOL", (1,), "value 0 is 1; BOOL expects true or false"),
        ("[1]", "BYTES", (1,), "value 0 is 1; BYTES expects a string"),
        ("[null]", "BYTES", (1,), "value 0 is null; BYTES expects a string"),
        ("[{}]", "FP32", (1,), "value 0 is an object; FP32 expects a number or null"),
        ("[127, 128]", "INT8", (2,), "value 1 is 128, which is out of the range of INT8"),
        ("[-1]", "UINT8", (1,), "value 0 is -1, which is out of the range of UINT8"),
        (f"[{2**63}]", "INT64", (1,), f"value 0 is {2**63}, which is out of the range of INT64"),
        (f"[{2**64}]", "UINT64", (1,), f"value 0 is {2**64}, which is out of the range of UINT64"),
        ("[1, 1e39]", "FP32", (2,), "value 1 is 1e+39, which is out of the range of FP32"),
        ("[null, -70000]", "FP16", (2,), "value 1 is -70000, which is out of the range of FP16"),
        ("[" + "9" * 400 + "]", "FP64", (1,), "which is out of the range of FP64"),
        ("3", "FP32", (1,), "data is a number; expected an array"),
        ('"[1]"', "FP32", (1,), "data is a string; expected an array"),
        ('{"0": 1}', "FP32", (1,), "data is an object; expected an array"),
        ("null", "FP32", (1,), "data is null; expected an array"),
    ],
)
def test_a_mistake_is_named(text: str, datatype: str, shape: tuple[int, ...], says: str) -> None:
    data = parse_object(f'{{"data": {text}}}'.encode())["data"]

    with pytest.raises(InvalidRequest) as caught:
        # What the fast way cannot see, the count of arrays over the whole body sends on to the careful one.
        tensors.decode_carefully(data, DATATYPES[datatype], shape, "x")

    assert says in str(caught.value)
    assert "'x'" in str(caught.value)
    assert caught.value.subject == "x"


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(json.dumps(["secret" * 1000]), "FP32", 1)

    assert len(str(caught.value)) < 120


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), max_size=20))
def test_float32_survives_json_to_the_last_bit(values: list[float]) -> None:
    array = np.array(values, np.float32)

    text = tensors.dumps(tensors.encode(array)).decode()

    np.testing.assert_array_equal(decode(text, "FP32", len(values)), array)


NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.none())


@given(st.lists(NUMBERS, min_size=1, max_size=6), st.sampled_from(sorted(DATATYPES)), st.booleans())
def test_both_ways_agree(values: list[Any], datatype: str, nested: bool) -> None:
    """Whatever the fast way accepts, the careful way reads as the same array; what one refuses, so does the other."""
    shape = (len(values), 1) if nested else (len(values),)
    text = json.dumps([[value] for value in values] if nested else values)

    def outcome(way: Any) -> Any:
        try:
            result = way(parse_object(f'{{"data": {text}}}'.encode())["data"], DATATYPES[datatype], shape, "x")
        except InvalidRequest as error:
            return str(error)
        array = result[0] if isinstance(result, tuple) else result
        return array.dtype, array.shape, array.tobytes()

    assert outcome(tensors.decode) == outcome(tensors.decode_carefully)


def test_every_output_type_is_written() -> None:
    for name in IN_JSON:
        datatype = DATATYPES[name]
        array = np.array(["a", "ñ"] if name == "BYTES" else [0, 1], datatype.dtype)

        text = tensors.dumps(tensors.encode(array))

        assert json.loads(text) == array.tolist(), name


def test_nan_is_written_as_null_and_infinity_as_a_number_beyond_double() -> None:
    array = np.array([[np.nan, np.inf], [-np.inf, 1.5]])

    text = tensors.dumps(tensors.encode(array))

    assert text == b"[null,1e999,-1e999,1.5]"
    assert json.loads(text) == [None, math.inf, -math.inf, 1.5]


def test_arrays_that_are_not_contiguous_are_written_in_row_major_order() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T

    assert tensors.dumps(tensors.encode(array)) == b"[0.0,3.0,1.0,4.0,2.0,5.0]"
