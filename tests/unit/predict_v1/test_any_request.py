"""Any document under any model is answered, or refused as the caller's mistake."""

import json
from typing import Any

import onnx
import onnx.parser
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.predict_v1.conftest import BIRD, IDENTITY, IMAGES, ONE_COLUMN, SHIPPED, TENSORS, TYPES

from despliegue.http import InferenceService, Request
from despliegue.models import ModelRepository

DOCUMENTS: Any = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.sampled_from([1, 2.5, "a"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(st.lists(inner, min_size=2, max_size=2), max_size=3),
        st.dictionaries(
            st.sampled_from([*BIRD, "ids", "mask", "kind", "image", "x", *"biuds", "?"]), inner, max_size=6
        ),
    ),
    max_leaves=20,
)
REQUESTS = st.dictionaries(st.sampled_from(["instances", "inputs"]), DOCUMENTS, max_size=2)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelRepository]:
    """Models of every form, by name, each in a repository that has it."""
    added = ModelRepository(tmp_path_factory.mktemp("models"))
    texts = {"matrix": IDENTITY, "column": ONE_COLUMN, "images": IMAGES, "tensors": TENSORS, "types": TYPES}
    for name, text in texts.items():
        (added.root / name / "1").mkdir(parents=True)
        onnx.save(onnx.parser.parse_model(text), added.root / name / "1" / "model.onnx")
    return dict.fromkeys(["breast-cancer", "penguins"], SHIPPED) | dict.fromkeys(texts, added)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_request_is_our_fault(models: dict[str, ModelRepository], data: st.DataObject) -> None:
    """Given any document under any model, then it is answered or refused as the caller's mistake."""
    name = data.draw(st.sampled_from(sorted(models)))
    body = json.dumps(data.draw(REQUESTS)).encode()

    response = InferenceService(models[name]).handle(Request("POST", f"/v1/models/{name}:predict", body=body))

    assert response.status in (200, 400), response
    assert len(response.body) < 1000 or response.status == 200
    assert set(json.loads(response.body)) == {"predictions" if response.status == 200 else "error"}
