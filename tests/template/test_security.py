"""Who may call: for every AuthMode each path and method has the security listed here, and there is no other door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    type Deploy = Callable[..., dict[str, Any]]
    type EveryDeployment = list[tuple[dict[str, str], dict[str, Any]]]

ANY = "x-amazon-apigateway-any-method"
API_KEY: list[dict[str, list[str]]] = [{"apiKey": []}]
SIGNED: list[dict[str, list[str]]] = [{"sigv4": []}]
PATHS = [("/", ANY), ("/docs", "get"), ("/docs", ANY), ("/{proxy+}", ANY)]
EXPECTED = {"ApiKey": dict.fromkeys(PATHS, API_KEY), "Iam": dict.fromkeys(PATHS, SIGNED)}
CONSOLE: dict[str, dict[tuple[str, str], list[dict[str, list[str]]]]] = {"false": {}, "true": {("/docs", "get"): []}}
METHODS = {ANY, "get", "put", "post", "delete", "options", "head", "patch", "trace"}
KEY_TYPES = {"AWS::ApiGateway::ApiKey", "AWS::ApiGateway::UsagePlan", "AWS::ApiGateway::UsagePlanKey"}


def of_type(deployed: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [resource for resource in deployed["Resources"].values() if resource["Type"] == kind]


def test_the_list_names_every_mode(source: dict[str, Any]) -> None:
    assert set(EXPECTED) == set(source["Parameters"]["AuthMode"]["AllowedValues"])
    assert set(CONSOLE) == set(source["Parameters"]["PublicConsole"]["AllowedValues"])


@pytest.mark.parametrize("console", CONSOLE)
@pytest.mark.parametrize("mode", EXPECTED)
def test_every_path_and_method_is_closed_but_for_the_page_that_is_to_be_open(
    deploy: Deploy, mode: str, console: str
) -> None:
    [api] = of_type(deploy(AuthMode=mode, PublicConsole=console), "AWS::ApiGateway::RestApi")
    paths = api["Properties"]["Body"]["paths"]
    assert {
        (path, method): operation["security"]
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method in METHODS
    } == EXPECTED[mode] | CONSOLE[console]
    assert {key for operations in paths.values() for key in operations} - METHODS == {"parameters"}


@pytest.mark.parametrize("mode", EXPECTED)
def test_the_schemes_are_what_api_gateway_reads_as_a_key_and_as_iam(deploy: Deploy, mode: str) -> None:
    [api] = of_type(deploy(AuthMode=mode), "AWS::ApiGateway::RestApi")
    assert api["Properties"]["Body"]["components"]["securitySchemes"] == {
        "apiKey": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        "sigv4": {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "x-amazon-apigateway-authtype": "awsSigv4",
        },
    }


def test_the_default_is_the_api_key(deploy: Deploy) -> None:
    assert deploy()["Resources"]["Api"] == deploy(AuthMode="ApiKey", PublicConsole="false")["Resources"]["Api"]


def test_key_and_usage_plan_exist_in_api_key_mode_only(every_deployment: EveryDeployment) -> None:
    for chosen, deployed in every_deployment:
        kinds = {resource["Type"] for resource in deployed["Resources"].values()}
        assert kinds & KEY_TYPES == (KEY_TYPES if chosen["AuthMode"] == "ApiKey" else set())
        assert {"ApiKeyId", "ShowApiKey"} & set(deployed["Outputs"]) == (
            {"ApiKeyId", "ShowApiKey"} if chosen["AuthMode"] == "ApiKey" else set()
        )


def test_the_usage_plan_holds_the_parameters_and_this_stage(deploy: Deploy) -> None:
    deployed = deploy(RateLimit="3", BurstLimit="4", QuotaLimit="5", QuotaPeriod="WEEK")
    [plan] = of_type(deployed, "AWS::ApiGateway::UsagePlan")
    assert plan["Properties"]["Throttle"] == {"RateLimit": "3", "BurstLimit": "4"}
    assert plan["Properties"]["Quota"] == {"Limit": "5", "Period": "WEEK"}
    assert plan["Properties"]["ApiStages"] == [{"ApiId": {"Ref": "Api"}, "Stage": {"Ref": "ApiStage"}}]


@pytest.mark.parametrize("mode", EXPECTED)
def test_the_stage_is_throttled_in_every_mode(deploy: Deploy, mode: str) -> None:
    [stage] = of_type(deploy(AuthMode=mode, RateLimit="3", BurstLimit="4"), "AWS::ApiGateway::Stage")
    assert stage["Properties"]["MethodSettings"] == [
        {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": "3", "ThrottlingBurstLimit": "4"}
    ]


@pytest.mark.parametrize("mode", EXPECTED)
def test_the_open_page_has_a_throttle_of_its_own(deploy: Deploy, mode: str) -> None:
    [stage] = of_type(deploy(AuthMode=mode, PublicConsole="true"), "AWS::ApiGateway::Stage")
    rest, page = stage["Properties"]["MethodSettings"]
    assert rest["ResourcePath"] == "/*"
    # CloudFormation, AWS::ApiGateway::Stage MethodSetting: a path's slashes are written ~1, after one to begin with.
    assert (page["ResourcePath"], page["HttpMethod"]) == ("/~1docs", "GET")
    assert 0 < page["ThrottlingRateLimit"] <= page["ThrottlingBurstLimit"] <= 10


def test_there_is_one_stage_and_no_other_door(every_deployment: EveryDeployment) -> None:
    """SAM adds a stage called Stage when OpenApiVersion is missing; it would know no usage plan and no throttle."""
    for _, deployed in every_deployment:
        [deployment] = of_type(deployed, "AWS::ApiGateway::Deployment")
        assert "StageName" not in deployment["Properties"]
        assert len(of_type(deployed, "AWS::ApiGateway::Stage")) == 1
        assert not of_type(deployed, "AWS::Lambda::Url")


def test_a_new_auth_mode_reaches_the_stage(
    root: Any, expand: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage serves a snapshot of the API, to be made anew where only a parameter changed, which SAM does not see."""
    deployments = []
    for now in (1_000_000_000, 1_000_000_100):
        monkeypatch.setattr("samtranslator.model.apigateway.time.time", lambda now=now: now)
        expanded = expand((root / "template.yaml").read_text(), {})
        deployments.append(expanded["Resources"]["ApiStage"]["Properties"]["DeploymentId"]["Ref"])
    assert deployments[0] != deployments[1]


def test_only_this_apis_stage_may_invoke_the_alias(deploy: Deploy) -> None:
    [permission] = of_type(deploy(), "AWS::Lambda::Permission")
    assert permission["Properties"] == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": {"Ref": "PredictFunctionAliaslive"},
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": {"Fn::Sub": "arn:aws:execute-api:eu-west-1:123456789012:${Api}/live/*"},
    }


def test_the_api_calls_the_alias_and_not_the_latest_code(deploy: Deploy) -> None:
    deployed = deploy()
    [api] = of_type(deployed, "AWS::ApiGateway::RestApi")
    [alias] = of_type(deployed, "AWS::Lambda::Alias")
    called = f"${{PredictFunction.Arn}}:{alias['Properties']['Name']}"
    paths = api["Properties"]["Body"]["paths"]
    for path, method in PATHS:
        integration = paths[path][method]["x-amazon-apigateway-integration"]
        assert integration["type"] == "aws_proxy"
        assert integration["uri"] == {
            "Fn::Sub": f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{called}/invocations"
        }
