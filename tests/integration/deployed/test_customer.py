"""`despliegue customer`: keys and usage plans of a stack."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.integration.deployed.conftest import Aws, Run


def parsed(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error."""
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_customer_is_added_to_the_stacks_plan_and_the_key_is_told_once(run: Run, aws: Aws) -> None:
    told = run("add", "acme", "--stack", "birds").stdout.splitlines()

    [(name, identifier)] = aws.keys().items()
    made = aws.gateway.get_api_key(apiKey=identifier, includeValue=True)
    in_plan = aws.gateway.get_usage_plan_keys(usagePlanId=aws.plan)["items"]
    assert told[0] == "added  acme, in the usage plan of the stack"
    assert told[1:3] == ["limits 50 requests a second, 100 at once, 100,000 a day", f"key    {made['value']}"]
    assert (name, made["enabled"], made["tags"]) == ("acme", True, {"despliegue:stack": "birds"})
    assert [key["id"] for key in in_plan] == [identifier]
    assert made["value"] not in run("list", "--stack", "birds").stdout
    assert made["value"] not in run("list", "--stack", "birds", "--json").stdout


def test_limits_make_a_plan_of_its_own_that_says_the_rest_as_the_stacks(run: Run, aws: Aws) -> None:
    added = parsed(run("add", "acme", "--stack", "birds", "--rate", "2.5", "--quota", "70", "--json"))

    [plan] = [plan for plan in aws.plans() if plan["id"] != aws.plan]
    assert (added["plan"], added["own_plan"], plan["name"]) == (plan["id"], True, "birds acme")
    assert len(added["key"]) >= 20
    assert plan["apiStages"] == aws.stages
    assert plan["throttle"] == {"rateLimit": 2.5, "burstLimit": 100}
    assert {key: plan["quota"][key] for key in ("limit", "period")} == {"limit": 70, "period": "DAY"}
    assert added["limits"] == {"rate": 2.5, "burst": 100, "quota": 70, "period": "DAY"}


def test_a_limit_above_the_stacks_own_is_said_not_to_help(run: Run) -> None:
    _, limits, *notes, _, _ = run(
        "add", "acme", "--stack", "birds", "--rate", "50.5", "--burst", "100", "--quota", "9", "--period", "week"
    ).stdout.splitlines()

    assert limits == "limits 50.5 requests a second, 100 at once, 9 a week"
    assert notes == ["note   the stack's RateLimit, 50, holds for all callers together: raise it first"]


def test_a_period_without_a_quota_is_wrong_use(run: Run, aws: Aws) -> None:
    """It would count the stack's quota, meant for another period."""
    done = run("add", "acme", "--stack", "birds", "--period", "WEEK")

    assert (done.returncode, done.stdout) == (2, "")
    assert "--quota" in done.stderr
    assert aws.keys() == {}


def test_only_the_stacks_customers_are_listed_with_their_plans(run: Run, aws: Aws) -> None:
    aws.gateway.create_api_key(name="the stack's first key", enabled=True)
    aws.stack("bees", UsagePlanId=aws.plan)
    for name, stack in (("zoo", "birds"), ("acme", "birds"), ("acme", "bees")):
        parsed(run("add", name, "--stack", stack, "--json"))
    parsed(run("add", "own", "--stack", "birds", "--burst", "3", "--json"))

    rows = parsed(run("list", "--stack", "birds", "--json"))
    table = run("list", "--stack", "birds").stdout

    assert [(row["name"], row["own_plan"], row["enabled"]) for row in rows] == [
        ("acme", False, True),
        ("own", True, True),
        ("zoo", False, True),
    ]
    assert {row["plan"] for row in rows if not row["own_plan"]} == {aws.plan}
    assert all(datetime.fromisoformat(row["created"]).tzinfo for row in rows)
    assert re.search(rf"acme .*{aws.plan} .*\d{{4}}-\d\d-\d\d", table)
    assert "(its own)" in table
    assert "first key" not in table


