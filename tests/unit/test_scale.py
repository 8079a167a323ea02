"""The simulation of benchmarks/scale against what queueing theory says, and its prices against AWS's own examples."""

import json
import math
import re
from pathlib import Path

import pytest
from benchmarks import report
from benchmarks.scale import __main__ as scale
from benchmarks.scale import measured
from benchmarks.scale.aws import GB_SECOND, HTTP, LAMBDA_LOGS, REST, Account, Use, month, tiered, total
from benchmarks.scale.simulation import Load, simulate

NO_LIMITS = Account(concurrency=10**6, reserved=0, environments=10**6, gateway_rate=math.inf, gateway_burst=math.inf)


def erlang_b(servers: int, offered: float) -> float:
    """The share that is lost where `servers` take what comes and nothing waits; any distribution of times gives it."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked


def test_littles_law_holds() -> None:
    outcome = simulate(Load(rate=1000, seconds=60, milliseconds=50, cold_ms=0), NO_LIMITS)

    assert outcome.busy == pytest.approx(1000 * 0.050, rel=0.03)
    assert not outcome.refused


@pytest.mark.parametrize("servers", [45, 50, 60])
def test_concurrency_refuses_what_erlangs_formula_says(servers: int) -> None:
    account = NO_LIMITS._replace(concurrency=servers, per_concurrency=10**6)

    outcome = simulate(Load(rate=1000, seconds=120, milliseconds=50, cold_ms=0), account)

    assert set(outcome.refused) == {"concurrency"}
    assert outcome.refused["concurrency"] / outcome.requests == pytest.approx(erlang_b(servers, 50), rel=0.15)
    assert outcome.environments <= servers


def test_what_others_reserve_is_not_there() -> None:
    outcome = simulate(
        Load(rate=1000, seconds=5, milliseconds=100, cold_ms=0), NO_LIMITS._replace(concurrency=50, reserved=20)
    )

    assert outcome.environments == 30


def test_environments_come_no_faster_than_the_scaling_rate() -> None:
    load = Load(rate=4000, seconds=5, milliseconds=1000, cold_ms=0)

    outcome = simulate(load, NO_LIMITS._replace(environments=1000))

    assert outcome.environments == pytest.approx(1000 + 5 * 100, abs=2)
    assert set(outcome.refused) == {"scaling rate"}


def test_a_step_starts_an_environment_for_each_request_of_the_first_cold_start() -> None:
    outcome = simulate(Load(rate=2000, seconds=10, milliseconds=1, cold_ms=200), NO_LIMITS)

    assert outcome.cold == pytest.approx(2000 * 0.201, rel=0.1)
    assert outcome.latencies.max() > 200


def test_provisioned_environments_leave_no_cold_start() -> None:
    load = Load(rate=2000, seconds=10, milliseconds=10, cold_ms=200)

    assert simulate(load._replace(provisioned=60), NO_LIMITS).cold == 0
    assert 0 < simulate(load._replace(provisioned=22), NO_LIMITS).cold < simulate(load, NO_LIMITS).cold


def test_a_slow_rise_needs_fewer_environments_than_a_step() -> None:
    load = Load(rate=2000, seconds=20, milliseconds=1, cold_ms=200)

    assert simulate(load._replace(ramp=15), NO_LIMITS).environments < simulate(load, NO_LIMITS).environments / 5


def test_a_ramp_sends_half_of_what_a_step_does_while_it_rises() -> None:
    load = Load(rate=2000, seconds=10, milliseconds=1, cold_ms=0, ramp=10)

    assert simulate(load, NO_LIMITS).requests == pytest.approx(10_000, rel=0.05)


def test_idle_environments_are_gone_after_their_time() -> None:
    load = Load(rate=0.5, seconds=2000, milliseconds=1, cold_ms=100)

    kept, seldom = (simulate(load._replace(idle=idle), NO_LIMITS) for idle in (1e9, 2))

    assert kept.cold == kept.environments < 4
    assert seldom.cold / seldom.requests == pytest.approx(math.exp(-1), rel=0.1)  # no arrival in 2 s at 0.5 a second


@pytest.mark.parametrize(
    ("quota", "account"),
    [
        ("API Gateway requests/s", NO_LIMITS._replace(gateway_rate=1500, gateway_burst=500)),
        ("Lambda requests/s", NO_LIMITS._replace(concurrency=150)),
    ],
)
def test_a_rate_above_a_quota_is_cut_to_it(quota: str, account: Account) -> None:
    outcome = simulate(Load(rate=2000, seconds=60, milliseconds=1, cold_ms=0), account)

    assert set(outcome.refused) == {quota}
    assert outcome.refused[quota] / outcome.requests == pytest.approx(1 - 1500 / 2000, abs=0.02)


def test_the_same_seed_gives_the_same_outcome() -> None:
    load = Load(rate=500, seconds=5, milliseconds=20, cold_ms=100)

    first, again, other = (simulate(load, Account(), seed) for seed in (1, 1, 2))

    assert first.latencies.tolist() == again.latencies.tolist() != other.latencies.tolist()


def test_no_requests_are_no_error() -> None:
    assert simulate(Load(rate=1, seconds=1e-9, milliseconds=1, cold_ms=1), Account()).requests == 0


def test_tiers_add_up_as_in_the_published_examples() -> None:
    assert tiered(60_000, LAMBDA_LOGS) == pytest.approx(12_500)  # 60 TB of Lambda's logs, from $30,000 down
    assert tiered(100e6, REST) == pytest.approx(350)
    assert tiered(1e9, HTTP) == pytest.approx(300 + 630)
    assert tiered(7e9, GB_SECOND) == pytest.approx(6e9 * 0.0000166667 + 1e9 * 0.000015)


def test_a_month_is_billed_by_whole_milliseconds_and_one_kind_of_api() -> None:
    use = Use(rate=1000, milliseconds=1.2, megabytes=1024, log_bytes=500, access_bytes=400)

    costs = month(use)

    assert use.billed_ms == 2
    assert Use(1000, 3.0, 1024, 0, 0).billed_ms == 3
    assert costs["Lambda requests"] == pytest.approx(1000 * 730 * 3600 * 0.2e-6)
    assert costs["Lambda GB-s"] == pytest.approx(1000 * 730 * 3600 * 0.002 * 0.0000166667)
    assert total(costs, "REST API") - total(costs, "HTTP API") == pytest.approx(costs["REST API"] - costs["HTTP API"])


def test_a_figure_that_was_not_measured_names_the_command_that_measures_it(tmp_path: Path) -> None:
    figures = measured.read(tmp_path)

    assert figures.cold_ms.value > 0
    assert "python -m benchmarks.cold --save" in figures.cold_ms.source


def test_a_measured_figure_is_taken_from_its_file(tmp_path: Path) -> None:
    rows = [{"process": "python -c pass", "ms": 9}, {"process": "first reply", "ms": 123.4}]
    (tmp_path / "cold.json").write_text(json.dumps({"rows": rows}))

    figure = measured.read(tmp_path).cold_ms

    assert (figure.value, figure.source) == (123.4, "cold.json")


def test_a_start_from_disk_is_taken_before_one_from_memory(tmp_path: Path) -> None:
    (tmp_path / "cold.json").write_text(json.dumps({"rows": [{"process": "first reply", "ms": 123.4}]}))
    functions = [{"handler": "naive", "ms, disk": 900}, {"handler": "despliegue", "ms, disk": 456}]
    rows = [{"model": "logistic", "rows": 32, "body": "base64", "handler": "empty, v2", "p50 µs": 500}]
    (tmp_path / "emulator.json").write_text(json.dumps({"rows": rows, "functions": functions}))

    figures = measured.read(tmp_path)

    assert figures.cold_ms == (456, "emulator.json")
    assert figures.runtime_ms[32] == (0.5, "emulator.json")
    assert "python -m benchmarks.emulator --save" in figures.runtime_ms[1].source


def test_a_file_without_the_figure_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "cold.json").write_text('{"rows": [{"process": "another", "ms": 9}]}')

    assert "python -m benchmarks.cold --save" in measured.read(tmp_path).cold_ms.source


def tables_of(page: str) -> dict[str, list[list[str]]]:
    """Rows of cells of each table of a page, by its heading's line."""
    found: dict[str, list[list[str]]] = {}
    for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        heading, _, *rows = table.splitlines()
        found[heading] = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return found


def test_the_page_says_what_the_command_prints() -> None:
    page = (Path(__file__).parents[2] / "docs/scale.md").read_text()
    logs = scale.Logs(measured.log_bytes(), measured.access_bytes())
    printed = (scale.concurrency(), scale.quotas(Account()), scale.bills(logs), scale.memory(logs), scale.warmth(logs))

    written = tables_of(page)

    for rows in printed:
        heading = f"| {' | '.join(rows[0])} |"
        assert written[heading] == [[report.text(cell) for cell in row.values()] for row in rows]
