"""Every model of the matrix is added, proven and served, and over HTTP predicts what its original does."""

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from tests.add.matrix.cases import Case, Outputs
from tests.add.matrix.conftest import CASES, Matrix, model_name, records
from tests.add.matrix.tables import known

from despliegue.models.model import Array

TIE = 1e-6
REQUEST_ROWS = 500


@pytest.mark.parametrize("name", CASES)
def test_a_model_predicts_over_http_what_its_original_does(
    name: str, matrix: Matrix, record_property: Callable[[str, object], None]
) -> None:
    case = CASES[name]
    assert matrix.added[name].result().proof is not None
    asked = records(case.rows)
    assert len(asked) >= 2_000

    replies: list[Any] = []
    with httpx.Client(base_url=matrix.url, timeout=60) as client:
        for start in range(0, len(asked), REQUEST_ROWS):
            instances = asked[start : start + REQUEST_ROWS]
            reply = client.post(f"/v1/models/{model_name(name)}:predict", json={"instances": instances})
            assert reply.is_success, reply.text
            replies += reply.json()["predictions"]

    expected = case.ask(matrix.originals[name], case.given(case.rows))
    record_property("difference", compare(outputs_of(replies), expected, case))


@pytest.mark.parametrize("name", ["mixed columns with nulls", "logistic regression"])
def test_the_open_inference_protocol_gives_the_same(name: str, matrix: Matrix) -> None:
    matrix.added[name].result()
    case = CASES[name]
    rows = known() if name.startswith("mixed") else case.rows
    url = f"{matrix.url}/v2/models/{model_name(name)}"
    inputs = []
    for given in httpx.get(url).json()["inputs"]:
        values = rows[[given["name"]]] if given["name"] in rows else rows
        data = values.to_numpy().ravel().tolist()
        inputs.append({"name": given["name"], "datatype": given["datatype"], "shape": list(values.shape), "data": data})

    reply = httpx.post(f"{url}/infer", json={"inputs": inputs}, timeout=60)

    assert reply.is_success, reply.text
    came = {each["name"]: np.array(each["data"]).reshape(each["shape"]) for each in reply.json()["outputs"]}
    compare(came, case.ask(matrix.originals[name], rows), case)


def outputs_of(predictions: list[Any]) -> Outputs:
    """The outputs of a V1 reply, by name."""
    if not isinstance(predictions[0], dict):
        return {"prediction": np.array(predictions)}
    outputs: Outputs = {}
    for name, first in predictions[0].items():
        values = [each[name] for each in predictions]
        if isinstance(first, dict):  # a probability by class, in the order of the classes
            values = [list(each.values()) for each in values]
        outputs[name] = np.array(values)
    return outputs


def compare(came: Outputs, expected: Outputs, case: Case) -> float:
    """Make sure that labels are equal but for ties, and numbers as near as they must be; gives how near they are."""
    assert list(came) == list(expected)
    worst = 0.0
    for name, wanted in expected.items():
        assert came[name].shape == wanted.shape, name
        if wanted.dtype.kind == "f":
            worst = float(np.abs(came[name] - wanted).max() / np.abs(wanted).max())
            assert worst <= case.tolerance, name
        else:
            differ = (came[name] != wanted) & ~ties(expected)
            assert not differ.any(), f"{differ.sum()} of {len(wanted)} labels"
    return worst


def ties(outputs: Outputs) -> Array:
    """The rows whose two best probabilities or scores are as good as equal."""
    numbers = next(array for array in outputs.values() if array.dtype.kind == "f")
    if numbers.ndim == 1:
        near: Array = np.abs(numbers) < TIE
        return near
    best = np.sort(numbers, axis=1)[:, -2:]
    tied: Array = best[:, 1] - best[:, 0] < TIE
    return tied
