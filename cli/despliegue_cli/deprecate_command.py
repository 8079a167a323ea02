"""The command `despliegue deprecate`: arguments in, what callers are told from now on out."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from despliegue_cli.parameters import DEFAULT_MODELS, Models, open_repository

_DAY = ["%Y-%m-%d"]


def deprecate_version(
    wanted: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="The model's version.")],
    since: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="The day, in UTC, it holds from; else today.")
    ] = None,
    sunset: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="The day, in UTC, from which on the version may be gone.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Say it no longer.")] = False,
    models: Models = DEFAULT_MODELS,
) -> None:
    """Tell whoever calls a version that it is on its way out; it goes on answering."""
    from despliegue_cli.packages.deprecate import deprecate, restore

    name, _, version = wanted.partition("@")
    if not version:
        raise typer.BadParameter("expected a model and its version, such as birds@1")
    if undo and (since or sunset):
        raise typer.BadParameter("--undo takes no --since and no --sunset")
    open_repository(models)
    if undo:
        restore(models, name, version)
        print(f"restored    {name} {version}")
        return
    told = deprecate(
        models, name, version, (since or datetime.now(UTC)).date(), sunset.date() if sunset is not None else None
    )
    until = f", may be gone from {told.sunset}" if told.sunset else ""
    print(f"deprecated  {name} {version}, since {told.since}{until}")
    print(f"successor   {told.successor or 'none: every version is deprecated'}")
