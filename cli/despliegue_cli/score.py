"""`despliegue score`: files on this machine, by the code that scores them in S3."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from despliegue.errors import DespliegueError, UnscorableFile
from despliegue.models import Model
from despliegue.scoring import Counts, Options, Scoring, TooManyRejects
from despliegue_cli.local_files import Outputs, check_paths, opened
from despliegue_cli.parameters import open_repository
from despliegue_cli.workers import Workers


class Job(msgspec.Struct, frozen=True):
    """One file to score.

    Attributes:
        models: root of the model repository.
        model: `name` or `name@version`.
        source: a path, or `-` for standard input.
        output: a path, or `-` for standard output.
        options: how the file is read and written, as text by name.
        workers: processes that score.
    """

    models: Path
    model: str
    source: str
    output: str
    options: dict[str, str]
    workers: int = 1


class Scored(msgspec.Struct):
    """How far a job is.

    Attributes:
        counts: the rows so far.
        position: bytes of the input that were read.
        size: bytes of the input; None where it is a pipe.
    """

    counts: Counts
    position: int
    size: int | None


def score(job: Job, show: Callable[[Scored], None]) -> dict[str, Any]:
    """Score a file.

    Args:
        job: what is to be done.
        show: called again and again with how far it is.

    Returns:
        The report, as it lies beside the output. Where the file is at fault, `status` is `failed` and `error` says why.

    Raises:
        DespliegueError: the model, an option or a path is at fault; nothing was written.
    """
    check_paths(job.source, job.output)
    name, _, version = job.model.partition("@")
    repository = open_repository(job.models)
    model = repository.get(name, version or None)
    options = Options.read(job.options, model.manifest.scoring)
    report: dict[str, Any] = {
        "status": "scored",
        "error": "",
        "model": {"name": model.name, "version": model.version, "digest": repository.digest(model)},
        "input": {"path": job.source},
        "format": {},
        "options": msgspec.to_builtins(options),
        "rows": msgspec.to_builtins(Counts()),
        "outputs": {},
        "timings": {"started": datetime.now(UTC).isoformat(timespec="milliseconds")},
    }
    clock = time.perf_counter()
    try:
        with opened(job.source) as (source, size), Outputs(job.output) as outputs:
            report["input"]["size"] = size
            _score(job, model, options, source, outputs, report, show)
            seconds = time.perf_counter() - clock
            rate = round(report["rows"]["read"] / seconds)
            report["timings"] |= {"seconds": round(seconds, 3), "rows_per_second": rate}
            outputs.write_report(report)
    except BrokenPipeError:
        raise  # nobody reads the output any more
    except OSError as error:
        raise DespliegueError(f"{error.filename or job.output}: {error.strerror}") from error
    return report


def _score(
    job: Job,
    model: Model,
    options: Options,
    source: BinaryIO,
    outputs: Outputs,
    report: dict[str, Any],
    show: Callable[[Scored], None],
) -> None:
    """Score, and complete the report."""
    size = report["input"]["size"]

    def progress(counts: Counts) -> None:
        show(Scored(counts, source.tell() if size is not None else 0, size))

    try:
        scoring = Scoring.open(model, Path(job.source).name, source, options)
        report["format"] = scoring.facts()
        if job.workers == 1:
            counts = scoring.run(outputs.scored, outputs.rejects, progress)
        else:
            shared = job.source if size is not None else None
            with Workers(job.models, model, shared, options, scoring, job.workers) as workers:
                counts = scoring.run(outputs.scored, outputs.rejects, progress, workers.mapped)
    except UnscorableFile as error:
        report |= {"status": "failed", "error": str(error)}
        if isinstance(error, TooManyRejects):
            report["rows"] = msgspec.to_builtins(error.counts)
            report["outputs"] = outputs.keep("rejects")
    else:
        report["rows"] = msgspec.to_builtins(counts)
        report["outputs"] = outputs.keep("scored", "rejects")
