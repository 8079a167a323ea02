"""A version of a model put on its way out, or taken back, in `<name>/manifest.json`."""

from datetime import date
from pathlib import Path

from despliegue.errors import DespliegueError, ModelNotReady
from despliegue.models import ModelRepository
from despliegue.models.deprecation import KEY, Deprecation, read_deprecations
from despliegue.models.manifest import FILE_NAME
from despliegue.models.repository import check_version
from despliegue_cli.packages.model_settings import read_settings, write_settings


def deprecate(models: Path, name: str, version: str, since: date, sunset: date | None = None) -> Deprecation:
    """Say of a version that it is on its way out.

    Args:
        models: root of the repository.
        name: of the model.
        version: of the model.
        since: the day from which on nobody should begin to use it.
        sunset: the day from which on it may be gone.

    Returns:
        What callers are told from now on.

    Raises:
        DespliegueError: there is no such version, the sunset comes first, or the file cannot be read or written.
    """
    said = {"since": since.isoformat()} | ({"sunset": sunset.isoformat()} if sunset else {})
    return _change(models, name, version, said)[version]


def restore(models: Path, name: str, version: str) -> None:
    """Say no longer that a version is on its way out.

    Raises:
        DespliegueError: there is no such version, or the file cannot be read or written.
    """
    _change(models, name, version, None)


def _change(models: Path, name: str, version: str, said: dict[str, str] | None) -> dict[str, Deprecation]:
    versions = ModelRepository(models).versions(name)
    check_version(name, version, versions)
    settings = read_settings(models, name)
    try:
        deprecated = settings.get(KEY, {})
        read_deprecations({KEY: deprecated}, versions, versions[-1])
        deprecated = {key: value for key, value in deprecated.items() if key != version}
        settings[KEY] = deprecated | ({version: said} if said else {})
        found = read_deprecations(settings, versions, str(settings.get("default_version", versions[-1])))
    except ModelNotReady as error:
        raise DespliegueError(f"{models / name / FILE_NAME}: {error}") from error
    if not settings[KEY]:
        del settings[KEY]
    write_settings(models, name, settings)
    return found
