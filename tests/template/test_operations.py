"""What running it needs: logs that end, alarms that ring, names that two stacks can share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

type EveryDeployment = list[tuple[dict[str, str], dict[str, Any]]]

# Names that CloudFormation makes up itself unless told. Those of a layer, an alias and a stage must be given: the
# stack's name is in the first, and the others live inside one function and one API.
NAMES = {
    "AlarmName",
    "BucketName",
    "FunctionName",
    "KeyName",
    "LogGroupName",
    "Name",
    "PolicyName",
    "QueueName",
    "RoleName",
    "TableName",
    "TopicName",
    "UsagePlanName",
}
NAMED = {("AWS::Lambda::Alias", "Name")}


def of_type(deployed: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    found = {name: each for name, each in deployed["Resources"].items() if each["Type"] == kind}
    assert found, f"no {kind}"
    return found


def test_no_resource_has_a_fixed_name(every_deployment: EveryDeployment) -> None:
    for _, deployed in every_deployment:
        for name, resource in deployed["Resources"].items():
            for key in NAMES & set(resource["Properties"]):
                value = resource["Properties"][key]
                assert isinstance(value, dict) or (resource["Type"], key) in NAMED, f"{name} is called {value}"


def test_layers_are_named_after_the_stack(every_deployment: EveryDeployment) -> None:
    for _, deployed in every_deployment:
        for layer in of_type(deployed, "AWS::Lambda::LayerVersion").values():
            assert layer["Properties"]["LayerName"].startswith("the-stack-")


def test_every_function_and_the_stage_log_to_a_group_that_ends(every_deployment: EveryDeployment) -> None:
    for _, deployed in every_deployment:
        groups = of_type(deployed, "AWS::Logs::LogGroup")
        assert {each["Properties"]["RetentionInDays"] for each in groups.values()} == {"30"}
        for function in of_type(deployed, "AWS::Lambda::Function").values():
            assert function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"] in groups
        [stage] = of_type(deployed, "AWS::ApiGateway::Stage").values()
        destination = stage["Properties"]["AccessLogSetting"]["DestinationArn"]
        assert destination == {"Fn::Sub": "arn:aws:logs:eu-west-1:123456789012:log-group:${ApiLogs}"}


def test_an_access_log_line_is_json_without_what_was_sent(deploy: Callable[..., dict[str, Any]]) -> None:
    layout = deploy()["Resources"]["ApiStage"]["Properties"]["AccessLogSetting"]["Format"]
    assert "\n" not in layout
    fields = json.loads(layout)
    assert {"requestId", "time", "method", "path", "status", "latencyMs", "failure"} <= set(fields)
    for variable in fields.values():
        assert variable.startswith("$context."), variable
        assert "message" not in variable.lower(), "API Gateway's messages may quote the request"


def test_the_accounts_log_role_is_made_on_request_and_outlives_the_stack(every_deployment: EveryDeployment) -> None:
    for chosen, deployed in every_deployment:
        made = {name: each for name, each in deployed["Resources"].items() if name.startswith("ApiGatewayAccount")}
        assert bool(made) == (chosen["CreateApiGatewayAccountRole"] == "true")
        assert {each["DeletionPolicy"] for each in made.values()} <= {"Retain"}


def test_alarms_watch_errors_throttles_latency_and_files_that_wait_or_were_given_up(
    every_deployment: EveryDeployment,
) -> None:
    for chosen, deployed in every_deployment:
        alarms = of_type(deployed, "AWS::CloudWatch::Alarm")
        watched = {
            name: each["Properties"]["Namespace"] + " " + each["Properties"]["MetricName"]
            for name, each in alarms.items()
        }
        assert watched == {
            "ServerErrorAlarm": "AWS/ApiGateway 5XXError",
            "FunctionErrorAlarm": "AWS/Lambda Errors",
            "ThrottleAlarm": "AWS/Lambda Throttles",
            "LatencyAlarm": "AWS/ApiGateway Latency",
            "ScoreErrorAlarm": "AWS/Lambda Errors",
            "ScoreDeadLetterAlarm": "AWS/SQS ApproximateNumberOfMessagesVisible",
            "ScoreAgeAlarm": "AWS/SQS ApproximateAgeOfOldestMessage",
        }
        topic = [chosen["AlarmTopicArn"]] if chosen["AlarmTopicArn"] else None
        for alarm in alarms.values():
            assert alarm["Properties"].get("AlarmActions") == topic
            assert alarm["Properties"]["TreatMissingData"] == "notBreaching"
            assert alarm["Properties"]["ComparisonOperator"] == "GreaterThanThreshold"


def test_the_apis_alarms_watch_the_name_that_the_api_has(deploy: Callable[..., dict[str, Any]]) -> None:
    """API Gateway's metrics go by the API's name, which is the title of its definition."""
    deployed = deploy(LatencyAlarmMs="1234")
    title = deployed["Resources"]["Api"]["Properties"]["Body"]["info"]["title"]
    for name in ("ServerErrorAlarm", "LatencyAlarm"):
        assert deployed["Resources"][name]["Properties"]["Dimensions"] == [
            {"Name": "ApiName", "Value": title},
            {"Name": "Stage", "Value": {"Ref": "ApiStage"}},
        ]
    latency = deployed["Resources"]["LatencyAlarm"]["Properties"]
    assert (latency["ExtendedStatistic"], latency["Threshold"]) == ("p99", "1234")


def test_the_outputs_say_how_to_call_in_each_mode(deploy: Callable[..., dict[str, Any]]) -> None:
    url = "https://${Api}.execute-api.eu-west-1.amazonaws.com/live"
    by_key, by_iam = (deploy(AuthMode=mode)["Outputs"] for mode in ("ApiKey", "Iam"))
    for outputs in (by_key, by_iam):
        assert outputs["ApiUrl"]["Value"] == {"Fn::Sub": url}
        assert outputs["PredictAlias"]["Value"] == {"Ref": "PredictFunctionAliaslive"}
        assert f"{url}/v2/models" in outputs["HowToCall"]["Value"]["Fn::Sub"]
    assert by_key["ApiKeyId"]["Value"] == {"Ref": "ApiKey"}
    assert "x-api-key" in by_key["HowToCall"]["Value"]["Fn::Sub"]
    assert "get-api-key --region eu-west-1 --api-key ${ApiKey}" in by_key["ShowApiKey"]["Value"]["Fn::Sub"]
    assert "--aws-sigv4 aws:amz:eu-west-1:execute-api" in by_iam["HowToCall"]["Value"]["Fn::Sub"]
