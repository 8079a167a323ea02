"""`manifest.json`: what ONNX cannot say of a model. Optional; the ONNX file alone gives a working signature."""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import orjson

from despliegue.errors import ModelNotReady, shorten

FILE_NAME = "manifest.json"
PRIVATE_FOLDER = "private"
"""What came from a person's data lies here, is never served and never deployed."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of what the model was trained on.

    Attributes:
        name: as in the training data.
        kind: `number` or `category`.
        missing: what the model takes for a missing value: `NaN` for numbers, usually the empty string for categories;
            None where it takes none.
    """

    name: str
    kind: str = "number"
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What a file of the model was when its manifest was written: size in bytes and SHA-256 in hex."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of one version of a model; every field may be empty.

    Attributes:
        description: one sentence for whoever calls the model.
        features: the columns of the input matrix, or the inputs, in order.
        labels: the classes, in the order of the probability columns.
        source: where the model came from: framework, versions, training script.
        example: a row that may be shown to anyone: nested values for each input, by name.
        files: every file of the version's folder, by its path relative to it.
    """

    description: str = ""
    features: tuple[Feature, ...] = ()
    labels: tuple[str, ...] = ()
    source: dict[str, str] = field(default_factory=dict)
    example: dict[str, Any] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 in hex over everything above, and so over the digest of every file: it names the package."""
        return hashlib.sha256(orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)).hexdigest()

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of the version in `folder`; an empty one where there is none.

        The manifest's own digest and the sizes of the files are checked, which finds a package that was cut short or
        edited by hand at the price of a few stats; full digests are for `add` and the build.

        Raises:
            ModelNotReady: it cannot be read, or does not describe what lies in the folder.
        """
        try:
            document = orjson.loads((folder / FILE_NAME).read_bytes())
        except FileNotFoundError:
            return cls()
        except (OSError, orjson.JSONDecodeError) as error:
            raise ModelNotReady(f"{FILE_NAME} cannot be read: {error}") from error
        try:
            manifest = cls(
                description=document.get("description", ""),
                features=tuple(Feature(**feature) for feature in document.get("features", ())),
                labels=tuple(document.get("labels", ())),
                source=document.get("source", {}),
                example=document.get("example", {}),
                files={path: StoredFile(**stored) for path, stored in document.get("files", {}).items()},
            )
        except (AttributeError, TypeError) as error:
            raise ModelNotReady(f"{FILE_NAME} is not of the expected form: {error}") from error
        manifest._check(folder, document.get("digest"))
        return manifest

    def _check(self, folder: Path, digest: str | None) -> None:
        if digest is not None and digest != self.digest:
            raise ModelNotReady(
                f"{FILE_NAME} was changed after it was written: its digest is {self.digest}, not {shorten(digest)}"
            )
        for path, stored in self.files.items():
            try:
                size = (folder / path).stat().st_size
            except OSError as error:
                raise ModelNotReady(f"{FILE_NAME} lists {path}, which is not there") from error
            if size != stored.size:
                raise ModelNotReady(f"{path} has {size:,} bytes, but {FILE_NAME} says {stored.size:,}")

    def describe(self, folder: Path) -> Self:
        """This manifest with `files` as they are in `folder` now; every file is read, to be digested."""
        return replace(self, files=dict(_stored_files(folder)))

    def write(self, folder: Path) -> None:
        """Describe the files in `folder` and write `manifest.json` beside them; same input, same bytes."""
        described = self.describe(folder)
        document: dict[str, Any] = {"digest": described.digest, **asdict(described)}
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        (folder / FILE_NAME).write_bytes(text)


def _stored_files(folder: Path) -> Iterator[tuple[str, StoredFile]]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and relative.parts[0] != PRIVATE_FOLDER and relative.name != FILE_NAME:
            with path.open("rb") as file:
                yield (
                    relative.as_posix(),
                    StoredFile(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()),
                )
