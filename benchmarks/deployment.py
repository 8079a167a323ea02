"""The deployed function's surroundings, on this machine: its environment, its import path, its events, its stdout."""

import base64
import io
import json
import os
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
FUNCTION = "PredictFunction"

type Event = dict[str, Any]


class Context:
    """The part of Lambda's context that the handler reads."""

    aws_request_id = "1d3f5b7a-2c4e-4a6b-8d0f-9e7c5a3b1d2f"


class _TemplateLoader(yaml.SafeLoader):
    """Reads `!Ref X` as {"Ref": "X"}; what other tags hold does not matter here."""


_TemplateLoader.add_multi_constructor(
    "!", lambda loader, tag, node: {tag: node.value if isinstance(node, yaml.ScalarNode) else None}
)


def read_template() -> dict[str, Any]:
    """template.yaml, its intrinsic functions read as _TemplateLoader says."""
    template: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), _TemplateLoader)
    return template


def environment(models: Path = ROOT / "layers/models", preload: str = "") -> dict[str, str]:
    """The function's variables: those of template.yaml with its defaults, and Lambda's own; the models are ours."""
    template = read_template()
    function = template["Resources"][FUNCTION]["Properties"]
    declared = template["Globals"]["Function"]["Environment"]["Variables"] | function["Environment"]["Variables"]
    references = {name: parameter.get("Default", "") for name, parameter in template["Parameters"].items()}
    references["AWS::StackName"] = "despliegue"
    # What names a resource, such as a bucket, is not there before the stack is: some name will do.
    variables = {
        name: str(references.get(value.get("Ref"), "a-bucket") if isinstance(value, dict) else value)
        for name, value in declared.items()
    }
    return variables | {
        "DESPLIEGUE_MODELS": str(models),
        "DESPLIEGUE_PRELOAD": preload,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(references["MemorySize"]),
        "AWS_LAMBDA_FUNCTION_NAME": "despliegue-PredictFunction",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "eu-west-1",
        "LANG": "en_US.UTF-8",
        "PATH": os.defpath,
    }


def import_path() -> list[str]:
    """Where Lambda imports from, in its order: the function, then its layers."""
    if os.environ.get("BENCHMARK_BUILT") == "1":
        built = ROOT / ".aws-sam/build"
        return [str(built / FUNCTION), str(built / "RuntimeLayer/python"), str(built / "ServingLayer/python")]
    return [str(ROOT / "functions/predict"), sysconfig.get_path("purelib"), str(ROOT / "layers/serving/python")]


def event(body: bytes) -> Event:
    """API Gateway's event for an inference with this body, in base64 as the template has every body."""
    sample: Event = json.loads((ROOT / "events/predict/rest-infer.json").read_text())
    return sample | {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


@contextmanager
def lambda_stdout() -> Iterator[None]:
    """Metrics go to /dev/null, one system call a write as on Lambda: they are written, not patched out.

    Lambda's runtime client (awslambdaric, `Unbuffered`) flushes stdout after each write.
    """
    with (
        open(os.devnull, "wb", buffering=0) as sink,
        io.TextIOWrapper(sink, write_through=True) as unbuffered,
        redirect_stdout(unbuffered),
    ):
        yield
