"""Files on their way: queue, function, queue of the failed, dead letters. None is lost and none starves the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    type Deploy = Callable[..., dict[str, Any]]
    type EveryDeployment = list[tuple[dict[str, str], dict[str, Any]]]

QUEUES = ["ScoreQueue", "ScoreFailedQueue", "ScoreDeadLetterQueue"]
CONSUMERS = {"ScoreFunction": "ScoreQueue", "ScoreFailedFunction": "ScoreFailedQueue"}
NEXT = {"ScoreQueue": "ScoreFailedQueue", "ScoreFailedQueue": "ScoreDeadLetterQueue", "ScoreDeadLetterQueue": None}
DAY_S = 86_400
LAMBDA_MAX_TIMEOUT_S = 900


def properties(deployed: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = deployed["Resources"][name]["Properties"]
    return found


def of_type(deployed: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each["Properties"] for each in deployed["Resources"].values() if each["Type"] == kind]


def mapping(deployed: dict[str, Any], function: str) -> dict[str, Any]:
    mappings = of_type(deployed, "AWS::Lambda::EventSourceMapping")
    [found] = [each for each in mappings if each["FunctionName"] == {"Ref": function}]
    return found


def test_each_queue_feeds_its_function_and_there_are_no_others(every_deployment: EveryDeployment) -> None:
    for _, deployed in every_deployment:
        mappings = of_type(deployed, "AWS::Lambda::EventSourceMapping")
        fed = {each["FunctionName"]["Ref"]: each["EventSourceArn"]["Fn::GetAtt"][0] for each in mappings}
        assert fed == CONSUMERS
        assert len(of_type(deployed, "AWS::SQS::Queue")) == len(QUEUES)


def test_a_message_at_a_time_and_only_what_failed_comes_back(every_deployment: EveryDeployment) -> None:
    for _, deployed in every_deployment:
        for function in CONSUMERS:
            assert mapping(deployed, function)["BatchSize"] == 1
            assert mapping(deployed, function)["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_handlers_are_two_of_the_same_code(source: dict[str, Any]) -> None:
    found = {name: source["Resources"][name]["Properties"] for name in CONSUMERS}
    assert {each["CodeUri"] for each in found.values()} == {"functions/score"}
    assert {name: each["Handler"] for name, each in found.items()} == {
        "ScoreFunction": "app.handler",
        "ScoreFailedFunction": "app.failed",
    }


def test_a_file_has_all_the_time_that_lambda_gives(deploy: Deploy) -> None:
    assert properties(deploy(), "ScoreFunction")["Timeout"] == LAMBDA_MAX_TIMEOUT_S


def test_a_message_stays_invisible_for_six_timeouts_of_its_function(every_deployment: EveryDeployment) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html."""
    for _, deployed in every_deployment:
        for function, queue in CONSUMERS.items():
            timeout = properties(deployed, function)["Timeout"]
            assert properties(deployed, queue)["VisibilityTimeout"] >= 6 * timeout


def test_what_fails_three_times_goes_to_the_next_queue_and_stays_in_the_last(
    every_deployment: EveryDeployment,
) -> None:
    for _, deployed in every_deployment:
        for queue, following in NEXT.items():
            redrive = properties(deployed, queue).get("RedrivePolicy")
            if following is None:
                assert redrive is None
            else:
                assert redrive == {"deadLetterTargetArn": {"Fn::GetAtt": [following, "Arn"]}, "maxReceiveCount": 3}


def test_dead_letters_leave_a_person_a_week(deploy: Deploy) -> None:
    """A message keeps its age when SQS moves it: SQS developer guide, "Message retention for dead-letter queues"."""
    kept = {queue: properties(deploy(), queue)["MessageRetentionPeriod"] for queue in QUEUES}
    assert kept["ScoreFailedQueue"] == kept["ScoreDeadLetterQueue"] == 14 * DAY_S
    assert kept["ScoreDeadLetterQueue"] - kept["ScoreQueue"] >= 7 * DAY_S


def test_queues_are_encrypted(every_deployment: EveryDeployment) -> None:
    for _, deployed in every_deployment:
        for queue in QUEUES:
            assert properties(deployed, queue)["SqsManagedSseEnabled"] is True


def allow(queue: str, service: str, condition: dict[str, Any], sid: str) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": [queue, "Arn"]},
        "Condition": condition,
    }


