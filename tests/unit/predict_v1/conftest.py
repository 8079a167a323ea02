"""The models that V1 is asked of, and a request to them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from despliegue.http import InferenceService, Request, Response
from despliegue.models import ModelRepository

type AddModel = Callable[..., Path]
type Predict = Callable[..., Response]

ROOT = Path(__file__).parents[3]
SHIPPED = ModelRepository(ROOT / "layers" / "models")
CANCER, PENGUINS = SHIPPED.get("breast-cancer"), SHIPPED.get("penguins")
CANCER_NAMES = [feature.name for feature in CANCER.manifest.features]
CANCER_ROW: list[float] = CANCER.manifest.example["input"][0]
CANCER_RECORD = dict(zip(CANCER_NAMES, CANCER_ROW, strict=True))
BIRD: dict[str, Any] = {name: values[0][0] for name, values in PENGUINS.manifest.example.items()}
INCOMPLETE = {"island": "Biscoe", "bill_length_mm": None, "bill_depth_mm": 14.3, "flipper_length_mm": 215, "sex": None}


def graph(signature: str, body: str) -> str:
    return f'<ir_version: 10, opset_import: ["": 21]> g {signature} {{ {body} }}'


REGRESSOR = graph("(float[N, 2] x) => (float[N, 1] y)", "y = ReduceSum<keepdims=1>(x, axes)").replace(
    "{ y", "<int64[1] axes = {1}> { y"
)
IDENTITY = graph("(float[N, 2] x) => (float[N, 2] y)", "y = Identity(x)")
ONE_COLUMN = graph("(float[N] age) => (float[N] y)", "y = Identity(age)")
IMAGES = graph("(float[N, 2, 2] image) => (float[N, 2, 2] same)", "same = Identity(image)")
TENSORS = graph(
    "(int64[N, L] ids, int64[N, L] mask, int64[N] kind) => (int64[N, L] sum, int64[N] same)",
    "sum = Add(ids, mask)  same = Identity(kind)",
)
TYPES = graph(
    "(bool[N] b, int8[N] i, uint64[N] u, double[N] d, string[N] s)"
    " => (bool[N] ob, int8[N] oi, uint64[N] ou, double[N] od, string[N] os)",
    "ob = Identity(b)  oi = Identity(i)  ou = Identity(u)  od = Identity(d)  os = Identity(s)",
)


@pytest.fixture
def predict(repository: ModelRepository) -> Predict:
    """Sends a body to the predict route of a model, `m` unless told, shipped or added."""

    def call(body: Any, model: str = "m", path: str = ":predict", **headers: str) -> Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        shipped = SHIPPED if model in SHIPPED.index() else repository
        service = InferenceService(shipped)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return service.handle(Request("POST", f"/v1/models/{model}{path}", named, data, "request-1"))

    return call


def predictions(response: Response) -> Any:
    document = json.loads(response.body)
    assert response.status == 200, document
    assert list(document) == ["predictions"]
    return document["predictions"]
