"""Whether a package in the repository is what was added: every byte of it, and what it predicts on this machine."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from despliegue.errors import DespliegueError, ModelNotFound, ModelNotReady, shorten
from despliegue.features.schema import listed
from despliegue.models import Manifest, Model, ModelRepository, SessionSettings
from despliegue.models.folder import PRIVATE
from despliegue.models.manifest import FILE_NAME, read_object
from despliegue.models.repository import NAME_PATTERN
from despliegue_cli.convert import Reference
from despliegue_cli.proof.examples import read_examples
from despliegue_cli.proof.proof import prove


class Verified(msgspec.Struct, frozen=True):
    """A package that is as it was added.

    Attributes:
        name: the model's.
        version: the version's.
        digest: SHA-256 in hex, which names the package.
        files: how many files were digested.
        examples: whether there were examples to replay. They are private: they do not travel in the layer.
        signed: whether it is signed with the key that was asked for.
        rows: examples replayed.
        labels: of how many of them labels differ: none.
        difference: the largest between numbers, relative to a usual one of their column.
    """

    name: str
    version: str
    digest: str
    files: int
    examples: bool
    signed: bool = False
    rows: int = 0
    labels: int = 0
    difference: float = 0.0


class NotVerified(msgspec.Struct, frozen=True):
    """A package that is not as it was added, or of which nobody can tell.

    Attributes:
        name: the model's.
        version: the version's.
        error: why.
    """

    name: str
    version: str
    error: str


def verify(models: Path, name: str, version: str, public_key: Path | None = None) -> Verified:
    """Digest every file of a package, and replay its examples, all at once and in batches of one and two.

    Args:
        models: root of the repository.
        name: the model's.
        version: the version's.
        public_key: PEM; a package that is not signed with its private one is refused.

    Raises:
        ModelNotFound: there is no such model or version.
        DespliegueError: it has no manifest, is not what that says, is not signed with that key, cannot be loaded, or
            predicts something else.
    """
    folder = models / name / version
    is_there = all(map(NAME_PATTERN.fullmatch, (name, version))) and (folder / FILE_NAME).is_file()
    if not is_there and version not in (versions := ModelRepository(models).versions(name)):
        raise ModelNotFound(f"model '{name}' has no version {shorten(version)}; it has {listed(versions)}")
    if public_key is not None:
        from despliegue_cli.packages.signing import verify_signature  # here: few need it

        verify_signature(folder, public_key)
    try:
        manifest = _check_files(folder)
        model = Model.load(folder, name, version, SessionSettings())
    except ModelNotReady as error:
        raise ModelNotReady(f"model '{name}' version {version}: {error}") from error
    verified = Verified(
        name, version, manifest.digest, len(manifest.files), examples=False, signed=public_key is not None
    )
    examples = read_examples(folder)
    if examples is None:
        return verified
    rows = examples.rows
    reference = Reference(examples.outputs, np.ones(len(rows), bool))
    is_accepted = manifest.verification is not None and manifest.verification.accepted
    proof = prove(model, rows, reference, in_batches=not is_accepted)
    if proof.different:
        raise DespliegueError(
            f"model '{name}' version {version} does not predict what it did when it was added, on {proof.summary()}"
        )
    return msgspec.structs.replace(
        verified, examples=True, rows=len(rows), labels=proof.labels, difference=proof.difference
    )


def verify_all(models: Path, public_key: Path | None = None) -> Iterator[Verified | NotVerified]:
    """Verify every version of every model, by name and version; those too whose `model.onnx` is missing.

    Args:
        models: root of the repository.
        public_key: as for `verify`.

    Raises:
        DespliegueError: there are none.
    """
    known = ModelRepository(models).index()
    manifests = sorted(path.parent for path in models.glob(f"*/*/{FILE_NAME}"))
    for folder in manifests:
        name, version = folder.parent.name, folder.name
        if PRIVATE not in (name, version) and all(map(NAME_PATTERN.fullmatch, (name, version))):
            versions = known.setdefault(name, [])
            if version not in versions:
                versions.append(version)
    if not known:
        raise DespliegueError(f"there is no model in {models}")
    for name, versions in sorted(known.items()):
        for version in versions:
            try:
                yield verify(models, name, version, public_key)
            except DespliegueError as error:
                yield NotVerified(name, version, str(error))


def _check_files(folder: Path) -> Manifest:
    """The manifest, after every file of the package was digested.

    Raises:
        ModelNotReady: there is none, or files are missing, changed, or not listed.
    """
    document = read_object(folder / FILE_NAME)
    if document is None or "digest" not in document or not document.get("files"):
        raise ModelNotReady(
            f"it has no {FILE_NAME} with digests, so there is nothing to verify it against; `despliegue add` writes one"
        )
    manifest = Manifest.read(folder)
    found = manifest.describe(folder).files
    problems = [f"{path} is not there" for path in manifest.files if path not in found]
    problems += [f"{path} is not in {FILE_NAME}" for path in found if path not in manifest.files]
    problems += [
        f"{path} was changed: its SHA-256 is {found[path].sha256[:12]}…, not {stored.sha256[:12]}…"
        for path, stored in manifest.files.items()
        if path in found and found[path] != stored
    ]
    if problems:
        raise ModelNotReady(f"it is not the package that was added: {'; '.join(problems)}")
    return manifest
