"""The buckets: encrypted, over TLS only, never public, tidied, kept; and an inbox that is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    type Deploy = Callable[..., dict[str, Any]]
    type EveryDeployment = list[tuple[dict[str, str], dict[str, Any]]]

ABORT = {
    "Id": "AbortUnfinishedUploads",
    "Status": "Enabled",
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}


def of_type(deployed: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in deployed["Resources"].items() if each["Type"] == kind}


def buckets(deployed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = of_type(deployed, "AWS::S3::Bucket")
    assert "ResultsBucket" in found
    return found


def test_there_is_an_inbox_unless_one_is_given_and_always_a_bucket_for_results(
    every_deployment: EveryDeployment,
) -> None:
    for chosen, deployed in every_deployment:
        ours = set() if chosen["InboxBucketName"] else {"InboxBucket"}
        assert set(buckets(deployed)) == ours | {"ResultsBucket"}


def test_buckets_are_encrypted_so_that_an_etag_is_the_md5_of_the_content(every_deployment: EveryDeployment) -> None:
    """With KMS it would not be: S3 API reference, "Object", ETag."""
    for _, deployed in every_deployment:
        for bucket in buckets(deployed).values():
            [rule] = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
            assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def test_nothing_in_them_is_ever_public_or_anothers(every_deployment: EveryDeployment) -> None:
    for _, deployed in every_deployment:
        for bucket in buckets(deployed).values():
            assert bucket["Properties"]["PublicAccessBlockConfiguration"] == {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            }
            assert bucket["Properties"]["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_each_denies_everything_without_tls_and_says_nothing_else(every_deployment: EveryDeployment) -> None:
    for _, deployed in every_deployment:
        policies = of_type(deployed, "AWS::S3::BucketPolicy").values()
        documents = {each["Properties"]["Bucket"]["Ref"]: each["Properties"]["PolicyDocument"] for each in policies}
        assert set(documents) == set(buckets(deployed))
        for bucket, document in documents.items():
            [statement] = document["Statement"]
            assert statement == {
                "Sid": "OnlyOverTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [{"Fn::GetAtt": [bucket, "Arn"]}, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}],
                "Condition": {"Bool": {"aws:SecureTransport": False}},
            }


def test_unfinished_uploads_go_after_a_day_and_files_after_the_days_given(every_deployment: EveryDeployment) -> None:
    for chosen, deployed in every_deployment:
        for name, bucket in buckets(deployed).items():
            days = chosen[name.removesuffix("Bucket") + "ExpirationDays"]
            expire = [] if days == "0" else [{"Id": "Expire", "Status": "Enabled", "ExpirationInDays": days}]
            assert bucket["Properties"]["LifecycleConfiguration"] == {"Rules": [ABORT, *expire]}


def test_files_are_kept_for_ever_unless_told_otherwise(deploy: Deploy) -> None:
    for bucket in buckets(deploy()).values():
        assert bucket["Properties"]["LifecycleConfiguration"] == {"Rules": [ABORT]}


def test_buckets_outlive_the_stack_but_not_a_first_deployment_that_fails(every_deployment: EveryDeployment) -> None:
    for _, deployed in every_deployment:
        for bucket in buckets(deployed).values():
            assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_the_stacks_own_inbox_tells_the_queue_of_every_kind_of_creation(every_deployment: EveryDeployment) -> None:
    for chosen, deployed in every_deployment:
        for name, bucket in buckets(deployed).items():
            told = bucket["Properties"].get("NotificationConfiguration")
            assert told == (
                {
                    "QueueConfigurations": [
                        {"Event": "s3:ObjectCreated:*", "Queue": {"Fn::GetAtt": ["ScoreQueue", "Arn"]}}
                    ]
                }
                if name == "InboxBucket"
                else None
            ), "the results bucket must not trigger the function that writes to it"
        if not chosen["InboxBucketName"]:
            assert deployed["Resources"]["InboxBucket"]["DependsOn"] == "ScoreQueuePolicy"


def test_an_existing_inbox_tells_it_through_eventbridge(every_deployment: EveryDeployment) -> None:
    for chosen, deployed in every_deployment:
        rules = of_type(deployed, "AWS::Events::Rule")
        assert set(rules) == ({"InboxRule"} if chosen["InboxBucketName"] else set())
        for rule in rules.values():
            assert rule["Properties"]["EventPattern"] == {
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {"bucket": {"name": [chosen["InboxBucketName"]]}},
            }
            [target] = rule["Properties"]["Targets"]
            assert target["Arn"] == {"Fn::GetAtt": ["ScoreQueue", "Arn"]}
            assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["ScoreDeadLetterQueue", "Arn"]}}
            assert "EventBusName" not in rule["Properties"], "S3 sends to the default bus only"


def test_the_parameter_says_what_an_existing_inbox_needs(source: dict[str, Any]) -> None:
    assert "EventBridge" in source["Parameters"]["InboxBucketName"]["Description"]


@pytest.mark.parametrize(
    ("given", "inbox"), [({}, {"Ref": "InboxBucket"}), ({"InboxBucketName": "an-inbox"}, "an-inbox")]
)
def test_the_outputs_say_where_files_go_and_where_they_come_out(
    deploy: Deploy, given: dict[str, str], inbox: object
) -> None:
    outputs = deploy(**given)["Outputs"]
    assert outputs["InboxBucketName"]["Value"] == inbox
    assert outputs["ResultsBucketName"]["Value"] == {"Ref": "ResultsBucket"}
    name = inbox if isinstance(inbox, str) else "${InboxBucket}"
    line = outputs["HowToScore"]["Value"]["Fn::Sub"]
    assert line.startswith(f"aws s3 cp birds.csv s3://{name}/MODEL/ ")
    assert line.endswith("aws s3 cp s3://${ResultsBucket}/MODEL/birds.csv.report.json -")
