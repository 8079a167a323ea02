"""The command `despliegue add`: arguments in, what was added and how to call it out."""

from pathlib import Path
from typing import Annotated

import msgspec
import orjson
import typer

from despliegue_cli.parameters import DEFAULT_MODELS, AsJson, Models


def add_model(
    path: Annotated[Path, typer.Argument(help="ONNX, skops, joblib, pickle, XGBoost json or ubj, LightGBM text.")],
    name: Annotated[str | None, typer.Option(help="The model's name; else the file's.")] = None,
    version: Annotated[str | None, typer.Option(help="The version; else the one after the highest.")] = None,
    models: Models = DEFAULT_MODELS,
    sample: Annotated[
        Path | None, typer.Option(help="Rows to compare the package with its original on: CSV, JSON Lines, Parquet.")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Load a pickle, which runs whatever code is in it: say so only of your own.")
    ] = False,
    description: Annotated[str, typer.Option(help="One sentence for whoever calls the model.")] = "",
    as_json: AsJson = False,
) -> None:
    """Put a trained model into the repository, proven on a sample to predict what it did."""
    from despliegue_cli.packages.add import UNVERIFIED, add  # here: only this command needs what converts

    added = add(path, models, name=name, version=version, sample=sample, trust=trust, description=description)
    if as_json:
        print(orjson.dumps(msgspec.to_builtins(added, enc_hook=str), option=orjson.OPT_INDENT_2).decode())
        return
    proof = added.proof
    print(f"added    {added.name} {added.version}, {added.folder}")
    if proof is None:
        print(f"proof    {UNVERIFIED}; --sample takes a file of rows")
    else:
        print(f"proof    {proof.rows:,} rows: labels equal, numbers within {proof.difference:.1e} of the original's")
    print(f"next     despliegue inspect {added.name}; despliegue serve")
