"""`/invocations` takes a `.npy` file for a model of one input."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.bodies import graph

from despliegue.models.manifest import Feature, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from despliegue.http import InferenceService, Response

    type AddModel = Callable[..., Path]
    type Invoke = Callable[..., Response]

NPY = "application/x-npy"
ROWS = np.random.default_rng(0).uniform(0, 30, (5, 30))


MATRIX = graph("(float[N, 2] x) => (float[N, 2] y)", "y = Identity(x)")
COLUMN = graph("(int8[N] x) => (int8[N] y)", "y = Identity(x)")
IMAGES = graph("(uint8[N, 2, 2] x) => (uint8[N, 2, 2] y)", "y = Identity(x)")
FLAGS = graph("(bool[N, K] x) => (bool[N, K] y)", "y = Identity(x)")


def npy(array: Any, version: tuple[int, int] = (1, 0)) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), version=version)
    return file.getvalue()


def header(text: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + data


def error(response: Response, status: int = 400) -> str:
    document = json.loads(response.body)
    assert response.status == status, document
    message: str = document["error"]
    return message


@pytest.mark.parametrize(
    "body",
    [
        npy(ROWS),
        npy(ROWS, (2, 0)),
        npy(np.asfortranarray(ROWS)),
        npy(ROWS.astype(">f8")),
        npy(ROWS.astype(np.longdouble)),
    ],
)
def test_rows_give_what_json_gives(invoke: Invoke, body: bytes) -> None:
    response = invoke(body, "breast-cancer", NPY)

    assert response.status == 200, response.body
    assert response.body == invoke({"instances": ROWS.tolist()}, "breast-cancer").body
    assert response.outcome.rows == 5


@pytest.mark.parametrize(
    ("text", "array", "instances"),
    [
        (MATRIX, np.array([[1, 2], [3, np.nan]], np.float16), [[1, 2], [3, None]]),
        (MATRIX, np.array([[1, 2]]), [[1, 2]]),
        (MATRIX, np.empty((0, 2)), []),
        (COLUMN, np.array([1, -128]), [1, -128]),
        (COLUMN, np.array([1.0, -128.0]), [1, -128]),
        (IMAGES, np.array([[[0, 255], [1, 2]]], np.uint8), [[[0, 255], [1, 2]]]),
        (IMAGES, np.array([[[0, 255], [1, 2]]], np.int64), [[[0, 255], [1, 2]]]),
        (FLAGS, np.array([[True, False]]), [[True, False]]),
    ],
)
def test_numbers_of_any_type_are_taken_as_json_is(
    add_model: AddModel, invoke: Invoke, text: str, array: Any, instances: Any
) -> None:
    add_model(text)

    response = invoke(npy(array), "m", NPY)

    assert response.status == 200, response.body
    assert response.body == invoke({"instances": instances}, "m").body


@pytest.mark.parametrize(
    ("text", "body", "says"),
    [
        (MATRIX, b"", "the body is empty; expected a npy file"),
        (MATRIX, b"PK\3\4", "the body is not a npy file of version 1.0 or 2.0"),
        (MATRIX, npy([[1, 2]])[:9], "the body is not a npy file"),
        (MATRIX, b"\x93NUMPY\x09\x00" + bytes(9), "the body is not a npy file"),
        (MATRIX, header("(" * 5000), "the body is not a npy file"),
        (MATRIX, header("{'descr': '<f8', 'fortran_order': False, 'shape': (1e9, 2)}"), "the body is not a npy file"),
        (
            MATRIX,
            header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 2)}"),
            "needs 16000000000 bytes",
        ),
        (MATRIX, header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -2)}", bytes(16)), "shape [-1, -2]"),
        (
            MATRIX,
            header("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1," * 70 + ")}", bytes(8)),
            "70 dimens",
        ),
        (FLAGS, header("{'descr': '|b1', 'fortran_order': False, 'shape': (1000000000, 0)}"), "is empty but large"),
        (
            FLAGS,
            header("{'descr': '|b1', 'fortran_order': False, 'shape': (%s, %s)}" % (("9" * 4000,) * 2)),
            "4,300 digits",
        ),
        (MATRIX, npy([[1, 2]]) + b"\0", "needs 16 bytes, but the body holds 17"),
        (MATRIX, npy([["a", "b"]]), "the array's dtype is '<U1'; expected numbers or booleans"),
        (MATRIX, npy([[1, 2, 3]]), "the array's shape [1, 3] does not fit the model's [-1, 2]"),
        (MATRIX, npy(3), "the array's shape [] does not fit"),
        (MATRIX, npy([[1, 1e39]]), "1e+39, which is out of the range of FP32"),
        (MATRIX, npy([[True, False]]), "FP32 expects a number or null"),
        (COLUMN, npy([1, 128]), "row 1: feature 'x' is 128, which is out of the range of INT8"),
        (COLUMN, npy([1.5]), "row 0: feature 'x' is 1.5; expected an integer"),
        (IMAGES, npy([[[0, 256], [0, 0]]]), "256, which is out of the range of UINT8"),
        (FLAGS, npy([[1, 0]]), "BOOL expects true or false"),
    ],
)
def test_what_does_not_fit_is_400(add_model: AddModel, invoke: Invoke, text: str, body: bytes, says: str) -> None:
    add_model(text)

    assert says in error(invoke(body, "m", NPY))


def test_no_pickle_is_read(add_model: AddModel, invoke: Invoke) -> None:
    add_model(MATRIX)
    file = io.BytesIO()
    np.save(file, np.array([[print, 1]], object), allow_pickle=True)

    assert "the array's dtype is 'object'; expected numbers" in error(invoke(file.getvalue(), "m", NPY))


def test_named_features_keep_their_rules(add_model: AddModel, invoke: Invoke) -> None:
    Manifest(features=(Feature("a"), Feature("b", missing="-1"))).write(add_model(MATRIX))

    assert invoke(npy([[1, np.nan]]), "m", NPY).body == b'{"predictions":[{"y":[1.0,-1.0]}]}'
    assert "row 1: feature 'a' is null; expected a number" in error(invoke(npy([[1, 2], [np.nan, 2]]), "m", NPY))
    assert "row 0: feature 'a' is true; expected a number" in error(invoke(npy([[True, False]]), "m", NPY))


def test_several_inputs_are_no_array(invoke: Invoke) -> None:
    assert "a npy body is one array, but the model has several inputs: 'island'" in error(
        invoke(npy([1]), "penguins", NPY)
    )


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_gets_an_answer(shipped: InferenceService, invoke: Invoke, data: st.DataObject) -> None:
    body = bytearray(npy(ROWS[:1]))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, 140))] = data.draw(st.integers(0, 255))

    assert invoke(bytes(body), "breast-cancer", NPY).status in (200, 400)
