"""The commands `despliegue customer add|list|usage|remove`: arguments in, a table or a line out."""

from typing import Annotated, Literal

import msgspec
import orjson
import typer

from despliegue_cli.customers import Customers, Limits
from despliegue_cli.parameters import AsJson

customer_app = typer.Typer(
    help="Manage who may call a deployed stack: an API key each, with what it may ask.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="The customer.")]
Stack = Annotated[str, typer.Option(help="The stack, as CloudFormation calls it.")]
Region = Annotated[str, typer.Option(help="Its AWS region; else the one that AWS's tools are set to.")]


@customer_app.command()
def add(
    name: Name,
    stack: Stack,
    region: Region = "",
    rate: Annotated[float | None, typer.Option(help="Requests a second, over time.", min=0.001)] = None,
    burst: Annotated[int | None, typer.Option(help="Requests at once.", min=1)] = None,
    quota: Annotated[int | None, typer.Option(help="Requests in a period.", min=1)] = None,
    period: Annotated[
        Literal["DAY", "WEEK", "MONTH"] | None, typer.Option(help="What the quota counts over.", case_sensitive=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once. Without limits of its own it has those of the stack."""
    if period and quota is None:
        raise typer.BadParameter(
            f"it needs --quota, how many requests in a {period}; the stack's quota is meant for the stack's period",
            param_hint="--period",
        )
    customers = Customers(stack, region)
    customer, key, limits = customers.add(name, Limits(rate, burst, quota, period))
    if as_json:
        _print_json(msgspec.to_builtins(customer) | {"key": key, "limits": msgspec.to_builtins(limits)})
        return
    plan = "a usage plan of its own" if customer.own_plan else "the usage plan of the stack"
    print(f"added  {customer.name}, in {plan}")
    rates = f"{_rate(limits.rate)} requests a second, {limits.burst:,} at once"
    print(f"limits {rates}, {limits.quota:,} a {limits.period.lower()}")
    for parameter, stacks in customers.exceeded(limits).items():
        print(f"note   the stack's {parameter}, {_rate(stacks)}, holds for all callers together: raise it first")
    print(f"key    {key}")
    print("Hand it over safely: it is not shown again. Callers send it in the header x-api-key.")


@customer_app.command("list")
def list_customers(stack: Stack, region: Region = "", as_json: AsJson = False) -> None:
    """List the customers, without their keys."""
    found = Customers(stack, region).all()
    if as_json:
        _print_json(found)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("name", "key id", "usage plan", "created", "enabled")
    for customer in found:
        plan = f"{customer.plan} (its own)" if customer.own_plan else customer.plan
        created = f"{customer.created:%Y-%m-%d}"
        table.add_row(escape(customer.name), customer.id, plan, created, "✓" if customer.enabled else "")
    Console().print(table)


@customer_app.command()
def usage(
    name: Name,
    stack: Stack,
    region: Region = "",
    days: Annotated[int, typer.Option(help="So many days, today included.", min=1, max=90)] = 30,
    as_json: AsJson = False,
) -> None:
    """Show a customer's requests, day by day, in UTC."""
    found = Customers(stack, region).usage(name, days)
    if as_json:
        _print_json(found)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("day", "requests", "left of the quota")
    for used in found:
        table.add_row(f"{used.day}", f"{used.requests:,}", f"{used.left:,}")
    table.add_section()
    table.add_row("all", f"{sum(used.requests for used in found):,}", "")
    Console().print(table)


@customer_app.command()
def remove(name: Name, stack: Stack, region: Region = "", as_json: AsJson = False) -> None:
    """Take a customer's key away: it is refused from now on."""
    customer = Customers(stack, region).remove(name)
    if as_json:
        _print_json(customer)
        return
    print(f"removed  {customer.name}{' and its usage plan' if customer.own_plan else ''}")


def _rate(number: float) -> str:
    return f"{number:,.10g}"


def _print_json(document: object) -> None:
    print(orjson.dumps(msgspec.to_builtins(document), option=orjson.OPT_INDENT_2).decode())
