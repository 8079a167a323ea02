"""The call in R works as the page copies it."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page


def test_the_call_in_r_works_as_it_is_copied(
    open_page: Callable[..., Page], keyed_service: str, require: Callable[[bool, str], None]
) -> None:
    require(shutil.which("Rscript") is not None, "there is no Rscript (Debian's r-base-core and r-cran-httr2)")
    page = open_page(f"{keyed_service}/docs", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_label("API key").fill("only-for-this-test")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="penguins", exact=True).click()
    page.get_by_label("island", exact=True).select_option("another…")
    page.get_by_label("island, another").fill('an \'island\' with "quotes", \\, )" and ñ')
    page.get_by_label("sex is missing").check()
    page.get_by_role("radio", name="R", exact=True).check()
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied").wait_for()
    call: str = page.evaluate("navigator.clipboard.readText()")

    done = subprocess.run(
        ["Rscript", "-"],
        input=call,
        env=os.environ | {"KEY": "only-for-this-test", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "$predictions[[1]]$probabilities$Gentoo" in done.stdout, "R prints what it makes of the reply"
