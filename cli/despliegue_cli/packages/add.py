"""From a model file to a version in the repository: converted, compared with its original, then given its name."""

import os
import re
import shutil
from pathlib import Path
from typing import Any, Final

import msgspec

from despliegue.errors import DespliegueError, ModelNotFound
from despliegue.models import Manifest, Model, ModelRepository, SessionSettings
from despliegue.models.repository import NAME_PATTERN
from despliegue_cli.convert import Converted, convert
from despliegue_cli.packages.proof import Proof, prove

UNVERIFIED: Final = "not compared with its original: no sample was given"


class Added(msgspec.Struct, frozen=True):
    """A model that was added.

    Attributes:
        name: the model's.
        version: the new version.
        folder: where it lies.
        proof: what the comparison found; None without a sample.
        isolation: how the process that loaded the original was kept apart.
    """

    name: str
    version: str
    folder: Path
    proof: Proof | None
    isolation: str


def add(
    path: Path,
    models: Path,
    *,
    name: str | None = None,
    version: str | None = None,
    sample: Path | None = None,
    trust: bool = False,
    description: str = "",
) -> Added:
    """Put a model into the repository.

    Args:
        path: ONNX, skops, joblib, pickle, XGBoost or LightGBM.
        models: root of the repository.
        name: of the model; else that of the file.
        version: of the model; else the one after the highest.
        sample: rows to compare the package with its original on.
        trust: unpickle it.
        description: one sentence for whoever calls it.

    Raises:
        DespliegueError: it cannot be converted, differs from its original, or is there already. Nothing is left behind.
    """
    name = name or re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")
    version = version or _next_version(ModelRepository(models), name)
    for kind, text in (("name", name), ("version", version)):
        if not NAME_PATTERN.fullmatch(text):
            raise DespliegueError(f"the {kind} is '{text}'; expected letters, digits, '.', '_' and '-'")
    folder = models / name / version
    if folder.exists():
        raise DespliegueError(f"{folder} is there already; nothing is overwritten")
    # A name that the repository takes for no model, on the same file system.
    draft = models / name / f".{version}.{os.getpid()}"
    try:
        with convert(path, trust=trust, sample=sample) as converted:
            proof = _write(converted, draft, name, version, sample, description)
            draft.rename(folder)
            return Added(name, version, folder, proof, converted.isolation)
    except OSError as error:
        raise DespliegueError(f"{error.filename or draft}: {error.strerror}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if draft.parent.is_dir() and not any(draft.parent.iterdir()):
            draft.parent.rmdir()


def _write(
    converted: Converted, draft: Path, name: str, version: str, sample: Path | None, description: str
) -> Proof | None:
    shutil.copytree(converted.folder, draft)
    source: dict[str, Any] = converted.source
    manifest = Manifest(description, converted.features, converted.labels, source)
    manifest.write(draft)
    model = Model.load(draft, name, version, SessionSettings())
    if sample is None:
        source["verified"] = UNVERIFIED
        proof = None
    else:
        proof = prove(converted, model, sample)
        proof.check()
        source["verified"] = f"{proof.rows:,} rows, numbers within {proof.difference:.1e}, labels equal"
    msgspec.structs.replace(manifest, source=source).write(draft)
    return proof


def _next_version(repository: ModelRepository, name: str) -> str:
    try:
        versions = repository.versions(name)
    except ModelNotFound:
        return "1"
    numbers = [int(version) for version in versions if version.isdecimal()]
    return str(max(numbers, default=0) + 1)
