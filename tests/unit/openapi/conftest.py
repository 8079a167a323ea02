"""Models of every kind, and their documents."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper

from despliegue.http import InferenceService, Request
from despliegue.http.openapi.example_jobs import ExampleJobs
from despliegue.models import Manifest, ModelRepository
from despliegue.models.manifest import Feature

if TYPE_CHECKING:
    from collections.abc import Callable

ODD_NAMES = ['a "quoted" one', "two words", "ñandú", "$", "$id", "a/b~c", "<script>alert(1)</script>", "{x}", "a:b", ""]
ODD = tuple(Feature(name, missing="NaN" if number % 2 else None) for number, name in enumerate(ODD_NAMES))


def graph(signature: str, body: str, constants: str = "") -> str:
    return f'<ir_version: 10, opset_import: ["": 21]> g {signature} {constants} {{ {body} }}'


GRAPHS = {
    "image": graph(
        "(float[N, 3, 4, 4] image) => (float[N, 3] y)",
        "y = ReduceMean<keepdims = 0>(image, axes)",
        "<int64[2] axes = {2, 3}>",
    ),
    "types": graph(
        "(bool[N] b, int8[N] i, uint64[N] u, double[N] d, float16[N] h, string[N, 1] s)"
        " => (bool[N] ob, int8[N] oi, uint64[N] ou, double[N] od, float16[N] oh, string[N, 1] os)",
        "ob = Identity(b) oi = Identity(i) ou = Identity(u) od = Identity(d) oh = Identity(h) os = Identity(s)",
    ),
    "bf16": graph("(bfloat16[N] x) => (bfloat16[N] y)", "y = Identity(x)"),
    "bf16-text": graph(
        "(string[N] s, float[N] x) => (bfloat16[N] y, string[N] t)", "y = Cast<to = 16>(x) t = Identity(s)"
    ),
    "scalar": graph("(float x) => (float y)", "y = Identity(x)"),
    "one-for-all": graph("(float[N] x) => (float[1] y)", "y = ReduceSum<keepdims = 1>(x)"),
    "with-default": graph("(float[N] x, float[N] y) => (float[N] z)", "z = Add(x, y)", "<float[1] y = {2.5}>"),
    "odd": graph(
        f"(float[N, {len(ODD)}] x) => (float[N, 1] y)",
        "y = ReduceSum<keepdims = 1>(x, axes)",
        "<int64[1] axes = {1}>",
    ),
    "large": graph("(float[N, 100000] x) => (float[N, 100000] y)", "y = Identity(x)"),
    "takes-no-zero": graph(
        "(int64[N] x) => (int64[N] y)",
        "below = Sub(x, five)  y = Gather(one, below)",
        "<int64[1] one = {7}, int64 five = {5}>",
    ),
}
CARD = "# Penguins\n\nWhich species a penguin is: «Adelie», for one.\n"
MANIFESTS = {"odd": Manifest(description='<script>alert(1)</script> & "quotes"', features=ODD)}


def zip_map() -> onnx.ModelProto:
    """A classifier as skl2onnx makes it: labels, and a map from class to probability for each row."""
    maps = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    )
    nodes = [
        helper.make_node("ZipMap", ["x"], ["p"], domain="ai.onnx.ml", classlabels_strings=["no", "yes"]),
        helper.make_node("ArgMax", ["x"], ["k"], axis=1, keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])]
    outputs = [
        helper.make_tensor_value_info("k", TensorProto.INT64, ["N"]),
        helper.make_value_info("p", maps),
    ]
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    made = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs), opset_imports=opsets)
    made.ir_version = 10
    return made


@pytest.fixture(scope="session")
def folder(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped models, and one of every kind."""
    models = Path(shutil.copytree(root / "layers" / "models", tmp_path_factory.mktemp("openapi") / "models"))
    made = {name: onnx.parser.parse_model(text) for name, text in GRAPHS.items()} | {"zipmap": zip_map()}
    manifests = MANIFESTS | {"zipmap": Manifest(features=(Feature("a"), Feature("b")))}
    for name, model in made.items():
        version = models / name / "1"
        version.mkdir(parents=True)
        onnx.save(model, version / "model.onnx")
        if name in manifests:
            manifests[name].write(version)
    (models / "penguins" / "1" / "MODEL_CARD.md").write_text(CARD)
    return models


@pytest.fixture(scope="session")
def service(folder: Path) -> InferenceService:
    """Serves them, nobody having to prove anything; a model is the default, and files are scored."""
    store = ExampleJobs()
    return InferenceService(ModelRepository(folder), default_model="penguins", jobs=lambda: store)


@pytest.fixture
def fresh(folder: Path) -> InferenceService:
    """Serves the same models, and has been asked for nothing yet."""
    store = ExampleJobs()
    return InferenceService(ModelRepository(folder), default_model="penguins", jobs=lambda: store)


@pytest.fixture(scope="session")
def keyed(folder: Path) -> InferenceService:
    """Serves the same behind API keys."""
    return InferenceService(ModelRepository(folder), default_model="penguins", auth="ApiKey", jobs=ExampleJobs)


def read(service: InferenceService, path: str) -> dict[str, Any]:
    """The document at `path`."""
    response = service.handle(Request("GET", path, id="request-1"))
    assert response.status == 200, response.body
    document: dict[str, Any] = json.loads(response.body)
    return document


@pytest.fixture(scope="session")
def documents(keyed: InferenceService) -> dict[str, dict[str, Any]]:
    """Every document of a service behind keys, by its path."""
    paths = ["/openapi.json"]
    for name in keyed.repository.index():
        paths += [f"/v2/models/{name}/openapi.json", f"/v2/models/{name}/versions/1/openapi.json"]
    return {path: read(keyed, path) for path in paths}


@pytest.fixture(scope="session")
def document(service: InferenceService) -> Callable[[str], dict[str, Any]]:
    """The document of a model, by its name, where nobody has to prove anything."""
    return lambda name: read(service, f"/v2/models/{name}/openapi.json")