def test_usage_is_told_day_by_day_over_all_pages(run: Run, aws: Aws) -> None:
    parsed(run("add", "acme", "--stack", "birds", "--json"))

    used = parsed(run("usage", "acme", "--stack", "birds", "--days", "4", "--json"))
    table = run("usage", "acme", "--stack", "birds", "--days", "4").stdout

    today = datetime.now(UTC).date()
    first = today - timedelta(days=3)
    assert [(row["requests"], row["left"]) for row in used] == [(1, 99), (2, 97), (11, 99), (12, 97)]
    assert [row["day"] for row in used] == [str(first + timedelta(days=number)) for number in range(4)]
    asked = aws.server.asked[0]
    assert (asked["startDate"], asked["endDate"]) == (str(first), str(today))
    assert re.search(r"all\s+│\s+26", table)


def test_a_removed_customer_leaves_nothing_and_the_others_stay(run: Run, aws: Aws) -> None:
    parsed(run("add", "own", "--stack", "birds", "--rate", "1", "--json"))
    parsed(run("add", "acme", "--stack", "birds", "--json"))

    assert run("remove", "own", "--stack", "birds").stdout == "removed  own and its usage plan\n"
    assert set(aws.keys()) == {"acme"}
    assert run("remove", "acme", "--stack", "birds").stdout == "removed  acme\n"

    assert aws.keys() == {}
    assert [plan["id"] for plan in aws.plans()] == [aws.plan]
    assert parsed(run("list", "--stack", "birds", "--json")) == []


def test_what_fails_half_way_leaves_nothing_behind(run: Run, aws: Aws) -> None:
    aws.server.refused = r"POST /usageplans/\w+/keys"

    line = refused(run("add", "acme", "--stack", "birds", "--rate", "1"))

    assert "AWS refuses the customer acme" in line
    assert aws.keys() == {}
    assert [plan["id"] for plan in aws.plans()] == [aws.plan]


def test_a_key_of_someone_else_is_not_removed(run: Run, aws: Aws) -> None:
    aws.gateway.create_api_key(name="theirs", enabled=True)

    assert "has no customer 'theirs'; it has none" in refused(run("remove", "theirs", "--stack", "birds"))
    assert set(aws.keys()) == {"theirs"}


def test_a_name_is_taken_once(run: Run, aws: Aws) -> None:
    parsed(run("add", "acme", "--stack", "birds", "--json"))

    assert "has a customer 'acme' already" in refused(run("add", "acme", "--stack", "birds"))
    assert len(aws.keys()) == 1


def test_errors_say_what_to_do(run: Run, aws: Aws) -> None:
    aws.stack("signed", "Iam")
    aws.stack("old")
    no_credentials = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}

    assert "AWS refuses the stack nowhere" in refused(run("list", "--stack", "nowhere"))
    assert "does not exist" in refused(run("list", "--stack", "nowhere"))
    assert "its AuthMode is Iam" in refused(run("add", "acme", "--stack", "signed"))
    assert "no output UsagePlanId" in refused(run("list", "--stack", "old"))
    assert "there are no AWS credentials" in refused(run("list", "--stack", "birds", **no_credentials))
    assert "--region names it" in refused(run("list", "--stack", "birds", AWS_DEFAULT_REGION=None))
    assert "'-x' cannot be a customer's name" in refused(run("add", "--stack", "birds", "--", "-x")).replace('"', "'")
    assert "is no stack's name" in refused(run("list", "--stack", "no stack"))
    assert aws.keys() == {}


@pytest.mark.parametrize(
    "arguments", [["add", "acme"], ["usage", "acme", "--stack", "birds", "--days", "91"], ["list", "birds"]]
)
def test_wrong_use_is_told_as_that(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2


def test_the_template_has_the_output(root: Path) -> None:
    output = r"^  UsagePlanId:\n    Condition: UseApiKey\n.*\n    Value: !Ref UsagePlan$"

    assert re.search(output, (root / "template.yaml").read_text(), re.MULTILINE)
