"""10,000 requests a second on Lambda: concurrency, quotas, cost, and what happens in the first minute.

    python -m benchmarks.scale [--json] [--save]

Inputs are what `python -m benchmarks.warm --save`, `.emulator --save` and `.cold --save` left in results/ (without
them, documented figures: the first table says which), AWS's quotas and its prices (benchmarks/scale/aws.py, with their
sources). Concurrency is requests a second times seconds each (Little's law); the first minute is simulated
(benchmarks/scale/simulation.py). Not in it: the network, API Gateway's own latency, Lambda's fetching of code and
layers before a process starts, a slower or faster processor, data transfer, and metrics and storage, which cost little.
"""

import math
from typing import NamedTuple

import numpy as np

from benchmarks import report
from benchmarks.deployment import read_template
from benchmarks.scale import aws, measured
from benchmarks.scale.aws import Account, Use
from benchmarks.scale.measured import Figures
from benchmarks.scale.simulation import Load, simulate
from despliegue.aws.settings import MEGABYTES_PER_CPU

RATE = 10_000.0
MILLISECONDS = (1.0, 10.0, 100.0)
"""How long a request takes: the examples' models are near the first, the others stand for models that cost more."""
MEMORY = (512, 1024, MEGABYTES_PER_CPU)


class Logs(NamedTuple):
    """Bytes a request in the function's log group and in the API's access log."""

    function: int
    access: int

    def use(self, milliseconds: float, megabytes: int = MEGABYTES_PER_CPU, rate: float = RATE) -> Use:
        """What is billed for requests that take so long, on a whole processor or the share that the memory buys."""
        share = min(1.0, megabytes / MEGABYTES_PER_CPU)
        return Use(rate, milliseconds / share, megabytes, self.function, self.access)


def inputs(figures: Figures, logs: Logs) -> list[report.Row]:
    """What the calculation starts from."""
    given = {f"handler, {model}, {rows:,} rows, ms": figure for (model, rows), figure in figures.handler_ms.items()}
    given |= {f"runtime client, {rows:,} rows, ms": figure for rows, figure in figures.runtime_ms.items()}
    given |= {"cold start of the process, ms": figures.cold_ms}
    rows: list[report.Row] = [
        {"input": name, "value": each.value, "source": each.source} for name, each in given.items()
    ]
    rows.append({"input": "function's log, bytes a request", "value": logs.function, "source": "a reply, now"})
    rows.append({"input": "access log, bytes a request", "value": logs.access, "source": "template.yaml"})
    return rows


def bills(logs: Logs) -> list[report.Row]:
    """A month at RATE, line by line, by how long a request takes."""
    uses = {milliseconds: logs.use(milliseconds) for milliseconds in MILLISECONDS}
    months = {milliseconds: aws.month(use) for milliseconds, use in uses.items()}

    def line(name: str, value: dict[float, float]) -> report.Row:
        return {"$ a month": name, **{f"{each:g} ms": f"{value[each]:,.0f}" for each in MILLISECONDS}}

    rows = [line(name, {each: months[each][name] for each in MILLISECONDS}) for name in months[MILLISECONDS[0]]]
    for gateway in ("REST API", "HTTP API"):
        sums = {each: aws.total(months[each], gateway) for each in MILLISECONDS}
        rows.append(line(f"all, with {gateway}", sums))
        millions = {f"{each:g} ms": f"{sums[each] / uses[each].requests * 1e6:.2f}" for each in MILLISECONDS}
        rows.append({"$ a month": f"a million requests, with {gateway}", **millions})
    return rows


def quotas(account: Account) -> list[report.Row]:
    """Requests a second that each quota leaves, in the order in which they bind where a request takes 10 ms."""
    given = {name: parameter.get("Default") for name, parameter in read_template()["Parameters"].items()}
    small = Account(concurrency=10, reserved=0)
    a_day = given["QuotaLimit"] / 86_400
    rows: list[tuple[str, str, list[float]]] = [
        ("QuotaLimit, a key", f"{given['QuotaLimit']:,} a {given['QuotaPeriod'].lower()}", [a_day] * 3),
        ("RateLimit, all and a key", f"{given['RateLimit']}/s, burst {given['BurstLimit']}", [given["RateLimit"]] * 3),
        ("Lambda, a new account", "concurrency 10", [_allowed(small, each) for each in MILLISECONDS]),
        ("API Gateway, some regions", "2,500/s, burst 1,250", [2500.0] * 3),
        ("API Gateway, account", f"{account.gateway_rate:,.0f}/s, burst {account.gateway_burst:,.0f}", [RATE] * 3),
        ("Lambda requests/s", f"10 × concurrency {account.concurrency:,}", [account.lambda_rate] * 3),
        (
            "Lambda concurrency",
            f"{account.concurrency:,}, {account.reserved} of them for files",
            [account.free * 1000 / each for each in MILLISECONDS],
        ),
        (
            "Lambda scaling rate",
            f"{account.environments:,} environments each 10 s",
            [account.environments * 1000 / each for each in MILLISECONDS],
        ),
    ]
    table: list[report.Row] = []
    for name, default, rates in rows:
        by_time = {f"{each:g} ms": rate for each, rate in zip(MILLISECONDS, rates, strict=True)}
        shown = {each: f"{rate:,.3g}" if rate < 10 else f"{rate:,.0f}" for each, rate in by_time.items()}
        binds = ", ".join(each for each, rate in by_time.items() if rate <= RATE)
        table.append({"quota": name, "default": default, **shown, "binds": binds})
    return table


