"""How functions run: SnapStart only with what it allows, layers that publish versions, tracing, environment."""

from __future__ import annotations

from typing import Any

type EveryDeployment = list[tuple[dict[str, str], dict[str, Any]]]

SNAPSTART_TMP_LIMIT_MB = 512


def functions(deployed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {name: each for name, each in deployed["Resources"].items() if each["Type"] == "AWS::Lambda::Function"}
    assert found
    return found


def test_snapstart_is_on_for_published_versions_where_asked_and_nowhere_else(every_deployment: EveryDeployment) -> None:
    for chosen, deployed in every_deployment:
        applies = {
            name: each["Properties"].get("SnapStart", {}).get("ApplyOn", "None")
            for name, each in functions(deployed).items()
        }
        assert applies == {
            "PredictFunction": "PublishedVersions" if chosen["SnapStart"] == "On" else "None",
            "ScoreFunction": "None",
            "ScoreFailedFunction": "None",
        }


def test_snapstart_never_meets_what_it_forbids(every_deployment: EveryDeployment) -> None:
    """cfn-lint does not look at this: https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html."""
    for _, deployed in every_deployment:
        for name, function in functions(deployed).items():
            properties = function["Properties"]
            if properties.get("SnapStart", {}).get("ApplyOn") != "PublishedVersions":
                continue
            assert properties["Runtime"].startswith("python3.1")
            assert "ImageUri" not in properties["Code"]
            assert "FileSystemConfigs" not in properties
            assert int(properties.get("EphemeralStorage", {}).get("Size", 512)) <= SNAPSTART_TMP_LIMIT_MB
            for other in deployed["Resources"].values():
                if other["Type"] in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
                    assert "ProvisionedConcurrencyConfig" not in other["Properties"]
                assert other["Type"] != "AWS::ApplicationAutoScaling::ScalableTarget"
            kinds = [
                other["Type"]
                for other in deployed["Resources"].values()
                if other["Properties"].get("FunctionName") == {"Ref": name}
            ]
            assert {"AWS::Lambda::Version", "AWS::Lambda::Alias"} <= set(kinds), "a snapshot is taken of a version only"


def test_a_version_that_is_replaced_is_deleted(every_deployment: EveryDeployment) -> None:
    """Its snapshot is billed as long as it exists."""
    for _, deployed in every_deployment:
        versions = [each for each in deployed["Resources"].values() if each["Type"] == "AWS::Lambda::Version"]
        assert {each["DeletionPolicy"] for each in versions} == {"Delete"}


def test_layers_can_publish_versions(source: dict[str, Any]) -> None:
    """All three are needed, and any one missing is silent: sam#3610, sam#2220."""
    assert source["Globals"]["LayerVersion"]["PublishLambdaVersion"] is True
    published = [each for each in source["Resources"].values() if "AutoPublishAlias" in each["Properties"]]
    assert published
    for function in published:
        assert function["Properties"]["AutoPublishAliasAllProperties"] is True
        assert all(list(layer) == ["Ref"] for layer in function["Properties"]["Layers"])


def test_layers_are_built_by_makefile_and_not_kept(source: dict[str, Any]) -> None:
    layers = {
        name: each for name, each in source["Resources"].items() if each["Type"] == "AWS::Serverless::LayerVersion"
    }
    assert set(layers) == {"RuntimeLayer", "TablesLayer", "ImagesLayer", "ServingLayer", "ModelsLayer"}
    for layer in layers.values():
        assert layer["Metadata"]["BuildMethod"] == "makefile"
        assert layer["Properties"]["RetentionPolicy"] == "Delete"
    assert {name for name, each in layers.items() if "CompatibleArchitectures" in each["Properties"]} == {
        "RuntimeLayer",
        "TablesLayer",
        "ImagesLayer",
    }


def test_only_what_scores_files_waits_for_the_tables_layer_and_only_the_api_for_images(source: dict[str, Any]) -> None:
    layers = {
        name: [layer["Ref"] for layer in each["Properties"]["Layers"]]
        for name, each in source["Resources"].items()
        if each["Type"] == "AWS::Serverless::Function"
    }
    assert layers == {
        "PredictFunction": ["RuntimeLayer", "ImagesLayer", "ServingLayer", "ModelsLayer"],
        "ScoreFunction": ["RuntimeLayer", "TablesLayer", "ServingLayer", "ModelsLayer"],
        "ScoreFailedFunction": ["RuntimeLayer", "TablesLayer", "ServingLayer", "ModelsLayer"],
    }


def test_the_environment_is_what_the_library_expects(every_deployment: EveryDeployment) -> None:
    common = {
        "DESPLIEGUE_MODELS": "/opt/models",
        "OPENBLAS_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "POWERTOOLS_METRICS_NAMESPACE": "Despliegue",
        "POWERTOOLS_SERVICE_NAME": "the-stack",
    }
    for chosen, deployed in every_deployment:
        found = {name: each["Properties"]["Environment"]["Variables"] for name, each in functions(deployed).items()}
        buckets = {
            "DESPLIEGUE_INBOX_BUCKET": chosen["InboxBucketName"] or {"Ref": "InboxBucket"},
            "DESPLIEGUE_RESULTS_BUCKET": {"Ref": "ResultsBucket"},
            "DESPLIEGUE_AWS_ENDPOINT": "",
        }
        score = (
            common
            | buckets
            | {
                "MALLOC_ARENA_MAX": "1",
                "DESPLIEGUE_EVENT_BUS": chosen["EventBusName"],
                "DESPLIEGUE_TOPIC_ARN": chosen["NotificationTopicArn"],
            }
        )
        predict = (
            common
            | buckets
            | {
                "DESPLIEGUE_PRELOAD": "",
                "DESPLIEGUE_DEFAULT_MODEL": "",
                "DESPLIEGUE_AUTH": chosen["AuthMode"],
            }
        )
        assert found == {"PredictFunction": predict, "ScoreFunction": score, "ScoreFailedFunction": score}


def test_requests_are_traced_from_the_api_to_the_function(every_deployment: EveryDeployment) -> None:
    for _, deployed in every_deployment:
        assert deployed["Resources"]["ApiStage"]["Properties"]["TracingEnabled"] is True
        for function in functions(deployed).values():
            assert function["Properties"]["TracingConfig"] == {"Mode": "Active"}
