"""template.yaml as SAM expands it, resolved for a choice of parameters as CloudFormation would."""

from __future__ import annotations

import itertools
import os
import random
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parents[2]
PSEUDO_PARAMETERS = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/the-stack/1",
    "AWS::StackName": "the-stack",
    "AWS::URLSuffix": "amazonaws.com",
}
NO_VALUE = object()

# Every branch of every condition: in every combination within a section of the template, at random between them.
API_CHOICES = {
    "AuthMode": ["ApiKey", "Iam"],
    "PublicConsole": ["true", "false"],
    "Architecture": ["x86_64", "arm64"],
    "SnapStart": ["On", "Off"],
    "ReservedConcurrency": ["-1", "0", "7"],
    "CreateApiGatewayAccountRole": ["true", "false"],
    "AlarmTopicArn": ["", "arn:aws:sns:eu-west-1:123456789012:alarms"],
}
SCORE_CHOICES = {
    "InboxBucketName": ["", "an-inbox"],
    "InboxKmsKeyArn": ["", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"],
    "InboxExpirationDays": ["0", "30"],
    "ResultsExpirationDays": ["0", "90"],
    "ScoreReservedConcurrency": ["On", "Off"],
    "NotificationTopicArn": ["", "arn:aws:sns:eu-west-1:123456789012:scored"],
    "EventBusName": ["default", "", "the-bus"],
}


class Resolver:
    """CloudFormation's conditions, `Ref` and `Fn::Sub` over parameters. What names a resource stays as it is written.

    A `!Sub` that names resources keeps them: `{"Fn::Sub": "…/${Api}"}`. An intrinsic not known here is an error.
    """

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        defaults = {name: str(made.get("Default")) for name, made in template.get("Parameters", {}).items()}
        unknown = set(parameters) - set(defaults)
        assert not unknown, f"the template has no parameters {unknown}"
        self.template = template
        self.values = {**PSEUDO_PARAMETERS, **defaults, **parameters}

    def condition(self, name: str) -> bool:
        return self._holds(self.template["Conditions"][name])

    def _holds(self, test: Mapping[str, Any]) -> bool:
        [(kind, operand)] = test.items()
        match kind:
            case "Condition":
                return self.condition(operand)
            case "Fn::Equals":
                left, right = (self.resolve(side) for side in operand)
                return str(left) == str(right)
            case "Fn::Not":
                return not self._holds(operand[0])
            case "Fn::And":
                return all(self._holds(each) for each in operand)
            case "Fn::Or":
                return any(self._holds(each) for each in operand)
        raise AssertionError(f"not a condition: {kind}")

    def resolve(self, node: Any) -> Any:
        if isinstance(node, list):
            return [kept for each in node if (kept := self.resolve(each)) is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(kind, operand)] = node.items()
            if kind == "Ref":
                return NO_VALUE if operand == "AWS::NoValue" else self.values.get(operand, node)
            if kind == "Fn::If":
                name, then, otherwise = operand
                return self.resolve(then if self.condition(name) else otherwise)
            if kind == "Fn::Sub":
                assert isinstance(operand, str), "Fn::Sub with a list is not known here"
                text = re.sub(r"\$\{([^!}]+)\}", lambda found: self.values.get(found[1], found[0]), operand)
                return {"Fn::Sub": text} if "${" in text else text
            assert kind == "Fn::GetAtt" or not kind.startswith("Fn::"), f"{kind} is not known here"
        return {key: kept for key, each in node.items() if (kept := self.resolve(each)) is not NO_VALUE}

    def deployed(self) -> dict[str, Any]:
        """The template's resources and outputs whose conditions hold, resolved."""
        return {
            section: {
                name: self.resolve({key: part for key, part in entry.items() if key != "Condition"})
                for name, entry in self.template[section].items()
                if "Condition" not in entry or self.condition(entry["Condition"])
            }
            for section in ("Resources", "Outputs")
        }


def expand_template(text: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """What SAM's transform makes of a template, offline. Local paths become S3 addresses, as if packaged."""
    from samtranslator.translator.transform import transform
    from samtranslator.yaml_helper import yaml_parse

    class NoManagedPolicies:
        def load(self) -> dict[str, str]:
            return {}

    text = re.sub(r"((?:Code|Content)Uri): (?!s3:)(\S+)", r"\1: s3://bucket/\2", text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", PSEUDO_PARAMETERS["AWS::Region"])
        expanded: dict[str, Any] = transform(yaml_parse(text), dict(parameters), NoManagedPolicies())
    return expanded


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def source(root: Path) -> dict[str, Any]:
    """template.yaml as it is written."""
    from samtranslator.yaml_helper import yaml_parse

    template: dict[str, Any] = yaml_parse((root / "template.yaml").read_text())
    return template


@pytest.fixture(scope="session")
def expand() -> Callable[[str, Mapping[str, str]], dict[str, Any]]:
    """`expand(text, parameters)`: see expand_template."""
    return expand_template


@pytest.fixture(scope="session")
def expanded(root: Path) -> dict[str, Any]:
    """template.yaml as SAM expands it, conditions and references still in it."""
    return expand_template((root / "template.yaml").read_text(), {})


@pytest.fixture(scope="session")
def deploy(root: Path) -> Callable[..., dict[str, Any]]:
    """`deploy(AuthMode="Iam")`: the resources and outputs made with those parameters, and else the defaults."""

    @cache
    def deployed(chosen: frozenset[tuple[str, str]]) -> dict[str, Any]:
        expanded = expand_template((root / "template.yaml").read_text(), dict(chosen))
        return Resolver(expanded, dict(chosen)).deployed()

    return lambda **parameters: deployed(frozenset(parameters.items()))


@pytest.fixture(scope="session")
def every_deployment(expanded: dict[str, Any]) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """For the combinations of what conditions depend on: the parameters and what is then deployed."""
    few, many = combinations(API_CHOICES), combinations(SCORE_CHOICES)
    assert len(few) <= len(many)
    random.Random(4).shuffle(many)  # both count in binary: side by side their last digits would always be the same
    mixed = [one | other for one, other in zip(itertools.cycle(few), many, strict=False)]
    return [(chosen, Resolver(expanded, chosen).deployed()) for chosen in mixed]


def combinations(choices: Mapping[str, list[str]]) -> list[dict[str, str]]:
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


@pytest.fixture(scope="session")
def tool_environment() -> dict[str, str]:
    """For commands of this virtual environment: it on PATH, nobody's AWS account, no telemetry."""
    bin_folder = str(Path(sys.executable).parent)
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_CLI_"))}
    return ours | {
        "PATH": os.pathsep.join([bin_folder, os.environ["PATH"]]),
        "AWS_DEFAULT_REGION": PSEUDO_PARAMETERS["AWS::Region"],
        "SAM_CLI_TELEMETRY": "0",
    }