def _allowed(account: Account, milliseconds: float) -> float:
    return min(account.lambda_rate, account.free * 1000 / milliseconds)


def concurrency() -> list[report.Row]:
    """Environments by Little's law, and as many as one moment in a thousand needs."""
    rows: list[report.Row] = []
    for milliseconds in MILLISECONDS:
        mean = RATE * milliseconds / 1000
        most = math.ceil(mean + 3.09 * mean**0.5)
        rows.append({"request ms": f"{milliseconds:g}", "at work, mean": round(mean), "at work, 99.9 %": most})
    return rows


def first_minute(cold_ms: float, seconds: float = 60.0) -> list[report.Row]:
    """What happens when the rate comes."""
    default, raised = Account(), Account(concurrency=3000, gateway_rate=20_000, gateway_burst=10_000)
    base = Load(RATE, seconds, 1.0, cold_ms)
    cases = [
        ("all at once, 1 ms", base, default),
        ("1 ms, quotas raised", base, raised),
        ("1 ms, rising over 30 s", base._replace(ramp=30.0), raised),
        ("1 ms, 50 provisioned", base._replace(provisioned=50), raised),
        ("1 ms, a cold start of 1 s", base._replace(cold_ms=1000.0), raised),
        ("10 ms, quotas raised", base._replace(milliseconds=10.0), raised),
        ("10 ms, 150 provisioned", base._replace(milliseconds=10.0, provisioned=150), raised),
        ("100 ms, default quotas", base._replace(milliseconds=100.0), default),
        ("100 ms, quotas raised", base._replace(milliseconds=100.0), raised),
        ("100 ms, rising over 30 s", base._replace(milliseconds=100.0, ramp=30.0), raised),
    ]
    rows: list[report.Row] = []
    for name, load, account in cases:
        outcome = simulate(load, account)
        p50, p99, p999 = np.percentile(outcome.latencies, (50, 99, 99.9))
        by = ", ".join(f"{quota} {count:,}" for quota, count in outcome.refused.most_common())
        row: report.Row = {"load": name, "environments": outcome.environments, "cold starts": outcome.cold}
        row |= {"429, %": 100 * sum(outcome.refused.values()) / outcome.requests, "429 by": by}
        rows.append(row | {"p50 ms": float(p50), "p99 ms": float(p99), "p99.9 ms": float(p999)})
    return rows


def memory(logs: Logs) -> list[report.Row]:
    """The function's memory, which buys processor time, for the cheapest and the dearest model."""
    rows: list[report.Row] = []
    for milliseconds in (MILLISECONDS[0], MILLISECONDS[-1]):
        for megabytes in MEMORY:
            use = logs.use(milliseconds, megabytes)
            costs = aws.month(use)
            row: report.Row = {"request at 1,769 MB": f"{milliseconds:g} ms", "MB": megabytes, "ms": use.milliseconds}
            row |= {"billed ms": use.billed_ms, "concurrency": round(RATE * use.milliseconds / 1000)}
            rows.append(row | {"Lambda GB-s, $ a month": f"{costs['Lambda GB-s']:,.0f}"})
    return rows


def batching(figures: Figures, logs: Logs) -> list[report.Row]:
    """10,000 rows a second, by how many of them a request has."""
    rows: list[report.Row] = []
    for model, count in figures.handler_ms:
        use = logs.use(figures.busy_ms(model, count), rate=RATE / count)
        cost = aws.total(aws.month(use), "REST API")
        row: report.Row = {"model": model, "rows a request": count, "requests/s": use.rate, "ms": use.milliseconds}
        row |= {"concurrency": use.rate * use.milliseconds / 1000, "$ a month": f"{cost:,.0f}"}
        rows.append(row | {"$ a million rows": f"{cost / (RATE * aws.MONTH_S) * 1e6:.4f}"})
    return rows


def warmth(logs: Logs) -> list[report.Row]:
    """What it costs to have no cold starts, or short ones."""
    rows: list[report.Row] = []
    for milliseconds in MILLISECONDS:
        use = logs.use(milliseconds)
        mean = RATE * milliseconds / 1000
        kept = math.ceil(mean + 3.09 * mean**0.5)
        gigabytes = use.megabytes / 1024
        row: report.Row = {"request ms": f"{milliseconds:g}", "provisioned": kept}
        row |= {"provisioned, $ a month more": f"{aws.provisioned(kept, use):,.0f}"}
        row |= {"kept but idle, $ a month": f"{kept * gigabytes * aws.MONTH_S * aws.PROVISIONED_GB_SECOND:,.0f}"}
        row |= {"SnapStart, a version, $ a month": f"{gigabytes * aws.MONTH_S * aws.SNAPSHOT_GB_SECOND:,.2f}"}
        rows.append(row | {"a million restores, $": f"{1e6 * gigabytes * aws.RESTORE_GB:,.0f}"})
    return rows


def main() -> None:
    """The command."""
    options = report.arguments(__doc__)
    figures, logs = measured.read(), Logs(measured.log_bytes(), measured.access_bytes())
    tables = {
        "concurrency": concurrency(),
        "quotas": quotas(Account()),
        "first-minute": first_minute(figures.cold_ms.value),
        "month": bills(logs),
        "memory": memory(logs),
        "batching": batching(figures, logs),
        "warmth": warmth(logs),
    }
    note = (
        "prices: us-east-1, read 2026-11-28 in stored copies of AWS's pages (benchmarks/scale/aws.py). Not in it: the"
        " network, API Gateway's latency, Lambda's fetching of code before a process starts, data transfer"
    )
    report.show("scale", inputs(figures, logs), options, note, tables)


if __name__ == "__main__":
    main()
