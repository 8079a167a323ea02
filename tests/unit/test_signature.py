"""Signatures are read off the ONNX graph."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from despliegue.errors import NotSupported
from despliegue.models import ModelRepository

type AddModel = Callable[..., Path]


def test_names_types_and_dimensions_are_the_graphs(add_model: AddModel, repository: ModelRepository) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (float[N, 3] a, int64[2] b, string[?, 1] c) => (double[N, 3] x, int64[2] y, string[?, 1] z)
        { x = Cast <to = 11> (a)  y = Identity(b)  z = Identity(c) }
    """)

    signature = repository.get("m").signature

    assert {name: (spec.datatype.name, spec.shape) for name, spec in signature.inputs.items()} == {
        "a": ("FP32", (-1, 3)),
        "b": ("INT64", (2,)),
        "c": ("BYTES", (-1, 1)),
    }
    assert {name: (spec.datatype.name, spec.shape) for name, spec in signature.outputs.items()} == {
        "x": ("FP64", (-1, 3)),
        "y": ("INT64", (2,)),
        "z": ("BYTES", (-1, 1)),
    }


def test_an_input_with_an_initialiser_is_optional(add_model: AddModel, repository: ModelRepository) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (float[N] x, float[1] scale = {2.0}) => (float[N] y) { y = Mul(x, scale) }
    """)

    model = repository.get("m")

    assert model.signature.required == ("x",)
    assert model.signature.inputs["scale"].optional
    assert model.run({"x": np.ones(2, np.float32)}, ["y"])[0].tolist() == [2.0, 2.0]


def test_a_type_that_the_protocol_cannot_express_is_refused_by_name(
    add_model: AddModel, repository: ModelRepository
) -> None:
    add_model("""
        <ir_version: 10, opset_import: ["": 21]>
        g (seq(float[N]) x) => (float[N] y) { i = Constant <value_int = 0> ()  y = SequenceAt(x, i) }
    """)

    with pytest.raises(NotSupported, match=r"'x' is of type seq\(tensor\(float\)\)") as caught:
        repository.get("m")

    assert caught.value.subject == "x"
