"""What several commands have: their options, and what those open."""

from pathlib import Path
from typing import Annotated, Final

import typer

from despliegue.errors import DespliegueError
from despliegue.models import ModelRepository

DEFAULT_MODELS: Final = Path("layers/models")
PIPE: Final = "-"
"""Stands for standard input or output where a file is named."""

Models = Annotated[
    Path,
    typer.Option(
        "--models",
        envvar="DESPLIEGUE_MODELS",
        help="The model repository: <name>/<version>/model.onnx.",
        show_default=True,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def open_repository(models: Path) -> ModelRepository:
    """The repository at `models`.

    Raises:
        DespliegueError: there is no such folder.
    """
    if not models.is_dir():
        raise DespliegueError(f"there is no folder {models}; --models names the model repository")
    return ModelRepository(models)
