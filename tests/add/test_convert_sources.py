"""From a file of each kind to a package that predicts as the original does, each kind in processes of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import onnx
import onnx.parser
import pandas as pd
import pytest
import skops.io
import xgboost
from sklearn.linear_model import LogisticRegression

from despliegue.errors import DespliegueError
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.sample_columns import sample_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.add.conftest import Columns, People

    from despliegue_cli.convert import Converted

    type Differences = Callable[[Converted, Columns], dict[str, float]]

SINGLE = 1e-5
"""XGBoost sums in float32."""


def test_a_joblib_pipeline_predicts_as_the_original(
    people: People, saved: Callable[..., Path], converted: Callable[..., Converted], differences: Differences
) -> None:
    found = converted(saved(people.pipeline(), compress=3), trust=True)
    assert [feature.name for feature in found.features] == [*people.numbers, *people.categories]
    assert found.labels == ("no", "sí")
    assert found.source["framework"].startswith("scikit-learn ")
    assert sorted(path.name for path in found.folder.iterdir()) == ["model.onnx"]
    columns = people.columns(people.rows(seed=1, cities=["Málaga", "Ávila", "Cádiz"]))
    assert differences(found, columns) == {"label": 0, "probabilities": pytest.approx(0, abs=1e-12)}


def test_a_skops_file_predicts_as_the_original(
    people: People, tmp_path: Path, converted: Callable[..., Converted], differences: Differences
) -> None:
    skops.io.dump(people.pipeline(), tmp_path / "model.skops")
    columns = people.columns(people.rows(seed=1))
    found = differences(converted(tmp_path / "model.skops"), columns)
    assert found == {"label": 0, "probabilities": pytest.approx(0, abs=1e-12)}


def test_the_same_file_gives_the_same_bytes(
    people: People, saved: Callable[..., Path], converted: Callable[..., Converted]
) -> None:
    path = saved(people.pipeline())
    first, second = (converted(path, trust=True).folder / "model.onnx" for _ in range(2))
    assert first.read_bytes() == second.read_bytes()


def test_columns_without_names_are_named_by_the_sample(
    tmp_path: Path, saved: Callable[..., Path], converted: Callable[..., Converted]
) -> None:
    model = LogisticRegression().fit([[0, 1], [1, 0]], ["a", "b"])
    (tmp_path / "sample.csv").write_text('"ancho, mm";alto\n1;2\n', encoding="utf-8")
    found = converted(saved(model), trust=True, sample=tmp_path / "sample.csv")
    assert [feature.name for feature in found.features] == ["ancho, mm", "alto"]
    pd.DataFrame({"a": [1.0], "b": [2.0], "c": [3.0]}).to_csv(tmp_path / "sample.csv", index=False)
    with pytest.raises(ConversionError, match="on 2 columns, and the sample has 3"):
        converted(saved(model), trust=True, sample=tmp_path / "sample.csv")


@pytest.mark.parametrize(
    ("form", "objective", "converted"),
    [
        ("json", "binary:logistic", "apart"),
        ("ubj", "multi:softprob", "apart"),
        ("json", "multi:softmax", "here"),
        ("ubj", "reg:squarederror", "here"),
    ],
    indirect=["converted"],
)
def test_an_xgboost_booster_predicts_as_the_original(
    form: str,
    objective: str,
    people: People,
    tmp_path: Path,
    converted: Callable[..., Converted],
    differences: Differences,
) -> None:
    frame = people.rows()[list(people.numbers)]
    classes = {"num_class": 3} if objective.startswith("multi") else {}
    target = np.digitize(frame["score one"].fillna(0), [0, 8] if classes else [0])
    booster = xgboost.train({"objective": objective, **classes}, xgboost.DMatrix(frame, target), 10)
    booster.save_model(tmp_path / f"model.{form}")
    found = converted(tmp_path / f"model.{form}")
    assert [feature.name for feature in found.features] == list(people.numbers)
    assert found.labels == (() if objective.startswith("reg") else ("0", "1", "2")[: 3 if classes else 2])
    distances = differences(found, people.columns(people.rows(seed=1)[list(people.numbers)]))
    assert distances.pop("label", 0) == 0
    assert all(distance <= SINGLE for distance in distances.values())


def test_an_xgboost_estimator_with_named_categories_predicts_as_the_original(
    people: People, tmp_path: Path, converted: Callable[..., Converted], differences: Differences
) -> None:
    frame = people.rows().astype(dict.fromkeys(people.categories, "category"))
    model = xgboost.XGBClassifier(n_estimators=10, enable_categorical=True, early_stopping_rounds=2)
    target = (people.answers(people.rows()) == "sí").astype(int)
    model.fit(frame, target, eval_set=[(frame, target)], verbose=False).save_model(tmp_path / "model.json")
    found = converted(tmp_path / "model.json")
    assert {feature.name: feature.kind for feature in found.features} == {
        "score one": "number",
        "when": "number",
        "sex": "category",
        "city": "category",
    }
    columns = people.columns(people.rows(seed=1, cities=["Málaga", "Ávila", "Cádiz"]))
    assert differences(found, columns) == {"label": 0, "probabilities": pytest.approx(0, abs=SINGLE)}


@pytest.mark.parametrize(
    ("objective", "converted"),
    [("binary", "apart"), ("multiclass", "here"), ("regression", "here")],
    indirect=["converted"],
)
def test_a_lightgbm_text_predicts_as_the_original(
    objective: str, people: People, tmp_path: Path, converted: Callable[..., Converted], differences: Differences
) -> None:
    frame = people.rows().astype(dict.fromkeys(people.categories, "category"))
    classes = {"num_class": 3} if objective == "multiclass" else {}
    target = np.digitize(frame["score one"].fillna(0), [0, 8] if classes else [0])
    data = lightgbm.Dataset(frame.rename(columns={"score one": "score_one"}), target)
    booster = lightgbm.train({"objective": objective, "verbose": -1, **classes}, data, 10)
    booster.save_model(tmp_path / "model.txt")
    people.rows(5).to_csv(tmp_path / "sample.csv", index=False)
    found = converted(tmp_path / "model.txt", sample=tmp_path / "sample.csv")
    assert [feature.name for feature in found.features] == ["score one", "when", "sex", "city"]
    columns = people.columns(people.rows(seed=1, cities=["Málaga", "Ávila", "Cádiz"]))
    distances = differences(found, columns)
    assert distances.pop("label", 0) == 0
    assert all(distance <= 1e-12 for distance in distances.values())


def test_estimators_of_other_libraries_are_exact_inside_a_pipeline(people: People, compare: Callable[..., Any]) -> None:
    columns = people.columns(people.rows(seed=1))
    light = compare(people.pipeline(final=lightgbm.LGBMClassifier(n_estimators=10, verbose=-1)), columns)
    assert light == {"label": 0, "probabilities": pytest.approx(0, abs=1e-12)}


ADD = """
    <ir_version: 10, opset_import: ["": 21]>
    m (float[N, 2] x) => (float[N, 2] y) <float[2] w = {1, 2}> { y = Add(x, w) }
