"""Parameters explain themselves, refuse what cannot be meant, and a changed one reaches the published version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

# Properties of AWS::Lambda::Function that belong to the function and not to a version of it.
UNVERSIONED = {"ReservedConcurrentExecutions", "Tags"}


def test_every_parameter_is_described_and_has_a_default(source: dict[str, Any]) -> None:
    for name, made in source["Parameters"].items():
        assert made["Description"].endswith("."), name
        assert "Default" in made, f"`sam deploy` would have to ask for {name}"


def test_every_parameter_refuses_what_cannot_be_meant(source: dict[str, Any]) -> None:
    for name, made in source["Parameters"].items():
        if made["Type"] == "Number":
            assert "MinValue" in made or "AllowedValues" in made, name
        else:
            assert "AllowedPattern" in made or "AllowedValues" in made, name
        if "AllowedPattern" in made:
            assert "ConstraintDescription" in made, f"CloudFormation would show {name}'s pattern instead of words"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PreloadModels", "", True),
        ("PreloadModels", "birds", True),
        ("PreloadModels", "birds@2,iris-v1.0", True),
        ("PreloadModels", "birds, iris", False),
        ("PreloadModels", "../birds", False),
        ("PreloadModels", "birds@", False),
        ("DefaultModel", "", True),
        ("DefaultModel", "birds@2", True),
        ("DefaultModel", "birds,iris", False),
        ("AlarmTopicArn", "arn:aws:sns:eu-west-1:123456789012:alarms", True),
        ("AlarmTopicArn", "alarms", False),
        ("StageName", "live", True),
        ("StageName", "a/b", False),
        ("InboxBucketName", "", True),
        ("InboxBucketName", "an-inbox.of.ours", True),
        ("InboxBucketName", "s3://an-inbox", False),
        ("InboxBucketName", "an-inbox/", False),
        ("InboxKmsKeyArn", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", True),
        ("InboxKmsKeyArn", "arn:aws:kms:eu-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab", True),
        ("InboxKmsKeyArn", "arn:aws:kms:eu-west-1:123456789012:alias/inbox", False),
        ("NotificationTopicArn", "", True),
        ("NotificationTopicArn", "arn:aws-cn:sns:cn-north-1:123456789012:scored", True),
        ("NotificationTopicArn", "scored", False),
        ("EventBusName", "", True),
        ("EventBusName", "default", True),
        ("EventBusName", "arn:aws:events:eu-west-1:123456789012:event-bus/the-bus", False),
        ("S3EndpointUrl", "", True),
        ("S3EndpointUrl", "http://172.17.0.1:5000", True),
        ("S3EndpointUrl", "172.17.0.1:5000", False),
    ],
)
def test_patterns_take_what_they_say(source: dict[str, Any], name: str, value: str, *, allowed: bool) -> None:
    assert bool(re.fullmatch(source["Parameters"][name]["AllowedPattern"], value)) == allowed


def used_parameters(node: Any, template: dict[str, Any]) -> set[str]:
    """The parameters that a part of the template depends on, through conditions too."""
    if isinstance(node, list):
        return {name for each in node for name in used_parameters(each, template)}
    if not isinstance(node, dict):
        return set()
    found = set()
    for key, value in node.items():
        if key == "Ref" and value in template["Parameters"]:
            found.add(value)
        elif key == "Fn::Sub":
            found |= set(re.findall(r"\$\{(\w+)\}", value)) & set(template["Parameters"])
        elif key in ("Fn::If", "Condition"):
            name = value[0] if key == "Fn::If" else value
            found |= used_parameters(template["Conditions"][name], template)
            found |= used_parameters(value[1:], template) if key == "Fn::If" else set()
        else:
            found |= used_parameters(value, template)
    return found


def test_the_versions_description_names_just_the_parameters_that_change_the_function(expanded: dict[str, Any]) -> None:
    """Fewer, and a new value never reaches the alias; more, and Lambda refuses to publish an unchanged function."""
    resources = expanded["Resources"]
    versions = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::Version"]
    assert versions
    for version in versions:
        function = resources[version["FunctionName"]["Ref"]]["Properties"]
        versioned = {key: value for key, value in function.items() if key not in UNVERSIONED}
        assert used_parameters(version["Description"], expanded) == used_parameters(versioned, expanded)


def test_the_versions_description_stays_within_lambdas_limit(
    source: dict[str, Any], deploy: Callable[..., dict[str, Any]]
) -> None:
    longest, default = ("m" * source["Parameters"][name]["MaxLength"] for name in ("PreloadModels", "DefaultModel"))
    names = {"PreloadModels": longest, "DefaultModel": default, "InboxBucketName": "b" * 63}
    deployed = deploy(**names, MemorySize="10240", Architecture="x86_64", LogLevel="CRITICAL")
    [version] = [each for each in deployed["Resources"].values() if each["Type"] == "AWS::Lambda::Version"]
    assert version["Properties"]["FunctionName"] == {"Ref": "PredictFunction"}
    assert longest in version["Properties"]["Description"]
    assert len(version["Properties"]["Description"]) <= 256


def test_cloudformation_replaces_a_version_whose_description_changes() -> None:
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("eu-west-1", "AWS::Lambda::Version").schema
    assert "/properties/Description" in schema["createOnlyProperties"]


@pytest.mark.parametrize(
    ("parameter", "value", "where", "expected"),
    [
        ("MemorySize", "3008", ["MemorySize"], "3008"),
        ("Architecture", "arm64", ["Architectures"], ["arm64"]),
        ("LogLevel", "DEBUG", ["Environment", "Variables", "POWERTOOLS_LOG_LEVEL"], "DEBUG"),
        ("PreloadModels", "birds@2", ["Environment", "Variables", "DESPLIEGUE_PRELOAD"], "birds@2"),
        ("DefaultModel", "birds@2", ["Environment", "Variables", "DESPLIEGUE_DEFAULT_MODEL"], "birds@2"),
        ("AuthMode", "Iam", ["Environment", "Variables", "DESPLIEGUE_AUTH"], "Iam"),
        ("InboxBucketName", "an-inbox", ["Environment", "Variables", "DESPLIEGUE_INBOX_BUCKET"], "an-inbox"),
        ("S3EndpointUrl", "http://s3:1", ["Environment", "Variables", "DESPLIEGUE_AWS_ENDPOINT"], "http://s3:1"),
        ("ReservedConcurrency", "7", ["ReservedConcurrentExecutions"], "7"),
        ("SnapStart", "On", ["SnapStart", "ApplyOn"], "PublishedVersions"),
    ],
)
def test_the_predict_function_has_what_the_parameter_says(
    deploy: Callable[..., dict[str, Any]], parameter: str, value: str, where: list[str], expected: object
) -> None:
    found = deploy(**{parameter: value})["Resources"]["PredictFunction"]["Properties"]
    for key in where:
        found = found[key]
    assert found == expected


@pytest.mark.parametrize("function", ["ScoreFunction", "ScoreFailedFunction"])
@pytest.mark.parametrize(
    ("parameter", "value", "where", "expected"),
    [
        ("ScoreMemorySize", "3008", ["MemorySize"], "3008"),
        ("Architecture", "arm64", ["Architectures"], ["arm64"]),
        ("LogLevel", "DEBUG", ["Environment", "Variables", "POWERTOOLS_LOG_LEVEL"], "DEBUG"),
        ("S3EndpointUrl", "http://s3:1", ["Environment", "Variables", "DESPLIEGUE_AWS_ENDPOINT"], "http://s3:1"),
        ("EventBusName", "the-bus", ["Environment", "Variables", "DESPLIEGUE_EVENT_BUS"], "the-bus"),
    ],
)
def test_the_score_functions_have_what_the_parameter_says(
    deploy: Callable[..., dict[str, Any]], function: str, parameter: str, value: str, where: list[str], expected: object
) -> None:
    found = deploy(**{parameter: value})["Resources"][function]["Properties"]
    for key in where:
        found = found[key]
    assert found == expected


def test_memory_for_requests_and_for_files_are_two_parameters(deploy: Callable[..., dict[str, Any]]) -> None:
    deployed = deploy(MemorySize="2048", ScoreMemorySize="4096")["Resources"]
    sizes = {name: deployed[f"{name}Function"]["Properties"]["MemorySize"] for name in ("Predict", "Score")}
    assert sizes == {"Predict": "2048", "Score": "4096"}


def test_nothing_is_reserved_for_the_api_by_default(deploy: Callable[..., dict[str, Any]]) -> None:
    assert "ReservedConcurrentExecutions" not in deploy()["Resources"]["PredictFunction"]["Properties"]
