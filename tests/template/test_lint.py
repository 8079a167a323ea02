"""cfn-lint and `sam validate --lint` find nothing, with nothing ignored; and SAM's local API finds the routes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def run(root: Path, environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_cfn_lint_finds_nothing(root: Path, tool_environment: dict[str, str]) -> None:
    found = run(root, tool_environment, "cfn-lint", "template.yaml")
    assert (found.returncode, found.stdout) == (0, "")


def test_sam_validate_finds_nothing(root: Path, tool_environment: dict[str, str]) -> None:
    found = run(root, tool_environment, "sam", "validate", "--lint")
    assert found.returncode == 0, found.stdout + found.stderr


def test_no_rule_is_ignored(root: Path) -> None:
    assert "cfn-lint" not in (root / "template.yaml").read_text()
    assert not list(root.glob(".cfnlintrc*"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # in what samcli calls
def test_sam_local_finds_the_function_behind_every_path(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads the integrations' addresses by a pattern of its own, and drops without a word what does not match."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    from samcli.lib.providers.api_provider import ApiProvider
    from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

    stacks, _ = SamLocalStackProvider.get_stacks(str(root / "template.yaml"))
    found = ApiProvider(stacks)
    assert {(route.path, route.function_name) for route in found.routes} == {
        ("/", "PredictFunction"),
        ("/docs", "PredictFunction"),
        ("/{proxy+}", "PredictFunction"),
    }
    assert {"GET", "POST"} <= {method for route in found.routes for method in route.methods}
    assert found.api.binary_media_types == ["*/*"]
