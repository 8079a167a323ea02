"""The command `despliegue add`: arguments in, what was done and how to call the model out."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import orjson
import typer

from despliegue.errors import DespliegueError
from despliegue_cli.describe import as_text
from despliegue_cli.parameters import DEFAULT_MODELS, AsJson, Models

if TYPE_CHECKING:
    from despliegue_cli.packages.add import Added
    from despliegue_cli.packages.improve import Improvements
    from despliegue_cli.proof.proof import Proof


def add_model(
    path: Annotated[Path, typer.Argument(help="ONNX, skops, joblib, pickle, XGBoost json or ubj, LightGBM text.")],
    name: Annotated[str | None, typer.Option(help="The model's name; else the file's.")] = None,
    version: Annotated[str | None, typer.Option(help="The version; else the one after the highest.")] = None,
    models: Models = DEFAULT_MODELS,
    sample: Annotated[
        Path | None,
        typer.Option(
            help="Rows to compare the package with its original on: CSV, JSON Lines, Parquet, npz; a folder of images."
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Load a pickle, which runs whatever code is in it: say so only of your own.")
    ] = False,
    description: Annotated[str, typer.Option(help="One sentence for whoever calls the model.")] = "",
    card: Annotated[
        Path | None, typer.Option(help="Your own text for the model card, Markdown: its use, data, limits.")
    ] = None,
    quantize: Annotated[
        Literal["none", "int8", "fp16"], typer.Option(help="Smaller weights, less exact: the change is measured.")
    ] = "none",
    accept_difference: Annotated[
        bool, typer.Option("--accept-difference", help="Take a package that differs from its original.")
    ] = False,
    publish_examples: Annotated[
        bool, typer.Option("--publish-examples", help="Show callers the sample's first row, not a made-up one.")
    ] = False,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Sign the package with this private key: PEM.")
    ] = None,
    any_size: Annotated[
        bool, typer.Option("--any-size", help="Add it though Lambda's functions would become too large to deploy.")
    ] = False,
    no_measure: Annotated[
        bool, typer.Option("--no-measure", help="Do not time it before and after, which takes some seconds.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put a trained model into the repository, proven on a sample to predict what it did."""
    try:
        from despliegue_cli.packages.add import Options, add  # here: only this command needs what converts
    except ModuleNotFoundError as error:
        from despliegue_cli.convert.originals import missing_module

        raise DespliegueError(missing_module(error.name or "")) from error

    options = Options(
        name=name,
        version=version,
        sample=sample,
        trust=trust,
        description=description,
        quantize="" if quantize == "none" else quantize,
        accept_difference=accept_difference,
        publish_examples=publish_examples,
        card=card,
        private_key=sign,
        any_size=any_size,
        measure=not no_measure,
    )
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        try:
            added = add(path, models, options, lambda step: status.update(f"{step}…"))
        except KeyboardInterrupt:
            print("error: interrupted; nothing was added", file=sys.stderr)
            raise typer.Exit(130) from None
    if as_json:
        print(orjson.dumps(msgspec.to_builtins(added, enc_hook=str), option=orjson.OPT_INDENT_2).decode())
    else:
        _show(added, models)


def _show(added: "Added", models: Path) -> None:
    source = added.source
    print(f"converted  {source.get('estimator', added.name)}, {source['framework']}")
    if repaired := source.get("repaired"):
        print(f"repaired   {repaired}")
    if added.proof is None:
        print("proved     no: without --sample FILE nobody knows whether it predicts what the original does")
    else:
        print(f"proved     {_proved(added.proof, added.skipped)}")
    _show_improvements(added.improvements)
    if missing := source.get("missing"):
        print(f"missing    {missing}")
    print(f"added      {added.name} {added.version}{', the default now' if added.default else ''}: {added.folder}")
    print(f"next       despliegue serve{'' if models == DEFAULT_MODELS else f' --models {shlex.quote(str(models))}'}")
    if added.call:
        print(added.call)


def _proved(proof: "Proof", skipped: int) -> str:
    rows = f"{proof.rows:,} row{'s' if proof.rows != 1 else ''} of the sample and {proof.made_up:,} made-up ones"
    if proof.different:
        words = f"of {rows}, {proof.different:,} differ, by up to {proof.difference:.1e}, and you accepted that"
    else:
        words = f"equal on {rows}; numbers within {proof.difference:.1e} of their output's largest"
    if proof.refused:
        words += f"; the original refuses {proof.refused:,} others ({proof.refusal})"
    if skipped:
        words += f"; {skipped:,} rows do not fit its columns"
    return words


def _show_improvements(found: "Improvements") -> None:
    kept = [f"{step.name} ({step.why})" for step in found.steps if step.kept]
    print(f"improved   {'; '.join(kept) or 'nothing to improve'}")
    if found.accuracy is not None:
        changes = [
            f"{each.output} by up to {each.largest:.2g}"
            if each.changed is None
            else f"{each.output} of {each.changed:.2%} of them"
            for each in found.accuracy.outputs
        ]
        print(f"quantized  {found.quantized}, which changes, on {found.accuracy.rows:,} rows, {', '.join(changes)}")
    from rich.console import Console
    from rich.table import Table

    rows = f"{found.after.batch_rows:,} rows" if found.after.batch_rows else "many rows"
    table = Table("", "size", "load", "1 row", rows, "memory", box=None, padding=(0, 2, 0, 0))
    for name, figures in (("before", found.before), ("after", found.after)):
        table.add_row(
            f"  {name}",
            as_text("size", figures.size),
            _figure(figures.load_ms, "ms"),
            _figure(figures.row_us, "µs"),
            _figure(figures.batch_us, "µs"),
            _figure(figures.memory_mb, "MB"),
        )
    Console().print(table)


def _figure(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.1f} {unit}" if value < 100 else f"{value:,.0f} {unit}"
