"""The public example: what is usual in the sample, nobody's row, and something that the model answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from despliegue.features import Schema
from despliegue.models import Manifest, Model, ModelRepository
from despliegue.models.manifest import Feature
from despliegue.models.model import Array
from despliegue.monitoring import profile
from despliegue_cli.packages.description.calls import calls, record
from despliegue_cli.packages.description.profile_file import write_profile
from despliegue_cli.packages.description.public_example import example, published_example
from despliegue_cli.proof.graph_values import graph_texts
from despliegue_cli.proof.rows import Rows
from despliegue_cli.server import call

type Load = Callable[..., Model]

HEAD = '<ir_version: 10, opset_import: ["": 21, "ai.onnx.ml": 3]>'
IMAGE = f"{HEAD} g (float[N, 3, 8, 8] image) => (float[N, 3, 1, 1] y) {{ y = GlobalAveragePool(image) }}"
PHOTO = IMAGE.replace("8, 8", "224, 224")
MIXED = f"""{HEAD} g (int64[N] visits, bool[N, 1] member, string[N] city, double[N] spent) => (double[?, ?] y) {{
    a = Cast <to = 11> (visits)
    member1 = Cast <to = 11> (member)
    b = Squeeze(member1)
    known = ai.onnx.ml.LabelEncoder <keys_strings = ["León", "Ávila"], values_floats = [1.0, 2.0]> (city)
    c = Cast <to = 11> (known)
    ab = Add(a, b)
    abc = Add(ab, c)
    y0 = Add(abc, spent)
    one = Constant <value = int64[1] {{1}}> ()
    y = Unsqueeze(y0, one)
}}"""
MATRIX = f"{HEAD} g (int64[N, 2] x) => (int64[N, 2] y) {{ y = Identity(x) }}"
RATIO = f"{HEAD} g (float[N] x) => (float[N] y) {{ y = Div(x, x) }}"


@pytest.fixture
def load(add_model: Callable[..., Path], repository: ModelRepository) -> Load:
    """A model from ONNX's text format, with features."""

    def make(text: str, **features: str) -> Model:
        folder = add_model(text)
        given = tuple(
            Feature(name, kind, {"number": "NaN", "category": ""}.get(kind)) for name, kind in features.items()
        )
        Manifest(features=given).write(folder)
        return repository.get("m")

    return make


def run(model: Model, found: dict[str, Any]) -> dict[str, Array]:
    inputs = {name: np.array(data, model.signature.inputs[name].datatype.dtype) for name, data in found.items()}
    names = list(model.signature.outputs)
    return dict(zip(names, model.run(inputs, names), strict=True))


def shoppers(rows: int = 200) -> dict[str, Array]:
    draw = np.random.default_rng(0)
    return {
        "visits": draw.poisson(7, rows),
        "member": draw.random(rows) < 0.8,
        "city": draw.choice(np.array(["Ávila", "León", None], object), rows, p=[0.6, 0.3, 0.1]),
        "spent": np.round(draw.lognormal(3, 1, rows), 2),
    }


def test_an_example_has_what_is_usual_in_each_column_as_its_datatype_has_it(load: Load, tmp_path: Path) -> None:
    model = load(MIXED)
    columns = shoppers()

    found = example(model, profile(columns, {}), graph_texts(tmp_path / "models" / "m" / "1" / "model.onnx"))

    assert found == {"visits": [7], "member": [[True]], "city": ["Ávila"], "spent": [found["spent"][0]]}
    (spent,) = found["spent"]
    assert abs((columns["spent"] <= spent).mean() - 0.5) <= 0.15, "about the median"
    assert len(repr(spent)) <= 4
    assert run(model, found)["y"].shape == (1, 1)


def test_it_is_no_row_of_the_sample(root: Path) -> None:
    model = ModelRepository(root / "layers" / "models").get("breast-cancer")
    rows = np.random.default_rng(0).lognormal(2, 1, (500, 30))
    columns = {feature.name: rows[:, place] for place, feature in enumerate(model.manifest.features)}

    found = example(model, profile(columns, {}))

    (values,) = found["input"]
    assert len(values) == 30
    for value, (name, given) in zip(values, columns.items(), strict=True):
        assert value not in given.tolist(), name
        assert abs((given <= value).mean() - 0.5) <= 0.15, name


@pytest.mark.parametrize(("missing", "shown"), [("category", ""), ("text", "text")])
def test_a_text_that_only_the_sample_holds_is_never_shown(load: Load, missing: str, shown: str) -> None:
    wrote = "Ana Pérez, DNI 12345678Z, calls tomorrow"
    columns = shoppers() | {"city": np.array([wrote, "León"] * 100, object)}
    model = load(MIXED, visits="count", member="flag", city=missing, spent="number")

    assert example(model, profile(columns, {}))["city"] == [shown]
    assert example(model, profile(columns, {}), {"León", "Ávila"})["city"] == ["León"]


def test_without_a_profile_it_is_zeros_and_empty_strings(load: Load) -> None:
    assert example(load(MIXED), None) == {"visits": [0], "member": [[False]], "city": [""], "spent": [0.0]}


def test_a_matrix_of_integers_gets_integers_within_their_range(load: Load) -> None:
    model = load(MATRIX, a="count", b="count")
    columns = {"a": np.arange(100, 200), "b": np.full(50, 3e300)}

    assert example(model, profile(columns, {})) == {"x": [[140, 2**63 - 1]]}


