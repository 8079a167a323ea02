"""Changes to a model repository other than a new version: one is removed, or another one is the default."""

import shutil
from pathlib import Path
from typing import Final

from despliegue.errors import DespliegueError, ModelNotFound
from despliegue.models import ModelRepository
from despliegue.models.deprecation import KEY as DEPRECATED
from despliegue.models.manifest import FILE_NAME
from despliegue.models.repository import check_version
from despliegue_cli.packages.model_settings import in_one_line, read_settings, write_settings

DEFAULT: Final = "default_version"
"""The key of `<name>/manifest.json` that names the default version."""
_REMOVED: Final = ".removed"
"""What is being deleted has this name: the repository takes it for no model, and a removal that broke off is found."""


def remove(models: Path, name: str, version: str | None = None, *, every_version: bool = False) -> list[str]:
    """Remove a version, or a model with all of its versions. It is gone at once, or not at all.

    Args:
        models: root of the repository.
        name: of the model.
        version: of the model; None with `every_version`.
        every_version: remove the model's whole folder.

    Returns:
        The versions that are gone.

    Raises:
        DespliegueError: there is no such model or version, the version is the chosen default, or the system refuses it.
    """
    repository, versions = _opened(models, name)
    if every_version:
        with in_one_line():
            _delete(models / name)
        return versions
    if version is None:
        raise DespliegueError(
            f"'{name}' has {'these versions' if len(versions) > 1 else 'a version'}: {', '.join(versions)}; say which"
            f" one to remove, as in {name}@{versions[-1]}, or --all for the whole model"
        )
    check_version(name, version, versions)
    settings = read_settings(models, name)
    if version == settings.get(DEFAULT):
        raise DespliegueError(
            f"version {version} is the default of '{name}' by its {FILE_NAME}, so it is not removed; choose another one"
            f" first: `despliegue default {name} VERSION`, or `despliegue default {name} --highest`"
        )
    with in_one_line():
        _delete(models / name / version)
        if not repository.index().get(name) and {path.name for path in (models / name).iterdir()} <= {FILE_NAME}:
            _delete(models / name)
            return [version]
    if isinstance(deprecated := settings.get(DEPRECATED), dict) and deprecated.pop(version, None):
        write_settings(models, name, settings if deprecated else {k: v for k, v in settings.items() if k != DEPRECATED})
    return [version]


def set_default(models: Path, name: str, version: str | None) -> str:
    """Choose the version of a model that is meant when none is named, in `<name>/manifest.json`.

    Args:
        models: root of the repository.
        name: of the model.
        version: of the model; None for the highest, whichever that is from now on.

    Returns:
        The version that is the default now.

    Raises:
        DespliegueError: there is no such model or version, it cannot be loaded, or the file cannot be written.
    """
    repository, versions = _opened(models, name)
    default = versions[-1] if version is None else version
    check_version(name, default, versions)
    repository.get(name, default)
    settings = read_settings(models, name)
    settings.pop(DEFAULT, None)
    if version is not None:
        settings[DEFAULT] = version
    write_settings(models, name, settings)
    return default


def _opened(models: Path, name: str) -> tuple[ModelRepository, list[str]]:
    repository = ModelRepository(models)
    try:
        return repository, repository.versions(name)
    except ModelNotFound as error:
        there = ", ".join(repository.index()) or "no models"
        raise ModelNotFound(f"{error} in {models}; it has {there}") from error


def _delete(path: Path) -> None:
    """Take a folder's name away, in one step, then delete what was in it; of a link, the link alone."""
    removed = path.with_name(_REMOVED)
    if removed.is_dir() and not removed.is_symlink():
        shutil.rmtree(removed)  # of a removal that broke off
    else:
        removed.unlink(missing_ok=True)
    path.rename(removed)
    if removed.is_symlink():
        removed.unlink()
    else:
        shutil.rmtree(removed)
