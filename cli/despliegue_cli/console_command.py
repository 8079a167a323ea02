"""`despliegue console`: the page of a deployed service, on this machine, with one's AWS credentials behind it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from despliegue.errors import DespliegueError

if TYPE_CHECKING:
    from boto3 import Session

    from despliegue_cli.console_server import Deployment


def open_console(
    stack: Annotated[str, typer.Option(help="The stack, as CloudFormation calls it.")],
    region: Annotated[str, typer.Option(help="Its AWS region; else the one that AWS's tools are set to.")] = "",
    port: Annotated[int, typer.Option(help="The port on this machine.", min=1, max=65535)] = 8082,
) -> None:
    """Open a deployed service's page on this machine; its calls are passed on with your AWS credentials."""
    from despliegue_cli.console_server import serve_console

    deployment = find_deployment(stack, region)
    with serve_console(deployment, port) as server:
        print(f"The console of {stack} ({deployment.url}), until Ctrl-C:\nhttp://127.0.0.1:{port}/docs", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def find_deployment(stack: str, region: str) -> "Deployment":
    """Where the stack's API is, and what proves there that the caller may call it: the stack's key, or a signature.

    Raises:
        DespliegueError: there is no such stack, it is not one of ours, or AWS refuses to tell.
    """
    try:
        from boto3 import Session
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise DespliegueError("the console needs boto3, which is not installed; `make serve` installs it") from error
    from despliegue_cli.console_server import Deployment

    try:
        session = Session(region_name=region or None)
        found = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
        if "ApiUrl" not in outputs:
            raise DespliegueError(
                f"the stack {stack} has no output ApiUrl; expected one that was deployed from template.yaml"
            )
        url = outputs["ApiUrl"].rstrip("/")
        if "ApiKeyId" in outputs:
            key = session.client("apigateway").get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
            return Deployment(url, lambda method, address, headers, body: headers | {"x-api-key": key})
        return Deployment(url, _signer(session))
    except (BotoCoreError, ClientError) as error:
        raise DespliegueError(f"AWS does not tell where the stack {stack} is: {error}") from error


def _signer(session: "Session") -> Callable[[str, str, dict[str, str], bytes], dict[str, str]]:
    """Signs requests with Signature Version 4; credentials that expire are renewed by botocore."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    credentials = session.get_credentials()
    if credentials is None:
        raise DespliegueError("there are no AWS credentials to sign with; `aws configure` sets them up")
    region = session.region_name

    def sign(method: str, address: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        request = AWSRequest(method=method, url=address, data=body, headers=headers)
        SigV4Auth(credentials, "execute-api", region).add_auth(request)
        return dict(request.headers.items())

    return sign
