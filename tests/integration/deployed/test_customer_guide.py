"""What docs/giving-a-customer-access.md says is so: its commands are run, and print what it shows."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration import guides

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.deployed.conftest import Aws

    type Terminal = Callable[..., list[str]]

URL = "https://abc123.execute-api.eu-west-1.amazonaws.com/live"


@pytest.fixture(scope="module")
def guide(root: Path) -> str:
    return (root / "docs" / "giving-a-customer-access.md").read_text()


def blocks(text: str) -> list[tuple[str, str]]:
    """The commands of the `sh` and `console` blocks, each with what it shows."""
    found = re.findall(r"```sh\n(.*?)```|```console\n\$ (.*?)\n(.*?)```", text, re.DOTALL)
    return [(plain or command, shown) for plain, command, shown in found]


def section(guide: str, title: str) -> str:
    return re.split(r"^## ", guide.split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]


def without_names(text: str) -> str:
    """With AWS's ids and keys, the dates, and what stands around them as wide as they are, left out."""
    text = re.sub(r"(?<=key    )\S+", "KEY", text)
    text = re.sub(r"\d{4}-\d\d-\d\d", "DAY", text)
    text = re.sub(r"(?m)^(│ \w+ +│) \w+ +│ \w+( \(its own\))? +│", r"\1 ID │ PLAN\2 │", text)
    return re.sub(r"[─━]+| +", " ", text)


def test_its_commands_do_and_print_what_it_shows(guide: str, aws: Aws, terminal: Terminal) -> None:
    aws.stack("despliegue", UsagePlanId=aws.plan)
    aws.server.used = [[(1204, 98796), (988, 99012)], [(61, 99939)]]
    *shown, (remove, removed) = blocks(guide.split("\n## Customers with AWS identities\n")[0])
    look = [f"aws apigateway {what} --query items --output json" for what in ("get-usage-plans", "get-api-keys")]
    aws.server.calls.clear()

    *printed, plans, keys, last = terminal(*(command for command, _ in shown), *look, remove)

    assert sum(bool(expected) for _, expected in shown) == 3
    for (command, expected), output in zip(shown, printed, strict=True):
        if expected:
            assert without_names(output) == without_names(expected), command
    (added_up,) = (output for (command, _), output in zip(shown, printed, strict=True) if "| add" in command)
    assert added_up == "2253\n"
    assert last == removed
    [own] = [plan for plan in json.loads(plans) if plan["id"] != aws.plan]
    assert (own["quota"]["limit"], own["quota"]["period"]) == (50000, "MONTH")
    assert own["throttle"] == {"rateLimit": 5.0, "burstLimit": 10}
    assert {key["name"]: key["enabled"] for key in json.loads(keys)} == {"zoo": False, "acme 2027": True}
    check_permissions(guide, aws)


def check_permissions(guide: str, aws: Aws) -> None:
    """What the guide's policy allows is what was asked of AWS."""
    (policy,) = re.findall(r"```json\n(.*?)```", section(guide, "Permissions"), re.DOTALL)
    stack, gateway, _ = json.loads(policy)["Statement"]
    asked = {(method, path) for method, path in aws.server.calls if path != "/"}  # CloudFormation's is /
    allowed = [resource.partition("::")[2] for resource in gateway["Resource"]]
    assert stack["Action"] == "cloudformation:DescribeStacks"
    assert {f"apigateway:{method}" for method, _ in asked} == set(gateway["Action"])
    assert {path for _, path in asked if not any(fnmatch(path, each) for each in allowed)} == set()


def test_it_lists_every_option_of_add(guide: str, aws: Aws, terminal: Terminal) -> None:
    (printed,) = terminal("despliegue customer add --help")

    listed = set(re.findall(r"^\| `(--[a-z]+)` \|", guide, re.MULTILINE))
    assert listed | {"--stack", "--region", "--json"} == set(re.findall(r"(--[a-z]+)\b", printed)) - {"--help"}


def test_a_role_may_call_what_the_guide_says(guide: str, aws: Aws, terminal: Terminal, folder: Path) -> None:
    aws.stack("despliegue", "Iam", ApiUrl=URL)
    (set_up, _), _ = blocks(section(guide, "Customers with AWS identities"))

    *_, policy = terminal(
        set_up, "aws iam get-role-policy --role-name despliegue-acme --policy-name call-penguins --output json"
    )

    [statement] = json.loads(policy)["PolicyDocument"]["Statement"]
    assert statement["Action"] == "execute-api:Invoke"
    assert statement["Resource"] == ("arn:aws:execute-api:eu-west-1:123456789012:abc123/live/*/v2/models/penguins/*"), (
        "arn:…:API/STAGE/METHOD/PATH"
    )


def test_the_calls_that_it_hands_out_work(
    guide: str, aws: Aws, terminal: Terminal, root: Path, serve: Callable[..., Any]
) -> None:
    aws.stack("despliegue", UsagePlanId=aws.plan)
    (added, *_) = terminal("despliegue customer add acme --stack despliegue --json")
    key = json.loads(added)["key"]
    served = serve(root / "layers" / "models", "--api-key", key)
    calls = re.findall(r"^  (curl .*)$", section(guide, "Send it"), re.MULTILINE)

    assert f"\n  {guides.SETUP}" in section(guide, "Send it"), "the names are those of the guides for callers"

    listed, described, document = terminal(f"URL={served.url} KEY={key}\n{calls[0]}", *calls[1:])

    assert "penguins" in str(json.loads(listed))
    assert json.loads(described)["name"] == "penguins"
    assert json.loads(document)["openapi"].startswith("3.1")


def test_a_signed_call_is_one(guide: str, terminal: Terminal, root: Path, serve: Callable[..., Any]) -> None:
    """The signature is curl's own: what is run here is that the command is one, and gets an answer."""
    served = serve(root / "layers" / "models")
    *_, (call, _) = blocks(section(guide, "Customers with AWS identities"))

    (printed,) = terminal(f"export AWS_SESSION_TOKEN=token URL={served.url}\n{call}")

    assert json.loads(printed)["ready"] is True


def test_its_limits_are_those_of_the_template(guide: str, root: Path) -> None:
    template = (root / "template.yaml").read_text()
    defaults = dict(re.findall(r"^  (\w+):\n    Type: \w+\n    Default: '?(\w+)", template, re.MULTILINE))

    assert (defaults["RateLimit"], defaults["BurstLimit"], defaults["QuotaPeriod"]) == ("50", "100", "DAY")
    assert "50 requests a second (`RateLimit`; 100 at once" in guide
    assert f"{int(defaults['QuotaLimit']):,} a day" in guide


def test_its_permissions_are_a_policy(guide: str, terminal: Terminal, folder: Path) -> None:
    """moto refuses what is no IAM policy."""
    (policy,) = re.findall(r"```json\n(.*?)```", section(guide, "Permissions"), re.DOTALL)
    (folder / "policy.json").write_text(policy)

    terminal("aws iam create-policy --policy-name customers --policy-document file://policy.json")
