"""The options that several commands have."""

from pathlib import Path
from typing import Annotated, Final

import typer

DEFAULT_MODELS: Final = Path("layers/models")

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