def test_an_image_is_one_usual_value_and_a_photograph_is_too_long(load: Load) -> None:
    images = np.random.default_rng(0).random((20, 3, 8, 8), np.float32)
    model = load(IMAGE)

    found = example(model, profile({"image": images}, {}))

    assert np.shape(found["image"]) == (1, 3, 8, 8)
    assert 0.4 < np.unique(found["image"]).item() < 0.6
    assert np.unique(example(model, None)["image"]).tolist() == [0.0]


def test_a_photograph_is_too_long_for_an_example(load: Load) -> None:
    assert example(load(PHOTO), None) == {}


def test_an_answer_of_nan_is_no_example_but_another_row_may_be(load: Load) -> None:
    model = load(RATIO)

    assert example(model, None) == {}, "0 / 0"
    assert example(model, profile({"x": np.zeros(20)}, {})) == {}
    assert example(model, profile({"x": np.arange(1.0, 21.0)}, {})) == {"x": [10.0]}


def test_a_column_of_which_all_is_missing_or_unique_has_an_example_all_the_same(load: Load) -> None:
    columns = shoppers() | {
        "spent": np.full(200, np.nan),
        "city": np.array([f"street {number}" for number in range(200)], object),
    }

    found = example(load(MIXED), profile(columns, {}))

    assert (found["spent"], found["city"]) == ([0.0], ["text"])


def test_only_who_says_so_publishes_the_first_row(root: Path) -> None:
    model = ModelRepository(root / "layers" / "models").get("penguins")
    columns: dict[str, Array] = {name: np.array([39.1, 40.0]) for name in model.signature.inputs}
    columns |= {"island": np.array([None, "Dream"], object), "sex": np.array(["male", "female"], object)}
    columns["body_mass_g"] = np.array([np.nan, 1.0])

    found = published_example(model, Rows(columns, ("row 1", "row 2"), np.zeros(2, bool)))

    assert found["island"] == [[""]]
    assert found["sex"] == [["male"]]
    assert found["bill_depth_mm"] == [[39.1]]
    assert found["body_mass_g"] == [[None]], "JSON's null is NaN"
    assert published_example(model, Rows(columns, ("a", "b"), np.ones(2, bool))) == {}, "made up, and not the sample's"
    columns["body_mass_g"] = np.array([np.inf, 1.0])
    assert published_example(model, Rows(columns, ("row 1", "row 2"), np.zeros(2, bool))) == {}, "JSON has no infinity"


def test_a_published_row_of_a_model_without_features_is_its_arrays(load: Load) -> None:
    images = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)

    found = published_example(load(IMAGE), Rows({"image": images}, ("row 1", "row 2"), np.zeros(2, bool)))

    np.testing.assert_array_equal(np.array(found["image"], np.float32), images[:1])


def test_a_missing_integer_without_a_marker_cannot_be_published(load: Load) -> None:
    columns = shoppers(2) | {"visits": np.array([np.nan, 1.0])}

    assert published_example(load(MIXED), Rows(columns, ("row 1", "row 2"), np.zeros(2, bool))) == {}


def test_a_record_has_the_features_of_a_matrix_and_of_columns(root: Path, load: Load) -> None:
    repository = ModelRepository(root / "layers" / "models")
    for name, size in (("penguins", 6), ("breast-cancer", 30)):
        model = repository.get(name)
        found = record(model.manifest.example, Schema.read(model.signature, model.manifest))
        assert list(found) == [feature.name for feature in model.manifest.features]
        assert len(found) == size
        assert not any(isinstance(value, list) for value in found.values())
    model = load(IMAGE)
    assert record(example(model, None), Schema.read(model.signature, model.manifest)) == {}


def test_a_model_is_called_only_in_the_ways_that_it_answers(load: Load, root: Path) -> None:
    image = load(IMAGE)
    penguins = ModelRepository(root / "layers" / "models").get("penguins")

    found = calls(image, image.manifest, example(image, None))
    assert (bool(found.infer), found.predict, found.file) == (True, b"", b"")
    found = calls(penguins, penguins.manifest, penguins.manifest.example)
    assert all((found.infer, found.predict, found.file))
    found = calls(penguins, penguins.manifest, {})
    assert not any((found.infer, found.predict, found.file))


def test_booleans_and_nulls_are_scored_from_a_file(load: Load) -> None:
    model = load(MIXED)

    found = calls(model, model.manifest, example(model, profile(shoppers(), {})))

    assert found.file.decode().splitlines()[0] == "visits,member,city,spent"
    assert ",true," in found.file.decode()
    assert found.predict


def test_the_server_shows_the_example(load: Load) -> None:
    model = load(RATIO)
    found = example(model, profile({"x": np.arange(1.0, 21.0)}, {}))
    model.manifest = Manifest(example=found)

    assert '"data":[10]' in call(model, "http://127.0.0.1:8080")


def test_a_profile_lies_in_the_private_folder(tmp_path: Path) -> None:
    written = profile(shoppers(), {"y": np.random.default_rng(1).normal(size=200)})

    path = write_profile(tmp_path, written)

    assert path == tmp_path / "private" / "profile.json"
    assert msgspec.json.decode(path.read_bytes(), type=type(written)) == written
