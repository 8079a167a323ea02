"""What `despliegue add` takes the layers for is what is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from despliegue_cli.packages.budget import OTHER_PARTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.template.built.conftest import Project

MOST_ROOM = 1.05


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("function", OTHER_PARTS)
def test_what_a_function_has_besides_the_models_is_as_large_as_said(
    function: str, builds: dict[str, Project], source: dict[str, Any]
) -> None:
    layers = [layer["Ref"] for layer in source["Resources"][function]["Properties"]["Layers"]]
    parts = [function, *(layer for layer in layers if layer != "ModelsLayer")]
    real = max(sum(size(project.built(part)) for part in parts) for project in builds.values())
    assert real <= OTHER_PARTS[function] <= real * MOST_ROOM
