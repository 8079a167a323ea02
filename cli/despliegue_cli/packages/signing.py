"""Signatures of packages: made with a private key, checked with its public one, by OpenSSF's model-signing, offline.

The signature, a Sigstore bundle, covers the files of the model as `model_files` has them, `manifest.json` included. It
lies beside them under a hidden name, so that it travels with the folder and is no part of what it signs.
"""

import json
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from despliegue.errors import DespliegueError
from despliegue.models.folder import model_files

if TYPE_CHECKING:
    from model_signing import hashing

SIGNATURE: Final = ".model.sig"


def sign(folder: Path, private_key: Path) -> Path:
    """Sign the package in `folder`; a signature that is there is replaced.

    Args:
        folder: of the version.
        private_key: PEM, an elliptic curve of NIST's, without a password.

    Returns:
        Where the signature is.

    Raises:
        DespliegueError: the key cannot be used, the package cannot be read, or model-signing is not installed.
    """
    with _installed():
        from model_signing import signing  # here: it takes a second to import
    with _key(private_key, "private"):
        configuration = signing.Config()  # type: ignore[no-untyped-call]
        configuration.use_elliptic_key_signer(private_key=private_key)
    real, signature = folder.resolve(), folder / SIGNATURE
    try:
        configuration.set_hashing_config(_hashing(real)).sign(real, signature)
    except (OSError, ValueError) as error:
        raise DespliegueError(f"{folder} cannot be signed: {error}") from error
    return signature


def verify_signature(folder: Path, public_key: Path) -> None:
    """Make sure that the package in `folder` is as the holder of a key signed it.

    Args:
        folder: of the version.
        public_key: PEM.

    Raises:
        DespliegueError: it is not signed, or with another key; a file was changed, added or taken away since; the key
            cannot be used, or model-signing is not installed.
    """
    with _installed():
        from model_signing import verifying
    with _key(public_key, "public"):
        configuration = verifying.Config()  # type: ignore[no-untyped-call]
        configuration.use_elliptic_key_verifier(public_key=public_key)
    signature = folder / SIGNATURE
    if not signature.is_file():
        raise DespliegueError(f"{folder} is not signed: there is no {SIGNATURE} in it")
    real = folder.resolve()
    try:
        configuration.set_hashing_config(_hashing(real)).verify(real, signature)
    except Exception as error:  # of whichever of its libraries could not read what lies there
        what = (str(error).splitlines() or [""])[0]
        if what.startswith("Signature mismatch"):
            reason = f"was changed after it was signed; changed, added or taken away: {_changed(real, signature)}"
        elif not what or what.startswith("Key mismatch"):
            reason = f"is not signed with the key of {public_key}, or its signature was changed"
        else:
            reason = f"has a signature that cannot be checked: {what}"
        raise DespliegueError(f"{folder} {reason}") from error


def _changed(folder: Path, signature: Path) -> str:
    """The files that differ from what a signature, which is in order, says of them."""
    statement = json.loads(b64decode(json.loads(signature.read_bytes())["dsseEnvelope"]["payload"]))
    signed = {file["name"]: file["digest"] for file in statement["predicate"]["resources"]}
    found = _hashing(folder).hash(folder).resource_descriptors()
    differing = signed.items() ^ {file.identifier: file.digest.digest_hex for file in found}.items()
    return ", ".join(sorted({name for name, _ in differing}))


def _hashing(folder: Path) -> "hashing.Config":
    """Hash what `model_files` has, and ignore the rest."""
    from model_signing import hashing

    signed = set(model_files(folder))
    ignored = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path not in signed]
    configuration = hashing.Config()  # type: ignore[no-untyped-call]
    return configuration.set_ignored_paths(paths=ignored, ignore_git_paths=False)


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise DespliegueError(
            f"signing needs model-signing ({error}); install it: pip install 'despliegue[signing]'"
        ) from error


@contextmanager
def _key(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DespliegueError(f"the key {path} cannot be read: {error.strerror}") from error
    except Exception as error:  # cryptography's have no base class, and an RSA key is an AttributeError
        raise DespliegueError(
            f"{path} is no {kind} key that can be used;"
            " expected an elliptic curve's, P-256, P-384 or P-521, in PEM and without a password"
        ) from error
