"""What each function may do: the actions and resources listed here, and not one more."""

from __future__ import annotations

import json
from typing import Any

type EveryDeployment = list[tuple[dict[str, str], dict[str, Any]]]
type Permissions = set[tuple[str, str]]
"""Actions, each with its resource as text, and its condition after that."""

ACCOUNT = "eu-west-1:123456789012"
TRACES: Permissions = {("xray:PutTraceSegments", "*"), ("xray:PutTelemetryRecords", "*")}  # X-Ray knows no resources


def resources(deployed: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in deployed["Resources"].items() if each["Type"] == kind}


def as_text(resource: Any) -> str:
    match resource:
        case {"Fn::GetAtt": [name, "Arn"]}:
            return f"${{{name}.Arn}}"
        case {"Fn::Sub": str(text)} | str(text):
            return text
    raise AssertionError(f"not one resource: {resource}")


def permissions(document: dict[str, Any]) -> Permissions:
    found = []
    for statement in document["Statement"]:
        assert set(statement) - {"Condition"} == {"Sid", "Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        only = f" only {json.dumps(statement['Condition'])}" if "Condition" in statement else ""
        found += [(action, as_text(statement["Resource"]) + only) for action in actions]
    assert len(found) == len(set(found)), "the same is allowed twice"
    return set(found)


def permissions_of(deployed: dict[str, Any], function: str) -> Permissions:
    """Everything that a function's role allows, its own policies and the template's managed ones."""
    role = resources(deployed, "AWS::IAM::Role")[
        resources(deployed, "AWS::Lambda::Function")[function]["Role"]["Fn::GetAtt"][0]
    ]
    shared = [resources(deployed, "AWS::IAM::ManagedPolicy")[each["Ref"]] for each in role.get("ManagedPolicyArns", [])]
    documents = [policy["PolicyDocument"] for policy in [*role["Policies"], *shared]]
    return set().union(*map(permissions, documents))


def own(queue: str, logs: str) -> Permissions:
    return {(f"sqs:{action}", queue) for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")} | {
        ("logs:CreateLogStream", logs),
        ("logs:PutLogEvents", logs),
    }


def scoring(chosen: dict[str, str]) -> Permissions:
    inbox = f"arn:aws:s3:::{chosen['InboxBucketName']}" if chosen["InboxBucketName"] else "${InboxBucket.Arn}"
    allowed = {
        ("s3:GetObject", f"{inbox}/*"),
        ("s3:ListBucket", inbox),
        ("s3:GetObject", "${ResultsBucket.Arn}/*"),
        ("s3:PutObject", "${ResultsBucket.Arn}/*"),
        ("s3:DeleteObject", "${ResultsBucket.Arn}/*"),
        ("s3:AbortMultipartUpload", "${ResultsBucket.Arn}/*"),
        ("s3:ListBucket", "${ResultsBucket.Arn}"),
        ("s3:ListBucketMultipartUploads", "${ResultsBucket.Arn}"),
    }
    if key := chosen["InboxKmsKeyArn"]:
        allowed |= {("kms:Decrypt", key)}
    if bus := chosen["EventBusName"]:
        allowed |= {("events:PutEvents", f"arn:aws:events:{ACCOUNT}:event-bus/{bus}")}
    if topic := chosen["NotificationTopicArn"]:
        allowed |= {("sns:Publish", topic)}
    return allowed


def jobs(chosen: dict[str, str]) -> Permissions:
    """What the API may do with files: in the folders of its own jobs, of which it only sees the names in the inbox."""
    inbox = f"arn:aws:s3:::{chosen['InboxBucketName']}" if chosen["InboxBucketName"] else "${InboxBucket.Arn}"
    folders = '{"StringLike": {"s3:prefix": "*@*/jobs/*"}}'
    both = '{"StringLike": {"s3:prefix": ["_api_jobs/*", "*@*/jobs/*"]}}'
    allowed = {
        ("s3:PutObject", f"{inbox}/*@*/jobs/*"),
        ("s3:ListBucket", f"{inbox} only {folders}"),
        ("s3:PutObject", "${ResultsBucket.Arn}/_api_jobs/*"),
        ("s3:GetObject", "${ResultsBucket.Arn}/*@*/jobs/*"),
        ("s3:ListBucket", f"${{ResultsBucket.Arn}} only {both}"),
    }
    return allowed | ({("kms:GenerateDataKey", key)} if (key := chosen["InboxKmsKeyArn"]) else set())


def test_the_predict_function_writes_logs_and_traces_keeps_jobs_and_does_nothing_else(
    every_deployment: EveryDeployment,
) -> None:
    logs = {("logs:CreateLogStream", "${PredictLogs.Arn}"), ("logs:PutLogEvents", "${PredictLogs.Arn}")}
    for chosen, deployed in every_deployment:
        assert permissions_of(deployed, "PredictFunction") == logs | jobs(chosen) | TRACES


def test_the_score_function_takes_from_its_queue_reads_the_inbox_and_writes_results(
    every_deployment: EveryDeployment,
) -> None:
    for chosen, deployed in every_deployment:
        expected = own("${ScoreQueue.Arn}", "${ScoreLogs.Arn}") | scoring(chosen) | TRACES
        assert permissions_of(deployed, "ScoreFunction") == expected


def test_the_function_for_failed_files_may_do_the_same_on_its_own_queue(every_deployment: EveryDeployment) -> None:
    for chosen, deployed in every_deployment:
        expected = own("${ScoreFailedQueue.Arn}", "${ScoreFailedLogs.Arn}") | scoring(chosen) | TRACES
        assert permissions_of(deployed, "ScoreFailedFunction") == expected


def test_every_function_has_a_role_of_its_own(every_deployment: EveryDeployment) -> None:
    for _, deployed in every_deployment:
        functions = resources(deployed, "AWS::Lambda::Function")
        roles = {each["Role"]["Fn::GetAtt"][0] for each in functions.values()}
        assert len(roles) == len(functions)
        everywhere = set(resources(deployed, "AWS::IAM::Role"))
        assert roles | {"ApiGatewayAccountRole"} == everywhere | {"ApiGatewayAccountRole"}
        for role in roles:
            [trust] = deployed["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_of_amazons_managed_policies_only_api_gateways_log_writing_is_used(every_deployment: EveryDeployment) -> None:
    for _, deployed in every_deployment:
        roles = resources(deployed, "AWS::IAM::Role")
        arns = [arn for role in roles.values() for arn in role.get("ManagedPolicyArns", []) if isinstance(arn, str)]
        assert set(arns) <= {"arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}
