"""The report of one file, and the names of everything in the results bucket that belongs to it. No AWS call here."""

from hashlib import sha256
from typing import Any, Final, Literal, Self

import msgspec
import orjson

from despliegue.aws.score_events import CreatedObject
from despliegue.errors import UnscorableFile
from despliegue.scoring.compression import SUFFIXES
from despliegue.scoring.csv_table import CsvTable
from despliegue.scoring.json_lines import JsonLinesTable
from despliegue.scoring.parquet_table import ParquetTable

JOBS: Final = "_jobs/"
"""What the keys of everything that jobs write begin with."""
MAX_KEY: Final = 1024
"""Bytes of a key in UTF-8 (S3 user guide, "Naming Amazon S3 objects")."""
_SCORED_SUFFIXES: Final = tuple(
    extension + packing
    for table in (CsvTable, JsonLinesTable, ParquetTable)
    for extension in table.extensions
    for packing in SUFFIXES.values()
)
"""Every ending that a scored file can have had when the key held something else."""


class UsedModel(msgspec.Struct, frozen=True):
    """The model that scored; version and digest are empty where it is unknown or cannot be loaded."""

    name: str
    version: str = ""
    digest: str = ""


class Input(msgspec.Struct, frozen=True):
    """The object that was scored; see `CreatedObject`."""

    bucket: str
    key: str
    etag: str
    sequencer: str
    size: int


class Output(msgspec.Struct, frozen=True):
    """One object that the job made.

    Attributes:
        key: the name that people look for: a copy.
        etag: of both, without quotes.
        size: in bytes.
        job_key: what the job wrote, and nobody changes.
    """

    key: str
    etag: str
    size: int
    job_key: str


class Rows(msgspec.Struct, frozen=True):
    """Rows read = scored + rejected; all zero where the file could not be read to its end."""

    read: int = 0
    scored: int = 0
    rejected: int = 0


class Timings(msgspec.Struct, frozen=True):
    """When the work began (ISO 8601, UTC), and how long it took: all that may differ between two tries."""

    started: str
    seconds: float
    rows_per_second: int


class Report(msgspec.Struct, frozen=True):
    """What became of one file.

    Attributes:
        status: whether there is a scored file.
        code: the stable name of why there is none, which tells nothing of the file's rows.
        error: why there is none, in words, which may quote them.
        retry: the failure came from without, and the same job may be tried again.
        job: its id (see `job_id`).
        model: what scored.
        input: what was scored.
        format: what was found in it.
        options: how it was read and written.
        rows: how many.
        outputs: `scored` and `rejects`, as far as there are any.
        timings: when and how long.
    """

    status: Literal["scored", "failed"]
    code: str
    error: str
    retry: bool
    job: str
    model: UsedModel
    input: Input
    format: dict[str, Any]
    options: dict[str, Any]
    rows: Rows
    outputs: dict[str, Output]
    timings: Timings

    def encode(self) -> bytes:
        """The report as the object holds it."""
        return orjson.dumps(msgspec.to_builtins(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def decode(cls, body: bytes) -> Self | None:
        """The report in `body`; None where it is not one of ours."""
        try:
            return msgspec.json.decode(body, type=cls)
        except msgspec.MsgspecError:
            return None

    def is_of(self, job: str) -> bool:
        """Whether it settles a job: made by it, and not to be tried again."""
        return self.job == job and not self.retry


def job_id(created: CreatedObject, model: UsedModel, options: str) -> str:
    """SHA-256 in hex over what decides the outputs: bucket, key, ETag, model digest, options.

    Over a JSON array, so that no two lists of texts run together into the same bytes.
    """
    return sha256(orjson.dumps([created.bucket, created.key, created.etag, model.digest, options])).hexdigest()


class ResultKeys(msgspec.Struct, frozen=True):
    """The keys in the results bucket that belong to one job.

    Attributes:
        key: of the input.
        job: the job's id.
    """

    key: str
    job: str

    @property
    def folder(self) -> str:
        """What all that the job itself writes begins with."""
        return f"{JOBS}{self.job}/"

    @property
    def report(self) -> str:
        """The report's; among the job's own where the key is too long for one more ending."""
        key = f"{self.key}.report.json"
        return key if _fits(key) else f"{self.folder}report.json"

    @property
    def friendly(self) -> tuple[str, ...]:
        """Every name that an output of this input can have or have had."""
        endings = (".rejects.jsonl", *(f".scored{suffix}" for suffix in _SCORED_SUFFIXES))
        return tuple(key for ending in endings if _fits(key := self.key + ending))

    def output(self, kind: str, suffix: str) -> tuple[str, str]:
        """The friendly key of an output, and the job's own."""
        return f"{self.key}.{kind}{suffix}", f"{self.folder}{kind}{suffix}"

    def check(self, suffix: str) -> None:
        """Make sure that S3 can hold every result.

        Args:
            suffix: of the scored file.

        Raises:
            UnscorableFile: a key would be too long.
        """
        longest = max((self.key + ending for ending in (".report.json", ".rejects.jsonl", f".scored{suffix}")), key=len)
        if not _fits(longest):
            raise UnscorableFile(
                f"the key is too long: with '{longest.removeprefix(self.key)}' after it, it would be"
                f" {len(longest.encode()):,} bytes, and S3 takes {MAX_KEY:,}"
            )


def _fits(key: str) -> bool:
    return len(key.encode()) <= MAX_KEY
