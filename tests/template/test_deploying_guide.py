"""What docs/deploying.md says of the template and of SAM is so."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

type EveryDeployment = list[tuple[dict[str, str], dict[str, Any]]]


@pytest.fixture(scope="module")
def guide(root: Path) -> str:
    return (root / "docs" / "deploying.md").read_text()


def section(guide: str, title: str) -> str:
    return re.split(r"^## ", guide.split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]


def test_every_parameter_is_named_among_the_settings(guide: str, source: dict[str, Any]) -> None:
    settings = section(guide, "Settings").split("\n### ")[0]
    listed = re.findall(r"`(\w+)`", "".join(line for line in settings.splitlines() if line.startswith("|")))

    assert len(listed) == len(set(listed))
    assert {*listed, "S3EndpointUrl"} == set(source["Parameters"])


def test_every_override_is_a_parameter_and_one_of_its_values(guide: str, source: dict[str, Any]) -> None:
    overrides = re.findall(r"\b([A-Z]\w+[a-z]\w*)=([\w.:/,-]+)", guide)
    parameters = source["Parameters"]

    assert {"AuthMode", "PublicConsole", "CorsOrigins", "SnapStart"} <= {name for name, _ in overrides}
    for name, value in overrides:
        allowed = parameters[name].get("AllowedValues")
        assert allowed is None or value in [str(each) for each in allowed], name
        assert re.fullmatch(parameters[name].get("AllowedPattern", ".*"), value) or value == "NAME", name


def test_every_output_that_is_asked_for_is_one(guide: str, source: dict[str, Any]) -> None:
    asked = set(re.findall(r"(?<!-)\boutput (\w+)", guide)) | set(re.findall(r"`(ShowApiKey)`", guide))

    assert asked >= {"ApiUrl", "ApiKeyId", "InboxBucketName", "ResultsBucketName", "ShowApiKey"}
    assert asked <= set(source["Outputs"])


def test_what_it_says_stays_is_what_is_retained(guide: str, every_deployment: EveryDeployment) -> None:
    kept = {
        name
        for _, deployed in every_deployment
        for name, each in deployed["Resources"].items()
        if each.get("DeletionPolicy", "Delete") != "Delete"
    }
    table = "".join(line for line in section(guide, "Delete").splitlines() if line.startswith("| `"))

    assert set(re.findall(r"`(\w+)`", table)) == kept


def test_the_alarms_and_queues_that_cost_are_as_many_as_it_says(guide: str, every_deployment: EveryDeployment) -> None:
    costs = section(guide, "What it costs")
    for _, deployed in every_deployment:
        kinds = [each["Type"] for each in deployed["Resources"].values()]
        assert f"the alarms, {kinds.count('AWS::CloudWatch::Alarm')} " in costs
        assert f"the queues, {kinds.count('AWS::Lambda::EventSourceMapping')} of which" in costs


def test_its_policy_allows_every_service_of_the_stack_and_no_other(
    guide: str, every_deployment: EveryDeployment
) -> None:
    (policy,) = re.findall(r"```json\n(.*?)```", section(guide, "Permissions"), re.DOTALL)
    allowed = {
        action.split(":")[0]
        for statement in json.loads(policy)["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    made = {each["Type"].split("::")[1] for _, deployed in every_deployment for each in deployed["Resources"].values()}

    assert allowed == {service.lower() for service in made} | {"cloudformation", "sns"}  # SNS for "Alarms"


def test_sam_asks_what_it_says(guide: str) -> None:
    from samcli.commands.delete.delete_context import DeleteContext
    from samcli.commands.deploy.deploy_context import DeployContext

    (question,) = re.findall(r"```text\n(.*) \[y/N\]: y\n```", guide)
    assert question == DeployContext.MSG_CONFIRM_CHANGESET
    asked = inspect.getsource(DeleteContext)
    assert "Are you sure you want to delete the stack" in asked
    assert "Do you want to delete the template file" in asked


def test_what_was_set_stays_set(guide: str, source: dict[str, Any]) -> None:
    from samcli.commands.deploy.deploy_context import DeployContext

    merged = DeployContext.merge_parameters(source, {"AuthMode": "Iam"})

    assert "What was set stays set" in guide
    assert {"ParameterKey": "AuthMode", "ParameterValue": "Iam"} in merged
    others = [each for each in merged if each["ParameterKey"] != "AuthMode"]
    assert len(others) == len(source["Parameters"]) - 1
    assert all(each["UsePreviousValue"] for each in others)
