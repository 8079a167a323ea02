"""A converted model, loaded as it is served: what cannot be is refused here, and not after the deploy."""

from pathlib import Path

from despliegue.errors import DespliegueError
from despliegue.features import Schema
from despliegue.models import Manifest, Model, SessionSettings
from despliegue.models.manifest import Feature
from despliegue_cli.convert.messages import ConversionError


def load_served(folder: Path, features: tuple[Feature, ...]) -> Model:
    """Load a converted model, and predict one row of zeros: both within the limit of memory of this process.

    Args:
        folder: of its files.
        features: its columns.

    Raises:
        ConversionError: it cannot be loaded, needs more memory than there is, or its columns do not fit its inputs.
    """
    import onnx

    from despliegue_cli.convert.onnx_limits import explain, needs_memory

    try:
        model = Model.load(folder, "model", "1", SessionSettings(isolated=False))
        Schema.read(model.signature, Manifest(features=features))
    except DespliegueError as error:
        graph = onnx.load(folder / "model.onnx", load_external_data=False)
        cause = error.__cause__
        raise ConversionError(explain(graph, cause) if isinstance(cause, Exception) else str(error)) from error
    try:
        model.run(model.zeros(), list(model.signature.outputs))
    except DespliegueError as error:
        # A row of zeros may be one that the model rightly refuses: an index that it has not, say.
        if needs_memory(str(error)):
            raise ConversionError(f"it needs more memory than this machine has to predict one row: {error}") from error
    return model
