"""Models that do not fit into Lambda are refused with what takes how much, before anything is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from despliegue.errors import DespliegueError
from despliegue.models.folder import model_files
from despliegue_cli.packages.budget import LIMIT, MIB, OTHER_PARTS, check_budget

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROOM = LIMIT - max(OTHER_PARTS.values())
"""Bytes that the function with least room leaves for models."""


@pytest.fixture
def lying(tmp_path: Path) -> Callable[[str, int], Path]:
    """Puts a file of some bytes, which take no room on the disk, below the repository; gives its folder."""

    def put(path: str, size: int) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as opened:
            opened.truncate(size)
        return file.parent

    return put


def test_models_that_just_fit_are_let_through(tmp_path: Path, lying: Callable[[str, int], Path]) -> None:
    lying("churn/1/model.onnx", ROOM - 2 * MIB)
    draft = lying("iris/.1.77/model.onnx", 2 * MIB)
    check_budget(tmp_path, draft)
    lying("iris/.1.77/manifest.json", 1)
    with pytest.raises(DespliegueError, match=r"do not fit into Lambda, which takes 250\.0 MiB unzipped"):
        check_budget(tmp_path, draft)


def test_the_message_breaks_down_what_takes_how_much(tmp_path: Path, lying: Callable[[str, int], Path]) -> None:
    lying("churn/1/model.onnx", 60 * MIB)
    lying("churn/2/model.onnx", 40 * MIB)
    lying("churn/2/model.onnx.data", 30 * MIB)
    for version in range(1, 6):
        lying(f"iris/{version}/model.onnx", MIB)
    draft = lying("big/.1.77/model.onnx", 20 * MIB)
    over = 70 + 60 + 5 + 20 - ROOM // MIB
    with pytest.raises(DespliegueError) as error:
        check_budget(tmp_path, draft)
    said = str(error.value)
    assert f"ScoreFunction, ScoreFailedFunction would be over, ScoreFunction by {over}.0 MiB" in said
    assert f"Its code and other layers have {OTHER_PARTS['ScoreFunction'] // MIB}.0 MiB" in said
    assert "churn@2 70.0 MiB, churn@1 60.0 MiB, iris@1 1.0 MiB, iris@2 1.0 MiB, iris@3 1.0 MiB, 2 more 2.0 MiB" in said
    assert "this one 20.0 MiB" in said
    assert "`despliegue remove churn@2`" in said
    assert "\n" not in said


def test_what_is_never_deployed_takes_no_room(tmp_path: Path, lying: Callable[[str, int], Path]) -> None:
    lying("churn/1/private/examples.json", LIMIT)
    lying("churn/.2.78/model.onnx", LIMIT)
    lying("README.md", LIMIT)
    check_budget(tmp_path, lying("iris/.1.77/model.onnx", MIB))


def test_what_a_link_leads_to_takes_the_room_that_it_takes_in_the_layer(
    tmp_path: Path, lying: Callable[[str, int], Path]
) -> None:
    version = lying("elsewhere/churn/1/model.onnx", ROOM)
    models = tmp_path / "models"
    draft = lying("models/iris/.1.77/model.onnx", MIB)
    (models / "churn").symlink_to(version.parent)
    with pytest.raises(DespliegueError, match="churn@1"):
        check_budget(models, draft)


def test_links_that_lead_back_end(tmp_path: Path, lying: Callable[[str, int], Path]) -> None:
    version = lying("models/churn/1/model.onnx", MIB)
    beside = lying("beside/weights", MIB)
    for link, target in ((version / "up", version.parent), (version / "beside", beside), (beside / "back", version)):
        link.symlink_to(target)
    found = [path.relative_to(version).as_posix() for path in model_files(version)]
    assert found == ["beside/weights", "model.onnx"]


def test_exactly_the_functions_that_get_the_models_are_known(root: Path) -> None:
    from samtranslator.yaml_helper import yaml_parse

    template: dict[str, Any] = yaml_parse((root / "template.yaml").read_text())
    with_models = {
        name
        for name, each in template["Resources"].items()
        if each["Type"] == "AWS::Serverless::Function"
        and {"Ref": "ModelsLayer"} in each["Properties"].get("Layers", [])
    }
    assert with_models == set(OTHER_PARTS)
