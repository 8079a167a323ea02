"""The calls that the page offers: copied as somebody copies them, and run as somebody runs them."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

# What runs a file of the language, and the file's name.
RUNNERS = {"curl": ("bash", "call.sh"), "Python": (sys.executable, "call.py"), "JavaScript": ("node", "call.mjs")}


def copied(page: Page, language: str) -> str:
    page.get_by_role("radio", name=language, exact=True).check()
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied").wait_for()
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def run(call: str, language: str, folder: Path, **environment: str) -> Any:
    """The reply that the call prints, saved as a file and run there."""
    program, name = RUNNERS[language]
    (folder / name).write_text(call)
    done = subprocess.run(
        [program, name],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout) if language == "Python" else json.loads(done.stdout)
