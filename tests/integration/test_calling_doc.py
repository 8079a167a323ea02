"""What docs/calling-from-curl, -python, -javascript and -r.md show: each block is run, and what it prints compared."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration import guides

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    type Require = Callable[[bool, str], None]
    type Serve = Callable[..., Any]

LANGUAGES = ("python", "javascript", "r")


def asks_again(language: str) -> str:
    """The guide's call that tries again, and what it needs; its own is the second request."""
    first, *rest = guides.code(guides.read(f"calling-from-{language}"), language)
    return first + next(block for block in rest if re.search(r"\b429\b", block))


@pytest.mark.parametrize("language", ["curl", *LANGUAGES])
def test_each_guide_begins_with_the_address_and_the_key(language: str) -> None:
    guide = guides.read(f"calling-from-{language}")

    assert guides.code(guide, "sh")[0] == guides.SETUP
    assert {found for found, _ in guides.blocks(guide)} == {"sh", "console" if language == "curl" else language}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_guides_program_prints_what_it_shows(
    language: str, serve: Serve, models: Path, tmp_path: Path, require: Require
) -> None:
    guides.require_program(language, require)
    guide = guides.read(f"calling-from-{language}")
    blocks = guides.code(guide, language)
    options = guides.serve_options(guide)
    assert all(map(guides.shown, blocks)), "a block shows what it prints"

    done = guides.run(language, "\n".join(blocks), serve(models, *options).url, tmp_path)

    assert done.returncode == 0, done.stderr
    printed = guides.rounded("\n".join(guides.lines(done.stdout)))
    assert printed == guides.rounded("\n".join(guides.shown("\n".join(blocks))))


def test_each_call_of_curl_is_answered_as_shown(serve: Serve, models: Path, tmp_path: Path) -> None:
    url = serve(models, "--api-key", guides.KEY).url
    first, *rest = guides.blocks(guides.read("calling-from-curl"))
    assert first == ("sh", guides.SETUP)

    for kind, block in rest:
        command, expected = guides.transcript(block) if kind == "console" else (block, "")
        done = guides.run("sh", command, url, tmp_path)
        assert done.returncode == 0, done.stderr
        assert guides.lines(guides.rounded(done.stdout)) == guides.lines(guides.rounded(expected)), command

    assert json.loads((tmp_path / "openapi.json").read_bytes())["openapi"].startswith("3.1")


@pytest.mark.parametrize("language", ["curl", *LANGUAGES])
def test_a_throttled_call_is_made_again_and_one_beyond_its_quota_is_not(
    language: str, serve: Serve, models: Path, tmp_path: Path, require: Require
) -> None:
    assert int(guides.refusal("QUOTA_EXCEEDED").headers["Retry-After"]) > guides.SECONDS, "waiting would be seen"
    url = serve(models, "--api-key", guides.KEY).url

    throttled = when_refused("THROTTLED", language, url, tmp_path, require)
    beyond = when_refused("QUOTA_EXCEEDED", language, url, tmp_path, require)

    assert throttled.returncode == 0, throttled.stderr
    assert ("Chinstrap" if language == "curl" else "Adelie") in guides.lines(throttled.stdout)[-1]
    assert beyond.returncode == (22 if language == "curl" else 1)
    assert "used up its quota" in beyond.stdout + beyond.stderr


def when_refused(name: str, language: str, url: str, folder: Path, require: Require) -> Any:
    """The guide's call that tries again, which is refused once."""
    if language == "curl":
        calls = map(guides.transcript, guides.code(guides.read("calling-from-curl"), "console"))
        program, number = next(command for command, _ in calls if "--retry" in command), 1
    else:
        guides.require_program(language, require)
        program, number = asks_again(language), 2
    with guides.refusing(url, guides.refusal(name), {number}) as gateway:
        return guides.run("sh" if language == "curl" else language, program, gateway, folder)


def test_the_waits_that_curls_guide_names_are_those_of_the_deployed_api() -> None:
    guide = guides.read("calling-from-curl")
    waits = [guides.refusal(name).headers["Retry-After"] for name in ("THROTTLED", "QUOTA_EXCEEDED")]

    assert f"`Retry-After` says, {' or '.join(waits)};" in guide


def test_a_bare_nan_is_refused_as_pythons_guide_says(
    serve: Serve, models: Path, tmp_path: Path, require: Require
) -> None:
    """What pandas and `json.dumps` make of a gap, without the guide's line."""
    first, frame, cured, *_ = guides.code(guides.read("calling-from-python"), "python")
    bare = re.sub(r"^rows = .*$", "rows = birds[features]", cured, flags=re.MULTILINE)
    assert bare != cured

    done = guides.run("python", first + frame + bare, serve(models, "--api-key", guides.KEY).url, tmp_path)

    assert done.returncode == 1
    assert "HTTP Error 400" in done.stderr
