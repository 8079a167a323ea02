"""What docs/deploying.md says is so: its commands are run one after another, as far as that goes without an account."""

from __future__ import annotations

import json
import re
import shutil
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.deployed.conftest import Aws

    type Terminal = Callable[..., list[str]]

KEY = "a-key-of-the-guide-that-is-long"
ADD = "despliegue add species.joblib --trust --sample birds.csv"


@pytest.fixture(scope="module")
def guide(root: Path) -> str:
    return (root / "docs" / "deploying.md").read_text()


@pytest.fixture
def deployed(aws: Aws, root: Path, serve: Callable[..., Any]) -> str:
    """The guide's stack, whose API is a server on this machine; the name of its inbox."""
    key = aws.gateway.create_api_key(name="first", value=KEY, enabled=True)["id"]
    outputs = {"ApiUrl": serve(root / "layers" / "models", "--api-key", KEY).url, "ApiKeyId": key}
    buckets = {"InboxBucketName": "the-inbox", "ResultsBucketName": "the-results"}
    aws.stack("despliegue", UsagePlanId=aws.plan, **outputs, **buckets)
    return "the-inbox"


def parsed(printed: str) -> dict[str, Any]:
    """What the last `sam` of a block was asked for."""
    asked: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return asked


def test_its_commands_work_one_after_another(
    guide: str, aws: Aws, deployed: str, terminal: Terminal, root: Path, folder: Path
) -> None:
    store = boto3.Session("testing", "testing", region_name="eu-west-1").client(
        "s3", endpoint_url=aws.environment["AWS_ENDPOINT_URL"]
    )
    store.create_bucket(Bucket=deployed, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert f"$ .venv/bin/{ADD}\n" in (root / "README.md").read_text(), "test_fresh_clone.py runs it there"
    species = folder / "layers" / "models" / "species"
    shutil.copytree(species.with_name("penguins") / "1", species / "1")
    added = guide.replace(ADD, f"cp -r {species}/1 {species}/2")
    commands = re.findall(r"```sh\n(.*?)```", added, re.DOTALL)

    first, graviton, models, call, console, file, *later = terminal(*commands)
    settings, alarms, pages, update, back, ci, delete = later

    assert parsed(first)["stack_name"] == "despliegue"
    assert parsed(first)["resolve_s3"] is True
    assert parsed(graviton)["parameter_overrides"] == {"Architecture": "arm64"}
    (shown,) = re.findall(r"`(\{\"models.*?)`", guide)
    assert models.splitlines()[-1] == shown
    assert json.loads(call)["outputs"][0]["data"] == ["malignant"]
    assert "http://127.0.0.1:8082/docs" in console
    assert "upload:" in file
    assert [each["Key"] for each in store.list_objects_v2(Bucket=deployed)["Contents"]] == ["penguins/birds.csv"]
    assert parsed(settings)["parameter_overrides"] == {"AuthMode": "Iam", "LogRetentionDays": "90"}
    assert parsed(alarms)["parameter_overrides"]["AlarmTopicArn"].endswith(":despliegue-alarms")
    assert parsed(pages)["parameter_overrides"]["CorsOrigins"].count("https://") == 2
    assert parsed(update)["command"] == "deploy"
    assert "species 1" in back
    assert (parsed(ci)["confirm_changeset"], parsed(ci)["fail_on_empty_changeset"]) == (False, False)
    assert delete.splitlines()[:2] == ["the-inbox", "the-results"]
    assert (parsed(delete)["command"], parsed(delete)["stack_name"]) == ("delete", "despliegue")
    store.close()


def test_its_commands_for_ci_find_their_tools_in_a_fresh_shell(guide: str, terminal: Terminal) -> None:
    """`make` is left out, which would build."""
    (commands,) = re.findall(r"\n## Deploy from CI\n.*?```sh\n(.*?)```", guide, re.DOTALL)

    (printed,) = terminal(f"PATH=/usr/bin:/bin\nmake() {{ :; }}\n{commands}")

    assert parsed(printed)["command"] == "deploy"


def test_its_permissions_allow_what_its_commands_ask_for(guide: str) -> None:
    (policy,) = re.findall(r"```json\n(.*?)```", guide, re.DOTALL)
    statements = [each for each in json.loads(policy)["Statement"] if each["Effect"] == "Allow"]
    allowed = [
        action
        for each in statements
        for action in (each["Action"] if isinstance(each["Action"], list) else [each["Action"]])
    ]
    commands = re.findall(
        r"(?m)(?:^|[({] ?)aws ([a-z0-9]+) ([a-z-]+)", "".join(re.findall(r"```sh\n(.*?)```", guide, re.DOTALL))
    )
    asked = {f"{service}:{name.title().replace('-', '')}" for service, name in commands} - {"sts:GetCallerIdentity"}

    assert {"sns:CreateTopic", "sns:Subscribe"} <= asked
    assert {each for each in asked if not any(fnmatch(each, action) for action in allowed)} == set()


def test_a_bucket_that_stays_is_deleted_as_it_says(guide: str, aws: Aws, terminal: Terminal) -> None:
    (command,) = re.findall(r"`(aws s3 rb .*?)`", guide)
    bucket = "a-bucket-of-the-guide"

    said = terminal(
        f"aws s3 mb s3://{bucket}",
        f"aws s3 cp examples/birds.csv s3://{bucket}/",
        command.replace("NAME", bucket),
        "aws s3 ls",
    )

    assert f"remove_bucket: {bucket}" in said[2]
    assert bucket not in said[3]


def test_what_it_says_inline_is_parsed_too(guide: str, terminal: Terminal) -> None:
    inline = re.findall(r"`(sam deploy --parameter-overrides .*?)`", guide)
    assert len(inline) == 1

    (printed,) = terminal(*inline)

    assert parsed(printed)["parameter_overrides"] == {
        "ScoreReservedConcurrency": "Off",
        "ScoreMaximumConcurrency": "2",
    }
