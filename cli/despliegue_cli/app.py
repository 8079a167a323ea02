"""The command line: arguments in, one call, a table or a line out.

What a command alone needs, and takes long to import, is imported within it: `serve` starts without the rest.
"""

import errno
import os
import socket
import sys
from contextlib import ExitStack
from typing import Annotated, Literal

import orjson
import typer

from despliegue.errors import DespliegueError
from despliegue.http.cors import check_origins
from despliegue_cli import describe, inbox
from despliegue_cli.add_command import add_model
from despliegue_cli.console_command import open_console
from despliegue_cli.customer_command import customer_app
from despliegue_cli.deprecate_command import deprecate_version
from despliegue_cli.package_commands import choose_default, remove_package, sign_package, verify_packages
from despliegue_cli.parameters import DEFAULT_MODELS, AsJson, Models, open_repository
from despliegue_cli.score_command import score_file
from despliegue_cli.server import ServerSettings, create_application

app = typer.Typer(
    name="despliegue",
    help="A trained model, served: an HTTPS API and an S3 file scorer on AWS Lambda, and the same on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command("add")(add_model)
app.command("score")(score_file)
app.command("console")(open_console)
app.command("deprecate")(deprecate_version)
app.add_typer(customer_app, name="customer")
app.command("verify")(verify_packages)
app.command("sign")(sign_package)
app.command("default")(choose_default)
app.command("remove")(remove_package)


@app.command("list")
def list_models(models: Models = DEFAULT_MODELS, as_json: AsJson = False) -> None:
    """List the models of the repository with their versions."""
    repository = open_repository(models)
    rows = describe.models(repository)
    for sentence in describe.strays(repository):
        print(f"warning: {sentence}", file=sys.stderr)
    if as_json:
        _print_json(rows)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("model", "version", "default", "proven", "size", "description")
    for row in rows:
        size, description = describe.as_text("size", row["size"]), escape(row["description"])
        marks = ["✓" if row[key] else "" for key in ("default", "proven")]
        table.add_row(row["name"], row["version"], *marks, size, description)
    Console().print(table)


@app.command()
def inspect(
    name: Annotated[str, typer.Argument(help="The model, or model@version.")],
    models: Models = DEFAULT_MODELS,
    as_json: AsJson = False,
) -> None:
    """Show a model's signature, labels, size and digest."""
    facts = describe.model(open_repository(models), name)
    if as_json:
        _print_json(facts)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for key, value in facts.items():
        table.add_row(f"[bold]{key}", escape(describe.as_text(key, value)))
    Console().print(table)


@app.command()
def serve(
    port: Annotated[int, typer.Option(envvar="PORT", help="The port.", min=1, max=65535)] = 8080,
    host: Annotated[str, typer.Option(help="The address; 0.0.0.0 opens it to the network.")] = "127.0.0.1",
    models: Models = DEFAULT_MODELS,
    api_key: Annotated[str, typer.Option(help="What callers must send in x-api-key.", envvar="API_KEY")] = "",
    limits: Annotated[
        Literal["none", "lambda"], typer.Option(help="lambda refuses what the cloud would: size and time.")
    ] = "none",
    default_model: Annotated[
        str,
        typer.Option(
            envvar="DESPLIEGUE_DEFAULT_MODEL",
            help="The model, or model@version, that /invocations means where there are several.",
        ),
    ] = "",
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(help="A web page's origin, such as https://example.org, or *: pages of it may call. Repeatable."),
    ] = None,
    with_inbox: Annotated[
        bool, typer.Option("--inbox", help="Also score files that are dropped into a local S3, emptied at stop.")
    ] = False,
    inbox_port: Annotated[
        int | None,
        typer.Option(
            envvar="INBOX_PORT",
            help="The inbox's port, which implies --inbox; else the one after --port, if that is free.",
            min=1,
            max=65535,
        ),
    ] = None,
) -> None:
    """Serve the repository's models over HTTP on this machine."""
    open_repository(models)
    origins = tuple(cors_origin or ())
    check_origins(origins)
    from despliegue_cli.http_server import serve as serve_http  # here: only this command needs it

    with ExitStack() as stack:
        inbox_listener = stack.enter_context(inbox.listen(inbox_port, port)) if with_inbox or inbox_port else None
        listener = stack.enter_context(_listen(host, port))
        settings = ServerSettings(
            models.resolve(),
            listener.getsockname()[0],
            port,
            api_key,
            limits,
            inbox_listener.getsockname()[1] if inbox_listener else 0,
            default_model=default_model,
            origins=origins,
        )
        if inbox_listener:
            stack.enter_context(inbox.running(models.resolve(), inbox_listener))
        is_done = serve_http(create_application(settings), listener)
    if not is_done:
        print("stopped with inferences unfinished", file=sys.stderr, flush=True)
        os._exit(1)  # an inference cannot be stopped, and Python would wait for it


def _listen(host: str, port: int) -> socket.socket:
    """A socket at `host` and `port`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"{os.strerror(error.errno)}; --port takes another one"
            raise DespliegueError(f"cannot listen on {host}:{port}: {reason}") from error
        raise DespliegueError(
            f"cannot listen on {host}:{port}: {error.strerror}; --host is an address of this machine, 127.0.0.1 for it"
            " alone"
        ) from error


def _print_json(document: object) -> None:
    print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
