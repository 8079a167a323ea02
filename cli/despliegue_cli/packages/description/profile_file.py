"""`private/profile.json`: the baseline profile as it lies beside a model, never served and never deployed."""

from pathlib import Path
from typing import Final

import msgspec
import orjson

from despliegue.errors import ModelNotReady
from despliegue.models.folder import PRIVATE
from despliegue.models.manifest import read_object
from despliegue.monitoring import Profile
from despliegue.monitoring.profile import FORMAT

FILE_NAME: Final = "profile.json"


def write_profile(folder: Path, profile: Profile) -> Path:
    """Write the profile of the version in `folder`; the same profile gives the same bytes. Gives its path."""
    path = folder / PRIVATE / FILE_NAME
    path.parent.mkdir(exist_ok=True)
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    path.write_bytes(orjson.dumps(msgspec.to_builtins(profile), option=options))
    return path


def read_profile(folder: Path) -> Profile | None:
    """The profile of the version in `folder`; None where it has none, as on a machine that it was deployed to.

    Raises:
        ModelNotReady: it cannot be read, or is of another form.
    """
    document = read_object(folder / PRIVATE / FILE_NAME)
    if document is None:
        return None
    if document.get("format") != FORMAT:
        raise ModelNotReady(f"{FILE_NAME} is not of format {FORMAT}, which this Despliegue knows; add the model again")
    try:
        return msgspec.convert(document, Profile)
    except msgspec.ValidationError as error:
        raise ModelNotReady(f"{FILE_NAME} is not of the expected form: {error}") from error