"""


def _with_external_data(folder: Path) -> Path:
    model = onnx.parser.parse_model(ADD)
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.array([1, 2], np.float32), "w"))
    path = folder / "net.onnx"
    onnx.save(model, path, save_as_external_data=True, location="net.weights", size_threshold=0)
    return path


def test_onnx_is_copied_and_predicts_as_before(
    tmp_path: Path, converted: Callable[..., Converted], differences: Differences
) -> None:
    onnx.save(onnx.parser.parse_model(ADD), tmp_path / "net.onnx")
    np.savez(tmp_path / "sample.npz", ancho=[1.0], alto=[2.0])
    found = converted(tmp_path / "net.onnx", sample=tmp_path / "sample.npz")
    assert [feature.name for feature in found.features] == ["ancho", "alto"]
    assert differences(found, {"ancho": np.arange(5.0), "alto": np.full(5, np.nan)}) == {
        "y": pytest.approx(np.nan, nan_ok=True)
    }
    reference = found.predict({"ancho": np.arange(5.0), "alto": np.arange(5.0)})
    assert reference.outputs["y"].tolist() == [[row + 1, row + 2] for row in range(5)]


def test_onnx_without_columns_is_given_its_inputs(tmp_path: Path, converted: Callable[..., Converted]) -> None:
    image = '<ir_version: 10, opset_import: ["": 21]> m (float[N, 2, 2] x) => (float[N, 2, 2] y) { y = Neg(x) }'
    onnx.save(onnx.parser.parse_model(image), tmp_path / "net.onnx")
    found = converted(tmp_path / "net.onnx")
    assert found.features == ()
    x = np.arange(12.0).reshape(3, 2, 2)
    assert np.array_equal(found.predict({"x": x}).outputs["y"], -x)


@pytest.mark.parametrize("name", ["net.onnx", "."])
def test_onnx_with_external_data_is_found_by_file_or_folder(
    name: str, tmp_path: Path, converted: Callable[..., Converted]
) -> None:
    _with_external_data(tmp_path)
    found = converted(tmp_path / name)
    assert np.array_equal(found.predict({"x": np.ones((1, 2))}).outputs["y"], [[2, 3]])


def test_external_data_that_is_missing_is_named(tmp_path: Path, converted: Callable[..., Converted]) -> None:
    _with_external_data(tmp_path)
    (tmp_path / "net.weights").unlink()
    with pytest.raises(ConversionError, match=r"its external data 'net\.weights' is not beside it"):
        converted(tmp_path / "net.onnx")


@pytest.mark.parametrize("location", ["../weights", "/etc/hostname", "link"])
def test_external_data_outside_of_the_folder_is_refused(
    location: str, tmp_path: Path, converted: Callable[..., Converted]
) -> None:
    (tmp_path / "model").mkdir()
    path = _with_external_data(tmp_path / "model")
    (tmp_path / "weights").write_bytes(b"\0" * 64)
    (tmp_path / "model" / "link").symlink_to(tmp_path / "weights")
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        entry.value = location if entry.key == "location" else entry.value
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ConversionError, match="lies outside of its folder"):
        converted(path)


def test_a_sample_names_its_columns_in_any_form(tmp_path: Path) -> None:
    from arro3.core import Table
    from arro3.io import write_parquet

    table = {"año": [1.0], "b c": [2.0]}
    pd.DataFrame(table).to_csv(tmp_path / "sample.csv", index=False, encoding="utf-8-sig")
    write_parquet(
        Table.from_pydict({name: np.array(values) for name, values in table.items()}), tmp_path / "sample.parquet"
    )
    np.savez(tmp_path / "sample.npz", **{"año": np.ones(1), "b c": np.ones(1)})  # type: ignore[arg-type]
    for form in ("csv", "parquet", "npz"):
        assert sample_columns(tmp_path / f"sample.{form}") == ("año", "b c")


@pytest.mark.parametrize(
    ("content", "message"), [(b"a,b,a\n1,2,3\n", "column 'a' twice"), (b"\xff\xfe\x00", "no CSV in UTF-8")]
)
def test_a_sample_that_names_no_columns_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "sample.csv").write_bytes(content)
    with pytest.raises(DespliegueError, match=message):
        sample_columns(tmp_path / "sample.csv")
