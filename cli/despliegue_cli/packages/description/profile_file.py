"""`private/profile.json`: the baseline profile as it lies beside a model, never served and never deployed."""

from pathlib import Path
from typing import Final

import msgspec
import orjson

from despliegue.models.folder import PRIVATE
from despliegue.monitoring import Profile

FILE_NAME: Final = "profile.json"


def write_profile(folder: Path, profile: Profile) -> Path:
    """Write the profile of the version in `folder`; the same profile gives the same bytes. Gives its path."""
    path = folder / PRIVATE / FILE_NAME
    path.parent.mkdir(exist_ok=True)
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    path.write_bytes(orjson.dumps(msgspec.to_builtins(profile), option=options))
    return path
