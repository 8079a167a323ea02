"""scikit-learn's PowerTransformer as ONNX: in double, and a missing value stays one, which the stock one loses."""

from typing import Any

import numpy as np

from despliegue.models.model import Array
from despliegue_cli.convert.onnx_steps import Steps


def convert_power(scope: Any, operator: Any, container: Any) -> None:
    """Write a PowerTransformer."""
    transformer, steps = operator.raw_operator, Steps(scope, operator, container)
    lambdas = np.asarray(transformer.lambdas_, np.float64)
    one = steps.constant(1, steps.dtype)
    x = steps.matrix()
    if transformer.method == "box-cox":
        x = _powers(steps, x, lambdas)
    else:
        # Of the two branches the one that is not taken may be no number.
        above = _powers(steps, steps.add("Add", x, one), lambdas)
        below = steps.add("Neg", _powers(steps, steps.add("Sub", one, x), 2 - lambdas))
        x = steps.add("Where", steps.add("Less", x, steps.constant(0, steps.dtype)), below, above)
    if transformer.standardize:
        scaler = transformer._scaler
        x = steps.add("Sub", x, steps.constant(scaler.mean_, steps.dtype))
        x = steps.add("Div", x, steps.constant(scaler.scale_, steps.dtype))
    steps.finish([x])


def _powers(steps: Steps, base: str, exponents: Array) -> str:
    """(base^exponent - 1) / exponent; for an exponent of 0 its limit, the logarithm."""
    is_zero = exponents == 0
    power = steps.add("Pow", base, steps.constant(exponents, steps.dtype))
    shifted = steps.add("Sub", power, steps.constant(1, steps.dtype))
    scaled = steps.add("Div", shifted, steps.constant(np.where(is_zero, 1, exponents), steps.dtype))
    if not is_zero.any():
        return scaled
    return steps.add("Where", steps.constant(is_zero), steps.add("Log", base), scaled)
