"""`despliegue add` on a graph that decodes images: compared on made-up ones, and on a folder of one's own."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import pytest
from tests.unit.test_images import BRIGHTNESS

from despliegue.errors import DespliegueError
from despliegue.models import ModelRepository, extensions
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.packages.add import Options, add
from despliegue_cli.packages.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "brightness.onnx"
    onnx.save(onnx.parser.parse_model(BRIGHTNESS), path)
    return path


@pytest.fixture
def photos(root: Path, tmp_path: Path) -> Path:
    """A folder of images, one of them none, and one of no kind that is taken."""
    folder = shutil.copytree(root / "tests" / "images", tmp_path / "photos")
    (folder / "broken.jpg").write_bytes(b"GIF89a")
    (folder / "notes.txt").write_text("none")
    return folder


@pytest.fixture
def project(root: Path, tmp_path: Path) -> Path:
    """A repository beside a template, so that events are written; gives its models' folder."""
    (tmp_path / "template.yaml").touch()
    shutil.copytree(root / "events" / "predict", tmp_path / "events" / "predict")
    return tmp_path / "layers" / "models"


def test_it_is_compared_on_made_up_images_and_called_with_a_photo(graph: Path, project: Path) -> None:
    added = add(graph, project, Options(measure=False))

    assert added.proof is None, "there was no sample"
    assert added.call == (
        "curl -s http://127.0.0.1:8080/models/brightness/invocations -H 'Content-Type: image/png'"
        " --data-binary @photo.png"
    )
    examples = json.loads((added.folder / "private" / "examples.json").read_bytes())
    assert "noise, 98 × 49" in examples["places"]
    assert verify(project, "brightness", "1").rows == 14
    card = (added.folder / "MODEL_CARD.md").read_text()
    assert "One image a request, JPEG or PNG, of at most 25,000,000 pixels" in card
    assert "$API_URL/models/brightness/versions/1/invocations" in card
    assert [path.name for path in added.events] == ["infer.json"]
    model = ModelRepository(project).get("brightness")
    black = np.array(model.manifest.example["image"], np.uint8)
    assert model.run({"image": black}, ["mean"])[0].tolist() == [0]


def test_it_is_proven_on_a_folder_of_images(graph: Path, project: Path, photos: Path) -> None:
    added = add(graph, project, Options(sample=photos, measure=False))

    assert added.proof is not None
    assert (added.proof.rows, added.proof.made_up, added.proof.different) == (9, 14, 0)
    assert added.skipped == 1, "broken.jpg"
    assert verify(project, "brightness", "1").rows == 23


@pytest.mark.parametrize(
    ("sample", "said"),
    [("empty", "has no JPEG or PNG that can be read"), ("rows.csv", "the model takes images; expected a folder")],
)
def test_a_sample_that_is_none_is_refused(graph: Path, project: Path, tmp_path: Path, sample: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")

    with pytest.raises(DespliegueError, match=said):
        add(graph, project, Options(sample=tmp_path / sample, measure=False))
    assert not list(project.glob("*"))


def test_a_folder_is_no_sample_of_a_table(add_model: Callable[..., Path], project: Path, photos: Path) -> None:
    with pytest.raises(DespliegueError, match="the model takes no images; expected a table or npz"):
        add(add_model() / "model.onnx", project, Options(sample=photos, measure=False))


def test_without_the_library_it_is_said_what_to_install(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from despliegue_cli.convert.from_onnx import OnnxModel

    monkeypatch.setattr(extensions, "find_spec", lambda name: None)

    with pytest.raises(DespliegueError, match=r"pip install 'despliegue\[images\]'"):
        OnnxModel(graph, ())


def test_other_custom_operators_are_refused_as_ever(tmp_path: Path, project: Path) -> None:
    text = BRIGHTNESS.replace('extensions": 1', 'extensions": 1, "com.acme": 1').replace(
        "all = Reduce", "all = com.acme.Reduce"
    )
    onnx.save(onnx.parser.parse_model(text), tmp_path / "acme.onnx")

    with pytest.raises(ConversionError, match=r"operator 'com\.acme::ReduceMean' ×1, which .* but for onnxruntime-ext"):
        add(tmp_path / "acme.onnx", project, Options(measure=False))
