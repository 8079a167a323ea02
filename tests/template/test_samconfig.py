"""samconfig.toml: `sam build && sam deploy` needs no flags, and each environment builds what it deploys."""

from __future__ import annotations

import importlib
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def settings(root: Path) -> dict[str, Any]:
    parsed = tomllib.loads((root / "samconfig.toml").read_text())
    assert parsed.pop("version") == 0.1
    return parsed


def parameters(environment: dict[str, Any], command: str) -> dict[str, Any]:
    """What a command is given: its own settings over those of all commands."""
    return {**environment.get("global", {}).get("parameters", {}), **environment[command]["parameters"]}


def test_there_is_an_environment_for_each_architecture(settings: dict[str, Any], source: dict[str, Any]) -> None:
    default, *others = source["Parameters"]["Architecture"]["AllowedValues"]
    assert source["Parameters"]["Architecture"]["Default"] == default
    assert set(settings) == {"default", *others}
    for name in others:
        assert parameters(settings[name], "build")["parameter_overrides"] == f"Architecture={name}"


def test_each_environment_deploys_what_it_builds(settings: dict[str, Any]) -> None:
    for environment in settings.values():
        overrides = [parameters(environment, command).get("parameter_overrides") for command in ("build", "deploy")]
        assert overrides[0] == overrides[1]


def test_deploying_asks_for_nothing_but_the_consent(settings: dict[str, Any]) -> None:
    for environment in settings.values():
        given = parameters(environment, "deploy")
        assert given["stack_name"]
        assert given["resolve_s3"] is True
        assert given["capabilities"] == "CAPABILITY_IAM"
        assert given["confirm_changeset"] is True
        assert given["fail_on_empty_changeset"] is False


@pytest.mark.parametrize(("command", "module"), [("build", "command"), ("deploy", "command"), ("validate", "validate")])
def test_every_setting_is_one_that_sam_knows(settings: dict[str, Any], command: str, module: str) -> None:
    """SAM drops a setting with a spelling error without a word."""
    known = {option.name for option in importlib.import_module(f"samcli.commands.{command}.{module}").cli.params}
    for environment in settings.values():
        assert set(environment.get(command, {}).get("parameters", {})) <= known
