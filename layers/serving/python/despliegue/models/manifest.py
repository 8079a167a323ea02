"""`manifest.json`: what ONNX cannot say of a model. Optional; the ONNX file alone gives a working signature."""

import math
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self

import msgspec
import orjson

from despliegue.errors import ModelNotReady, shorten
from despliegue.models.folder import model_files

try:
    # CPython's own, as its module random takes it: hashlib loads OpenSSL, 4 MB and a twentieth of the cold start.
    from _sha2 import sha256
except ImportError:
    from hashlib import sha256

FILE_NAME = "manifest.json"
FORMAT = 1
"""The version of the form of `manifest.json`, which `docs/manifest.schema.json` describes. Fields are only added to it:
a higher one is for what an older Despliegue would understand wrongly."""

MOST_CHOICES = 50
MOST_CHARACTERS = 100
"""Of a choice."""

type _Choice = Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_CHARACTERS)]
type _Choices = Annotated[tuple[_Choice, ...], msgspec.Meta(min_length=1, max_length=MOST_CHOICES)]


class Feature(msgspec.Struct, frozen=True):
    """One column of what the model was trained on.

    Attributes:
        name: as in the training data.
        kind: `number` or `category`.
        missing: what the model takes for a missing value: `NaN` for numbers, usually the empty string for categories;
            None where it takes none.
        usual: the range that numbers usually lie in, the lower end first. What is outside is taken too.
        choices: texts to choose from. Others are taken too.
    """

    name: str
    kind: str = "number"
    missing: str | None = None
    # Left out where they are not known, so that a manifest from before they were there keeps its digest.
    usual: tuple[float, float] | msgspec.UnsetType = msgspec.UNSET
    choices: _Choices | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        """Refuse what can be neither.

        Raises:
            ValueError: the range is not finite or not in order, or a choice is there twice.
        """
        if self.usual and not -math.inf < self.usual[0] <= self.usual[1] < math.inf:
            low, high = self.usual
            raise ValueError(
                f"feature {shorten(self.name)} is usually {low:g} to {high:g}; expected finite numbers, the lower first"
            )
        if self.choices and len(set(self.choices)) < len(self.choices):
            raise ValueError(f"feature {shorten(self.name)} has a choice twice; expected choices that all differ")

    @property
    def usual_words(self) -> str:
        """The range in words, such as `33 to 60`; empty where it is not known."""
        return " to ".join(f"{bound:.15g}" for bound in self.usual) if self.usual else ""


class StoredFile(msgspec.Struct, frozen=True):
    """What a file of the model was when its manifest was written.

    Attributes:
        size: in bytes.
        sha256: SHA-256 in hex.
    """

    size: int
    sha256: str


class Verification(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a package compared with the model that it was made from.

    Attributes:
        rows: of the sample, that both predicted.
        made_up: further rows, with missing values, boundaries and unseen categories, that both predicted.
        labels: of how many of them the labels differ, but for ties.
        difference: the largest between numbers, relative to a usual one of their column.
        tolerance: what was allowed.
        accepted: whether a person took it although it differs by more.
        skipped: rows of the sample that do not fit the features, and so were not compared.
        refused: rows of the sample that the original refuses, and so were not compared.
    """

    rows: int
    made_up: int = 0
    labels: int = 0
    difference: float = 0.0
    tolerance: float = 0.0
    accepted: bool = False
    skipped: int = 0
    refused: int = 0


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The manifest of one version of a model; every field may be empty.

    Attributes:
        description: one sentence for whoever calls the model.
        features: the columns of the input matrix, or the inputs, in order.
        labels: the classes, in the order of the probability columns.
        source: where the model came from: framework, versions, training script.
        verification: how it compared with what it was made from; None where nobody compared it.
        scoring: options for files, as text by name (`despliegue.scoring.Options`), where who sends one says nothing.
        example: a request that may be shown to anyone: nested values for each input, by name.
        files: every file of the model, by its path relative to the version's folder.
    """

    description: str = ""
    features: tuple[Feature, ...] = ()
    labels: tuple[str, ...] = ()
    source: dict[str, str] = {}
    verification: Verification | None = None
    scoring: dict[str, str] = {}
    example: dict[str, Any] = {}
    files: dict[str, StoredFile] = {}

    @property
    def digest(self) -> str:
        """SHA-256 in hex over everything above, and so over the digest of every file: it names the package."""
        return _digest(self._document())

    def _document(self) -> dict[str, Any]:
        return {"format": FORMAT, **msgspec.to_builtins(self)}

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of the version in `folder`; an empty one where there is none. Unknown keys are ignored.

        The manifest's own digest and the sizes of the files are checked, which finds a package that was cut short or
        edited by hand at the price of a few stats; full digests are for `add` and the build.

        Raises:
            ModelNotReady: it cannot be read, or does not describe what lies in the folder.
        """
        document = read_object(folder / FILE_NAME)
        if document is None:
            return cls()
        # Over what was stored, not what was understood, so that a field of a later version breaks nothing here.
        digest = document.pop("digest", None)
        form = document.get("format", FORMAT)
        if not isinstance(form, int) or form > FORMAT:
            raise ModelNotReady(
                f"{FILE_NAME} is of format {shorten(form)}; this Despliegue knows those up to {FORMAT}: update it"
            )
        if digest not in (None, actual := _digest(document)):
            raise ModelNotReady(
                f"{FILE_NAME} was changed after it was written: its digest is {actual}, not {shorten(digest)}"
            )
        try:
            manifest = msgspec.convert(document, cls)
        except msgspec.ValidationError as error:
            raise ModelNotReady(f"{FILE_NAME} is not of the expected form: {error}") from error
        manifest._check_sizes(folder)
        return manifest

    def _check_sizes(self, folder: Path) -> None:
        for path, stored in self.files.items():
            if "\0" in path or not path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise ModelNotReady(f"{FILE_NAME} lists {shorten(path)}, which is no path within the model's folder")
            try:
                size = (folder / path).stat().st_size
            except OSError as error:
                raise ModelNotReady(f"{FILE_NAME} lists {path}, which is not there") from error
            if size != stored.size:
                raise ModelNotReady(f"{path} has {size:,} bytes, but {FILE_NAME} says {stored.size:,}")

    def describe(self, folder: Path) -> Self:
        """This manifest with `files` as they are in `folder` now; every file is read, to be digested."""
        from hashlib import file_digest  # here: it loads OpenSSL, which reading a manifest can do without

        files = {}
        for path in model_files(folder):
            relative = path.relative_to(folder).as_posix()
            if relative != FILE_NAME:
                with path.open("rb") as file:
                    files[relative] = StoredFile(path.stat().st_size, file_digest(file, "sha256").hexdigest())
        return msgspec.structs.replace(self, files=files)

    def write(self, folder: Path) -> None:
        """Describe the files in `folder` and write `manifest.json` beside them; same input, same bytes."""
        described = self.describe(folder)
        document: dict[str, Any] = {"digest": described.digest, **described._document()}
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        (folder / FILE_NAME).write_bytes(text)


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in the file at `path`; None where there is no such file.

    Raises:
        ModelNotReady: it cannot be read, or is no JSON object. The message does not say where it lies.
    """
    try:
        document = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelNotReady(f"{path.name} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise ModelNotReady(f"{path.name} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise ModelNotReady(
            f"{path.name} is not of the expected form: Expected `object`, got `{type(document).__name__}`"
        )
    return document


def _digest(document: dict[str, Any]) -> str:
    digest: str = sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return digest
