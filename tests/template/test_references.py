"""The stack hangs together: every reference names what exists under the same conditions, none goes in a circle."""

from __future__ import annotations

import re
from copy import deepcopy
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

type EveryDeployment = list[tuple[dict[str, str], dict[str, Any]]]


def references(node: Any) -> Iterator[str]:
    """The logical ids that a resolved resource or output names, by Ref, GetAtt, Sub or DependsOn."""
    if isinstance(node, list):
        for each in node:
            yield from references(each)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref":
                yield value
            elif key == "Fn::GetAtt":
                yield value[0] if isinstance(value, list) else value.split(".")[0]
            elif key == "Fn::Sub":
                yield from (name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", value))
            elif key == "DependsOn":
                yield from [value] if isinstance(value, str) else value
            else:
                yield from references(value)


def test_every_reference_names_what_is_deployed(every_deployment: EveryDeployment) -> None:
    for chosen, deployed in every_deployment:
        for section in ("Resources", "Outputs"):
            for name, entry in deployed[section].items():
                missing = set(references(entry)) - set(deployed["Resources"])
                assert not missing, f"{name} names {missing}, which {chosen} does not make"


def test_no_reference_goes_in_a_circle(every_deployment: EveryDeployment) -> None:
    for _, deployed in every_deployment:
        assert set(order_of_creation(deployed["Resources"])) == set(deployed["Resources"])


def order_of_creation(resources: dict[str, Any]) -> list[str]:
    graph = {name: set(references(resource)) for name, resource in resources.items()}
    return list(TopologicalSorter(graph).static_order())


def test_the_queue_is_open_before_the_inbox_is_told_of_it(deploy: Callable[..., dict[str, Any]]) -> None:
    """S3 sends a test message when a notification is set up, and refuses the queue that does not take it."""
    order = order_of_creation(deploy()["Resources"])
    assert order.index("ScoreQueue") < order.index("ScoreQueuePolicy") < order.index("InboxBucket")


def test_naming_the_inbox_in_the_queues_policy_would_be_a_circle(deploy: Callable[..., dict[str, Any]]) -> None:
    resources = deepcopy(deploy()["Resources"])
    statements = resources["ScoreQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    [from_s3] = [each for each in statements if each["Sid"] == "FromBucketsOfThisAccount"]
    from_s3["Condition"]["ArnLike"] = {"aws:SourceArn": {"Fn::GetAtt": ["InboxBucket", "Arn"]}}
    with pytest.raises(CycleError):
        order_of_creation(resources)


def test_the_stage_waits_for_the_accounts_role_where_the_stack_makes_it(every_deployment: EveryDeployment) -> None:
    """A stage with access logs fails in an account that has no role for them yet."""
    for chosen, deployed in every_deployment:
        made_before = ancestors(
            "ApiStage", {name: set(references(each)) for name, each in deployed["Resources"].items()}
        )
        assert ("ApiGatewayAccount" in made_before) == (chosen["CreateApiGatewayAccountRole"] == "true")


def ancestors(name: str, graph: dict[str, set[str]]) -> set[str]:
    direct = graph[name]
    return direct.union(*(ancestors(each, graph) for each in direct))
