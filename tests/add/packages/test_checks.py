"""A package whose outputs change from run to run, or are no numbers, is refused; nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import pytest

from despliegue.errors import DespliegueError
from despliegue_cli.packages.checks import check_outputs
from despliegue_cli.proof.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

X = np.array([[1, 2], [-1, 3], [0, 0], [-2, 5]], np.float32)


@pytest.fixture
def package(tmp_path: Path) -> Callable[[str], Path]:
    """A package of the graph `(float[N, 2] x) => (float[N, …] y) { … }`."""

    def make(body: str, kind: str = "float") -> Path:
        text = f'<ir_version: 10, opset_import: ["": 21]> m (float[N, 2] x) => ({kind}[N, K] y) {{ {body} }}'
        onnx.save(onnx.parser.parse_model(text), tmp_path / "model.onnx")
        return tmp_path

    return make


def rows(made_up: list[bool]) -> Rows:
    places = tuple(f"row {number}" for number in range(1, len(made_up) + 1))
    return Rows({"x": X}, places, np.array(made_up))


SAMPLE = rows([False] * 4)


@pytest.mark.parametrize(
    ("body", "operator"),
    [
        ("a = RandomNormalLike(x)\n y = Add(x, a)", "RandomNormalLike"),
        ("a = RandomUniform <shape = [1, 2]> ()\n y = Add(x, a)", "RandomUniform"),
        ("a = RandomNormal <shape = [1, 2], seed = 3.0> ()\n y = Add(x, a)", "RandomNormal"),
        ("a = Sigmoid(x)\n y = Bernoulli(a)", "Bernoulli"),
        (
            "r = Constant <value = float {0.5}> ()\n t = Constant <value = bool {1}> ()\n y = Dropout(x, r, t)",
            "Dropout in training mode",
        ),
    ],
)
def test_outputs_that_differ_from_run_to_run_are_refused_and_the_operator_named(
    body: str, operator: str, package: Callable[[str], Path]
) -> None:
    folder = package(body)
    many = {"x": np.repeat(X, 50, axis=0)}  # or two draws might be the same by chance
    with pytest.raises(DespliegueError, match=f"'y'; the graph draws random numbers \\({operator}\\)"):
        check_outputs(folder, None, many)


def test_dropout_outside_of_training_is_no_matter(package: Callable[[str], Path]) -> None:
    check_outputs(package("y = Dropout(x)"), SAMPLE, {"x": X})


def test_nan_for_rows_of_the_sample_is_refused_naming_output_and_rows(package: Callable[[str], Path]) -> None:
    with pytest.raises(
        DespliegueError, match=r"output 'y' is NaN for 2 of the sample's 4 rows: row 2, row 4\. .*impute"
    ):
        check_outputs(package("y = Sqrt(x)"), SAMPLE, {"x": X})


def test_nan_for_made_up_rows_is_no_matter(package: Callable[[str], Path]) -> None:
    check_outputs(package("y = Sqrt(x)"), rows([False, True, False, True]), {"x": X})
    check_outputs(package("y = Sqrt(x)"), None, {"x": X})


def test_infinity_is_a_number(package: Callable[[str], Path]) -> None:
    check_outputs(package("y = Reciprocal(x)"), SAMPLE, {"x": X})


def test_texts_are_compared_too(package: Callable[..., Path]) -> None:
    check_outputs(package("y = Cast <to = 8> (x)", "string"), SAMPLE, {"x": X})
