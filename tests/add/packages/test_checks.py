"""A package whose outputs change from run to run, or are no numbers, is refused; nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import pytest

from despliegue.errors import DespliegueError
from despliegue.models import Model, SessionSettings
from despliegue_cli.packages import checks
from despliegue_cli.packages.checks import check_outputs
from despliegue_cli.proof.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    type Check = Callable[..., None]

X = np.array([[1, 2], [-1, 3], [0, 0], [-2, 5]], np.float32)


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Checks the graph `(float[N, 2] x) => (float[N, …] y) { … }`, of whose four rows some are made up."""

    def run(body: str, made_up: tuple[int, ...] = (), kind: str = "float", functions: str = "") -> None:
        opsets = '"": 21, "local": 1'
        text = (
            f"<ir_version: 10, opset_import: [{opsets}]> m (float[N, 2] x) => ({kind}[N, K] y) {{ {body} }} {functions}"
        )
        onnx.save(onnx.parser.parse_model(text), tmp_path / "model.onnx")
        model = Model.load(tmp_path, "m", "1", SessionSettings())
        places = tuple(f"row {number}" for number in range(1, 5))
        check_outputs(model, tmp_path, Rows({"x": X}, places, np.isin(range(4), made_up)), {"x": X})

    return run


TRAINED = "r = Constant <value = float {0.5}> ()\n t = Constant <value = bool {1}> ()"
NOT_TRAINED = TRAINED.replace("{1}", "{0}")


@pytest.mark.parametrize(
    ("body", "operator"),
    [
        ("a = RandomNormalLike(x)\n y = Add(x, a)", "RandomNormalLike"),
        ("a = RandomUniform <shape = [1, 2]> ()\n y = Add(x, a)", "RandomUniform"),
        ("a = RandomNormal <shape = [1, 2], seed = 3.0> ()\n y = Add(x, a)", "RandomNormal"),
        ("a = Sigmoid(x)\n y = Bernoulli(a)", "Bernoulli"),
        (f"{TRAINED}\n y = Dropout(x, r, t)", "Dropout in training mode"),
        # Noise before a threshold that no row is near.
        (
            "n = RandomNormalLike <scale = 0.0001> (x)\n s = Add(x, n)\n t = Constant <value = float {0.37}> ()\n"
            "g = Greater(s, t)\n y = Cast <to = 1> (g)",
            "RandomNormalLike",
        ),
        (
            "t = Constant <value = bool {0}> ()\n y = If (t) <then_branch = a () => (float[N, K] b)"
            " { b = RandomUniformLike(x) }, else_branch = c () => (float[N, K] d) { d = Identity(x) }>",
            "RandomUniformLike",
        ),
    ],
)
def test_a_graph_that_draws_random_numbers_is_refused_and_the_operator_named(
    body: str, operator: str, check: Check
) -> None:
    with pytest.raises(DespliegueError, match=f"draws random numbers \\({operator}\\)"):
        check(body)


def test_a_draw_in_a_function_is_found_and_its_dropout_judged_by_what_it_is_given(check: Check) -> None:
    function = '<domain: "local", opset_import: ["": 21]> F (x, r, t) => (y) { y = Dropout(x, r, t) }'
    with pytest.raises(DespliegueError, match="Dropout in training mode"):
        check(f"{TRAINED}\n y = local.F(x, r, t)", functions=function)

    check(f"{NOT_TRAINED}\n y = local.F(x, r, t)", functions=function)


@pytest.mark.parametrize(
    "body",
    [
        "y = Dropout(x)",
        f"{NOT_TRAINED}\n y = Dropout(x, r, t)",
        f"{NOT_TRAINED}\n same = Identity(t)\n y = Dropout(x, r, same)",
        "noise = RandomNormalLike(x)\n more = Neg(noise)\n y = Identity(x)",
    ],
)
def test_dropout_outside_of_training_and_what_no_output_needs_are_no_matter(body: str, check: Check) -> None:
    check(body)


def test_outputs_that_differ_for_any_other_reason_are_refused(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_random_operators", lambda folder: ())
    with pytest.raises(DespliegueError, match="differ from one run to the next: 'y'"):
        check("a = RandomNormalLike(x)\n y = Add(x, a)")


def test_nan_for_rows_of_the_sample_is_refused_naming_output_and_rows(check: Check) -> None:
    with pytest.raises(
        DespliegueError, match=r"output 'y' is NaN for 2 of the sample's 4 rows: row 2, row 4\. .*impute"
    ):
        check("y = Sqrt(x)")


def test_nan_for_made_up_rows_is_no_matter(check: Check) -> None:
    check("y = Sqrt(x)", made_up=(1, 3))


def test_infinity_is_a_number(check: Check) -> None:
    check("y = Reciprocal(x)")


def test_texts_are_compared_too(check: Check) -> None:
    check("y = Cast <to = 8> (x)", kind="string")
