"""The console's page through `sam local start-api`, as a browser gets it from API Gateway and Lambda."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_page_arrives_whole_with_its_headers(start_api: str) -> None:
    page = httpx.get(f"{start_api}/docs", headers={"accept-encoding": "gzip"}, timeout=60)

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
    assert page.text.startswith("<!doctype html>")
    assert page.text.endswith("</html>\n")


def test_a_browser_predicts(start_api: str, require: Callable[[bool, str], None]) -> None:
    chromium = shutil.which("chromium")
    require(chromium is not None, "there is no chromium on PATH (Debian's package chromium)")
    from playwright.sync_api import sync_playwright

    problems: list[str] = []
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{start_api}/docs#/penguins")
        page.get_by_role("heading", name="penguins", level=1).wait_for()
        page.get_by_role("button", name="Predict", exact=True).click()
        page.locator("#result .bars").wait_for()
        said = page.locator("#result").inner_text()
        page.get_by_label("A CSV file").set_input_files(
            {"name": "birds.csv", "mimeType": "text/csv", "buffer": b"island,flipper_length_mm\nBiscoe,217\n"}
        )
        page.get_by_text("1 row scored").wait_for()
        browser.close()

    assert said.startswith("Adelie")
    assert problems == []
