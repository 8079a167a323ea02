"""Small graphs, and inputs for them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

from despliegue.models import Model, SessionSettings
from despliegue_cli.packages.improve import Improvements

type Save = Callable[..., Path]
type Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]

OPTIMIZED = "optimised by ONNX Runtime (EXTENDED)"

NETWORK = """
    <ir_version: 10, opset_import: ["": 21]>
    network (float[N, 3, 16, 16] image, float[N, 4] x) => (float[N, 5] y, float[N, 8] hidden) {
        c = Conv <pads = [1, 1, 1, 1]> (image, kernel)
        n = BatchNormalization (c, scale, shift, mean, variance)
        r = Relu (n)
        p = GlobalAveragePool (r)
        f = Flatten (p)
        same = Identity (f)
        both = Concat <axis = 1> (same, x)
        m = MatMul (both, first)
        h = Add (m, bias)
        inner = Relu (h)
        hidden = Identity (inner)
        g = MatMul (inner, second)
        a = Add (g, bias_again)
        y = Softmax (a)
        dead = Exp (g)
        deader = Neg (dead)
    }
"""
WIDE = """
    <ir_version: 10, opset_import: ["": 21]>
    wide (float[N, 3, 16, 16] image, float[N, 4] x) => (float[N, 400] y) { y = MatMul(x, w) }
"""
SHAPES = {
    "kernel": (8, 3, 3, 3),
    **dict.fromkeys(("scale", "shift", "mean", "variance"), (8,)),
    "first": (12, 8),
    "bias": (8,),
    "second": (8, 5),
    "bias_again": (5,),
    "unused": (20, 20),
}


def weights(shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    draw = np.random.default_rng(0)
    return {name: draw.uniform(0.1, 1, shape).astype(np.float32) for name, shape in shapes.items()}


def network() -> onnx.ModelProto:
    """Convolution, batch normalisation, dense layers; dead nodes, Identity nodes, weights that are there twice."""
    found = weights(SHAPES)
    found["shift"] = found["scale"].copy()
    return graph(NETWORK, found)


def graph(text: str, constants: Mapping[str, Any]) -> onnx.ModelProto:
    model = onnx.parser.parse_model(text)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    return model


def images(rows: int = 30) -> Arrays:
    draw = np.random.default_rng(1)
    image = draw.normal(size=(rows, 3, 16, 16)).astype(np.float32)
    return {"image": image, "x": draw.normal(size=(rows, 4)).astype(np.float32)}


def answers(folder: Path, arrays: Arrays) -> dict[str, list[Any]]:
    model = Model.load(folder, "m", "1", SessionSettings())
    names = list(model.signature.outputs)
    return {name: array.tolist() for name, array in zip(names, model.run(arrays, names), strict=True)}


def kept(found: Improvements) -> set[str]:
    return {step.name for step in found.steps if step.kept}
