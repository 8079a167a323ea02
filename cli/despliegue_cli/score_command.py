"""The command `despliegue score`: arguments in, a progress bar while it works, a summary out."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from despliegue_cli.parameters import DEFAULT_MODELS, PIPE, AsJson, Models

if TYPE_CHECKING:
    from despliegue_cli.score import Scored


def score_file(
    source: Annotated[str, typer.Argument(metavar="INPUT", help="CSV, JSON Lines or Parquet; - for standard input.")],
    output: Annotated[
        str,
        typer.Argument(
            metavar="OUTPUT", help="The scored file; rejects and report lie beside it. - for standard output."
        ),
    ],
    model: Annotated[str, typer.Option(help="The model, or model@version.")],
    models: Models = DEFAULT_MODELS,
    delimiter: Annotated[str | None, typer.Option(help="Between fields of CSV, instead of finding it.")] = None,
    header: Annotated[bool | None, typer.Option(help="Whether CSV has a header, instead of finding out.")] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="Write this column before the predictions, instead of all.")
    ] = None,
    join: Annotated[
        bool | None,
        typer.Option(help="Write the input's columns too (default), or the predictions alone."),
    ] = None,
    reject_threshold: Annotated[
        str | None, typer.Option(help="Fail if more than this share of the rows is rejected, such as 5%.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that score.", min=1, max=64)] = 1,
    as_json: AsJson = False,
) -> None:
    """Score a file: its rows, with the model's predictions."""
    from despliegue_cli.score import Job, score  # here: only this command needs what reads tables

    if as_json and output == PIPE:
        raise typer.BadParameter("--json and OUTPUT - would both write to standard output")
    given = {
        "delimiter": delimiter,
        "header": None if header is None else str(header).lower(),
        "id": id_column,
        "join": None if join is None else str(join).lower(),
        "reject-threshold": reject_threshold,
    }
    options = {name: text for name, text in given.items() if text is not None}
    try:
        with _progress(sys.stderr.isatty() and not as_json) as show:
            report = score(Job(models, model, source, output, options, workers), show)
    except BrokenPipeError:
        # Whoever read standard output has seen enough; and nothing more may be written to it, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        print("error: interrupted; nothing was written", file=sys.stderr)
        raise typer.Exit(130) from None
    if missing := report["format"].get("missing_features"):
        print(f"warning: the file has no column for {', '.join(missing)}: taken as missing", file=sys.stderr)
    if as_json:
        print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        print(_summary(report, output), file=sys.stderr if output == PIPE else sys.stdout)
    if report["status"] == "failed":
        raise typer.Exit(1)


def _summary(report: dict[str, Any], output: str) -> str:
    rows = report["rows"]
    counted = f"{rows['read']:,} rows read, {rows['scored']:,} scored, {rows['rejected']:,} rejected"
    result = f"error: {report['error']}" if report["status"] == "failed" else counted
    files = {kind: kept["path"] for kind, kept in report["outputs"].items()}
    if output != PIPE:
        files["report"] = f"{output}.report.json"
    return "\n".join([result, *(f"{kind:<8} {path}" for kind, path in files.items())])


@contextmanager
def _progress(visible: bool) -> Iterator[Callable[["Scored"], None]]:
    """A progress bar on standard error, while the block runs; what it yields moves it."""
    if not visible:
        yield lambda scored: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows  {task.fields[rate]:,}/s  {task.fields[rejected]:,} rejected"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, rows=0, rate=0, rejected=0)

        def show(scored: "Scored") -> None:
            rate = round(scored.counts.read / max(bar.tasks[0].elapsed or 0, 0.001))
            bar.update(
                task,
                total=scored.size,
                completed=scored.position,
                rows=scored.counts.read,
                rate=rate,
                rejected=scored.counts.rejected,
            )

        yield show