def test_only_s3_of_this_account_or_only_the_rule_may_send_and_nobody_without_tls(
    every_deployment: EveryDeployment,
) -> None:
    by_s3 = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    by_rule = {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["InboxRule", "Arn"]}}}
    for chosen, deployed in every_deployment:
        policies = of_type(deployed, "AWS::SQS::QueuePolicy")
        assert sorted(queue["Ref"] for each in policies for queue in each["Queues"]) == sorted(QUEUES)
        allowed = {}
        for policy in policies:
            [queue] = [each["Ref"] for each in policy["Queues"]]
            tls, *allowed[queue] = policy["PolicyDocument"]["Statement"]
            assert tls == {
                "Sid": "OnlyOverTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:*",
                "Resource": {"Fn::GetAtt": [queue, "Arn"]},
                "Condition": {"Bool": {"aws:SecureTransport": False}},
            }
        events = "events.amazonaws.com"
        if chosen["InboxBucketName"]:
            assert allowed == {
                "ScoreQueue": [allow("ScoreQueue", events, by_rule, "FromTheRule")],
                "ScoreFailedQueue": [],
                "ScoreDeadLetterQueue": [allow("ScoreDeadLetterQueue", events, by_rule, "FromTheRule")],
            }
        else:
            assert allowed == {
                "ScoreQueue": [allow("ScoreQueue", "s3.amazonaws.com", by_s3, "FromBucketsOfThisAccount")],
                "ScoreFailedQueue": [],
                "ScoreDeadLetterQueue": [],
            }


def test_files_are_scored_so_many_at_once_and_have_just_that_many_reserved(every_deployment: EveryDeployment) -> None:
    """More in the mapping than is reserved would be throttled, and burn receives."""
    for chosen, deployed in every_deployment:
        assert mapping(deployed, "ScoreFunction")["ScalingConfig"] == {"MaximumConcurrency": "10"}
        reserved = properties(deployed, "ScoreFunction").get("ReservedConcurrentExecutions")
        assert reserved == ("10" if chosen["ScoreReservedConcurrency"] == "On" else None)
        assert "ReservedConcurrentExecutions" not in properties(deployed, "ScoreFailedFunction")
        assert mapping(deployed, "ScoreFailedFunction")["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_the_cap_is_a_parameter_within_what_lambda_takes(deploy: Deploy, source: dict[str, Any]) -> None:
    deployed = deploy(ScoreMaximumConcurrency="3")
    assert mapping(deployed, "ScoreFunction")["ScalingConfig"] == {"MaximumConcurrency": "3"}
    assert properties(deployed, "ScoreFunction")["ReservedConcurrentExecutions"] == "3"
    limits = source["Parameters"]["ScoreMaximumConcurrency"]
    assert (limits["MinValue"], limits["MaxValue"]) == (2, 1000)


@pytest.mark.parametrize(
    ("alarm", "dimension", "statistic"),
    [
        ("ScoreErrorAlarm", {"Name": "FunctionName", "Value": {"Ref": "ScoreFunction"}}, "Sum"),
        (
            "ScoreDeadLetterAlarm",
            {"Name": "QueueName", "Value": {"Fn::GetAtt": ["ScoreDeadLetterQueue", "QueueName"]}},
            "Maximum",
        ),
        ("ScoreAgeAlarm", {"Name": "QueueName", "Value": {"Fn::GetAtt": ["ScoreQueue", "QueueName"]}}, "Maximum"),
    ],
)
def test_each_alarm_watches_what_it_is_named_after(
    deploy: Deploy, alarm: str, dimension: dict[str, Any], statistic: str
) -> None:
    found = properties(deploy(), alarm)
    assert (found["Dimensions"], found["Statistic"]) == ([dimension], statistic)


def test_the_first_error_and_the_first_dead_letter_ring(deploy: Deploy) -> None:
    for alarm in ("ScoreErrorAlarm", "ScoreDeadLetterAlarm"):
        assert properties(deploy(), alarm)["Threshold"] == 0


def test_a_file_that_is_only_being_retried_does_not_ring(deploy: Deploy) -> None:
    deployed = deploy()
    queue = properties(deployed, "ScoreQueue")
    retries = queue["RedrivePolicy"]["maxReceiveCount"] - 1
    longest = retries * queue["VisibilityTimeout"] + properties(deployed, "ScoreFunction")["Timeout"]
    assert longest < properties(deployed, "ScoreAgeAlarm")["Threshold"] < queue["MessageRetentionPeriod"]


def test_the_queues_call_the_latest_code(source: dict[str, Any]) -> None:
    """No alias, no version: nothing to publish when a parameter changes."""
    for function in CONSUMERS:
        assert not {"AutoPublishAlias", "VersionDescription", "SnapStart"} & set(
            source["Resources"][function]["Properties"]
        )


def test_the_outputs_say_how_dead_letters_are_sent_back(deploy: Deploy) -> None:
    outputs = deploy()["Outputs"]
    assert outputs["ScoreQueueUrl"]["Value"] == {"Ref": "ScoreQueue"}
    assert outputs["ScoreDeadLetterQueueUrl"]["Value"] == {"Ref": "ScoreDeadLetterQueue"}
    assert outputs["HowToRedrive"]["Value"]["Fn::Sub"] == (
        "aws sqs start-message-move-task --region eu-west-1"
        " --source-arn ${ScoreDeadLetterQueue.Arn} --destination-arn ${ScoreQueue.Arn}"
    )
