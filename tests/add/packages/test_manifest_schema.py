"""The JSON Schema of the manifest: published as the types have it, and true of real manifests."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from despliegue.models.manifest import FORMAT, Manifest, Verification
from despliegue_cli.packages.manifest_schema import manifest_schema

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def published(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads((root / "docs" / "manifest.schema.json").read_bytes())
    return document


def problems(schema: dict[str, Any], document: object) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


def fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in {"Manifest": schema, **schema["$defs"]}.items():
        for key, field in part["properties"].items():
            yield f"{name}.{key}", field


def test_the_published_schema_is_what_the_types_say(root: Path) -> None:
    module = "despliegue_cli.packages.manifest_schema"
    printed = subprocess.run([sys.executable, "-m", module], capture_output=True, check=True).stdout

    assert printed == (root / "docs" / "manifest.schema.json").read_bytes()


def test_the_schema_is_one(published: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(published)


def test_every_field_is_described(published: dict[str, Any]) -> None:
    described = {name: field.get("description", "") for name, field in fields(published)}

    assert len(described) > 20
    assert [name for name, text in described.items() if len(text) < 5] == []
    assert described["Manifest.labels"] == "the classes, in the order of the probability columns."
    assert described["Feature.missing"].endswith("null where it takes none.")


@pytest.mark.parametrize("name", ["breast-cancer", "penguins"])
def test_the_examples_manifests_fit(root: Path, published: dict[str, Any], name: str) -> None:
    document = orjson.loads((root / "layers" / "models" / name / "1" / "manifest.json").read_bytes())

    assert problems(published, document) == []


def test_a_manifest_with_a_verification_fits(published: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"any")
    Manifest("one", labels=("no", "yes"), verification=Verification(600, difference=1e-9)).write(tmp_path)

    assert problems(published, orjson.loads((tmp_path / "manifest.json").read_bytes())) == []


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"labels": [0, 1]}, "0 is not of type 'string'"),
        ({"features": [{"kind": "number"}]}, "'name' is a required property"),
        ({"files": {"model.onnx": {"size": 1}}}, "'sha256' is a required property"),
        ({"verification": {"rows": "many"}}, "is not valid under any of the given schemas"),
        ({"format": FORMAT + 1}, f"{FORMAT + 1} is greater than the maximum of {FORMAT}"),
        ({"digest": "abc"}, "'abc' does not match '^[0-9a-f]{64}$'"),
    ],
)
def test_what_is_no_manifest_does_not_fit(document: dict[str, Any], reason: str) -> None:
    assert any(reason in problem for problem in problems(manifest_schema(), document))


def test_a_key_of_a_later_version_is_allowed(published: dict[str, Any]) -> None:
    assert problems(published, {"later": True, "features": [{"name": "age", "unit": "years"}]}) == []
