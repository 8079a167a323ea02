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
    """Make sure that labels are equal but for ties, and numbers as near as they must be; gives how near they are.

    A number may be apart by the case's tolerance of itself, and of the median of its column: a rule of its own, and not
    that of `add`, which is tested here too.
    """
    assert list(came) == list(expected)
    worst = 0.0
    for name, wanted in expected.items():
        assert came[name].shape == wanted.shape, name
        if wanted.dtype.kind == "f":
            apart, near = np.abs(came[name] - wanted), np.abs(wanted) + np.median(np.abs(wanted), axis=0)
            worst = float(np.divide(apart, near, out=np.zeros_like(apart), where=apart > 0).max())
            assert worst <= case.tolerance, name
        else:
            rows = np.flatnonzero(came[name] != wanted).tolist()
            differ = [row for row in rows if not is_tie(row, came[name], expected)]
            assert not differ, f"{len(differ)} of {len(wanted)} labels"
    return worst


def is_tie(row: int, came: Array, expected: Outputs) -> bool:
    """Whether the two labels of a row, that which came and the original's, are as good as equal."""
    labels, (kind, numbers) = expected["label"], next(item for item in expected.items() if item[0] != "label")
    if numbers.ndim == 1:
        return bool(abs(numbers[row]) < TIE)
    # scikit-learn's classes are sorted, and each is some row's.
    classes = np.unique(labels).tolist()
    one, other = (numbers[row][classes.index(each)] for each in (came[row], labels[row]))
    best = numbers[row].min() if kind == "distances" else numbers[row].max()
    return bool(max(abs(one - best), abs(other - best)) < TIE)
