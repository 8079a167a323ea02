"""The commands on packages that are there: `verify`, `sign`, `default`, `remove`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import orjson
import typer

from despliegue.errors import DespliegueError
from despliegue.models import ModelRepository
from despliegue_cli.parameters import DEFAULT_MODELS, AsJson, Models, open_repository

if TYPE_CHECKING:
    from despliegue_cli.packages.verify import Verified

Wanted = Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="The model, or model@version.")]


def verify_packages(
    wanted: Annotated[str, typer.Argument(metavar="[NAME[@VERSION]]", help="The model, or model@version.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every version of every model.")] = False,
    public_key: Annotated[
        Path | None, typer.Option(help="Refuse what is not signed with this key's private one: PEM.")
    ] = None,
    models: Models = DEFAULT_MODELS,
    as_json: AsJson = False,
) -> None:
    """Check a package: its digests, its signature, and that it still predicts what its original did."""
    from despliegue_cli.packages.verify import NotVerified, verify, verify_all  # here: only this command needs them

    repository = open_repository(models)
    if every == bool(wanted):
        raise typer.BadParameter("expected a model, or --all")
    if every:
        outcomes = verify_all(models, public_key)
    else:
        name, version = _named(repository, wanted)
        outcomes = iter([verify(models, name, version, public_key)])
    found = []
    for outcome in outcomes:
        found.append(outcome)
        if isinstance(outcome, NotVerified):
            print(f"error: {outcome.error}", file=sys.stderr)
        elif not as_json:
            print(f"verified {outcome.name} {outcome.version}: {_words(outcome)}")
    if as_json:
        print(orjson.dumps(msgspec.to_builtins(found), option=orjson.OPT_INDENT_2).decode())
    if any(isinstance(outcome, NotVerified) for outcome in found):
        raise typer.Exit(1)


def _named(repository: ModelRepository, wanted: str) -> tuple[str, str]:
    """Name and version of NAME[@VERSION]."""
    name, _, version = wanted.partition("@")
    return name, version or repository.default_version(name)


def _words(verified: "Verified") -> str:
    replayed = (
        f"{verified.rows:,} examples replayed, numbers within {verified.difference:.1e}"
        if verified.examples
        else "no examples to replay (they are in private/, which does not travel with it)"
    )
    signed = "signature in order, " if verified.signed else ""
    return f"{verified.files:,} files in order, {signed}{replayed}"


def sign_package(
    wanted: Wanted,
    private_key: Annotated[Path, typer.Argument(help="PEM, an elliptic curve's, without a password.")],
    models: Models = DEFAULT_MODELS,
) -> None:
    """Sign a package, so that others can check who made it."""
    from despliegue_cli.packages.signing import sign

    repository = open_repository(models)
    name, version = _named(repository, wanted)
    repository.get(name, version)  # there, and loadable: a signature on anything else would mislead
    print(f"signed   {name} {version}, {sign(models / name / version, private_key)}")


def choose_default(
    name: Annotated[str, typer.Argument(help="The model.")],
    version: Annotated[str | None, typer.Argument(help="The version that is meant when none is named.")] = None,
    highest: Annotated[bool, typer.Option("--highest", help="The highest version, whichever that is.")] = False,
    models: Models = DEFAULT_MODELS,
) -> None:
    """Choose the version of a model that answers when none is named."""
    from despliegue_cli.packages.repository_changes import set_default

    if highest == (version is not None):
        raise typer.BadParameter("expected a version, or --highest")
    print(f"default  {name} {set_default(models, name, version)}{', the highest' if highest else ''}")


def remove_package(
    wanted: Wanted,
    every: Annotated[bool, typer.Option("--all", help="The model with all its versions.")] = False,
    models: Models = DEFAULT_MODELS,
) -> None:
    """Remove a version of a model, or all of it; its sample events too."""
    from despliegue_cli.packages.description.events import remove_events
    from despliegue_cli.packages.repository_changes import remove

    name, _, version = wanted.partition("@")
    if every and version:
        raise DespliegueError(f"--all removes every version of '{name}'; leave out '@{version}'")
    for gone in remove(models, name, version or None, every_version=every):
        remove_events(models, name, gone)
        print(f"removed  {name} {gone}")
