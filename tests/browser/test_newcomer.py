"""Somebody who opens the printed address predicts, reads why an input is refused, and copies a call that works."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.browser.copied_calls import RUNNERS, copied, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page, Route

    type OpenPage = Callable[..., Page]


def show(page: Page, name: str) -> Page:
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=name, level=1, exact=True).wait_for()
    return page


def predict(page: Page) -> str:
    """What the page then says."""
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#result[aria-busy]").wait_for(state="detached")
    return page.locator("#result").inner_text()


@pytest.mark.parametrize("language", RUNNERS)
def test_a_newcomer_predicts_reads_a_refusal_and_copies_a_working_call(
    open_page: OpenPage, service: str, language: str, tmp_path: Path, require: Callable[[bool, str], None]
) -> None:
    require(shutil.which(RUNNERS[language][0]) is not None, f"there is no {RUNNERS[language][0]}")
    page = open_page(f"{service}/docs", permissions=["clipboard-read", "clipboard-write"])
    show(page, "penguins")

    first = predict(page)
    assert first.startswith("Adelie")
    assert re.search(r"Adelie\s+99\.9 %", first)

    page.get_by_label("body_mass_g", exact=True).fill("heavy")
    refused = predict(page)
    assert "Feature 'body_mass_g' is 'heavy'; expected a number or null." in refused
    field = page.get_by_label("body_mass_g", exact=True)
    assert field.get_attribute("aria-invalid") == "true"
    assert field.evaluate("field => field === document.activeElement")

    field.fill("5000")
    page.get_by_label("island", exact=True).select_option("Biscoe")
    page.get_by_label("sex is missing").check()
    assert field.get_attribute("aria-invalid") == "true", "what is said of a field stays until it is tried again"
    label, *shown = predict(page).split("\n")
    assert field.get_attribute("aria-invalid") == "false"

    [prediction] = run(copied(page, language), language, tmp_path)["predictions"]
    assert prediction["label"] == label
    assert f"{100 * prediction['probabilities'][label]:.1f} %" in shown


@pytest.mark.parametrize("language", RUNNERS)
def test_every_call_works_as_it_is_copied(
    open_page: OpenPage, keyed_service: str, language: str, tmp_path: Path, require: Callable[[bool, str], None]
) -> None:
    require(shutil.which(RUNNERS[language][0]) is not None, f"there is no {RUNNERS[language][0]}")
    page = open_page(f"{keyed_service}/docs", permissions=["clipboard-read", "clipboard-write"])
    give_key(page, "only-for-this-test")
    show(page, "penguins")
    page.get_by_label("island", exact=True).select_option("another…")
    page.get_by_label("island, another").fill("an 'island' with \"quotes\", $HOME, \\ and `ticks`")
    page.get_by_label("sex is missing").check()

    call = copied(page, language)

    assert "only-for-this-test" not in call
    reply = run(call, language, tmp_path, KEY="only-for-this-test")
    assert reply["predictions"][0]["probabilities"].keys() == {"Adelie", "Chinstrap", "Gentoo"}


def test_the_call_in_r_is_whole_and_reads_the_key(open_page: OpenPage, keyed_service: str) -> None:
    page = open_page(f"{keyed_service}/docs", permissions=["clipboard-read", "clipboard-write"])
    give_key(page, "only-for-this-test")
    show(page, "penguins")
    page.get_by_label("island", exact=True).select_option("another…")
    page.get_by_label("island, another").fill("(with brackets)")

    call = copied(page, "R")

    assert 'Sys.getenv("KEY")' in call
    body = re.search(r'r"-\((.*)\)-"', call, re.DOTALL)
    assert body is not None
    assert json.loads(body[1])["instances"][0]["island"] == "(with brackets)"


def test_where_callers_must_sign_every_call_does(open_page: OpenPage, keyed_service: str) -> None:
    """The document says so, as the deployed one of AuthMode Iam; the calls are at least whole in their languages."""
    page = open_page(f"{keyed_service}/docs", permissions=["clipboard-read", "clipboard-write"])

    def sign(route: Route) -> None:
        document = route.fetch().json()
        document["components"]["securitySchemes"] = {
            "sigv4": {"type": "apiKey", "name": "Authorization", "in": "header"}
        }
        route.fulfill(json=document)

    page.route("**/openapi.json", sign)
    give_key(page, "only-for-this-test")
    show(page, "penguins")

    assert "--aws-sigv4 aws:amz:REGION:execute-api --user" in copied(page, "curl")
    subprocess.run(["bash", "-n", "-c", copied(page, "curl")], check=True)
    python = copied(page, "Python")
    compile(python, "call", "exec")
    assert 'SigV4Auth(boto3.Session().get_credentials(), "execute-api"' in python
    assert 'aws.fetch("' in copied(page, "JavaScript")
    assert "req_auth_aws_v4(" in copied(page, "R")
    assert all("x-api-key" not in copied(page, language) for language in ("curl", "Python", "JavaScript", "R"))


def test_a_version_is_chosen_and_has_a_card(open_page: OpenPage, service: str) -> None:
    page = show(open_page(f"{service}/docs"), "price")
    assert predict(page) == "146", "the default version doubles"
    page.get_by_text("The model's card").click()
    page.get_by_text("What a flat costs. <script>").wait_for()

    assert page.get_by_role("status", name="Deprecation").inner_text() == ""

    page.get_by_label("Version").select_option("1")
    page.locator("#call", has_text="/v1/models/price/versions/1:predict").wait_for()

    assert predict(page) == "73"
    assert page.url.endswith("/docs#/price@1")


def test_a_version_on_its_way_out_says_so_and_leads_to_the_one_after_it(open_page: OpenPage, service: str) -> None:
    page = open_page(f"{service}/docs#/price@1")
    page.get_by_role("heading", name="price", level=1).wait_for()

    said = page.get_by_role("status", name="Deprecation")
    assert said.inner_text() == (
        "Version 1 is deprecated as of 1 November 2026, and may be gone from 1 January 2027 on. Use version 2 instead."
    )
    assert page.get_by_label("Version").locator("option:checked").inner_text() == "1 (deprecated)"
    said.get_by_role("link", name="version 2").click()

    page.locator("#call", has_text="/v1/models/price/versions/2:predict").wait_for()
    assert said.inner_text() == ""


def test_a_text_has_room_and_keeps_its_lines(open_page: OpenPage, service: str) -> None:
    page = show(open_page(f"{service}/docs"), "review")
    page.get_by_label("text", exact=True).fill("Good food.\nKind people.")

    predict(page)

    assert json.loads(page.locator("#reply").text_content() or "")["predictions"] == [
        {"same": ["Good food.\nKind people."]}
    ]


@pytest.mark.parametrize(("name", "label", "classes"), [("unnamed", "no", 2), ("hundred", "class 0", 100)])
def test_a_classifier_without_named_features_is_shown_as_one(
    open_page: OpenPage, service: str, name: str, label: str, classes: int
) -> None:
    page = show(open_page(f"{service}/docs"), name)

    assert predict(page).split("\n")[0] == label
    bars = page.get_by_role("list", name="Probability of each class").get_by_role("listitem")
    assert bars.count() == min(classes, 12)
    assert page.get_by_text("and 88 more, none of them likelier").count() == int(classes == 100)


def test_a_model_without_columns_has_an_editor_and_a_table(open_page: OpenPage, service: str) -> None:
    page = show(open_page(f"{service}/docs"), "tensors")

    assert "1 × 1 × 2" in predict(page)
    page.get_by_label("The request, in JSON").fill("{")
    assert "(400)" in predict(page)
    assert page.get_by_role("heading", name="Score a file").is_hidden()


def test_values_travel_as_they_were_typed(open_page: OpenPage, service: str) -> None:
    page = show(open_page(f"{service}/docs"), "needs")
    page.get_by_label("id", exact=True).fill("9007199254740993")
    page.get_by_label("furnished", exact=True).select_option("true")
    page.get_by_label("area", exact=True).fill("1e2")

    predict(page)

    page.get_by_text("The reply as it came").click()
    reply = json.loads(page.locator("#reply").inner_text())
    assert reply["predictions"] == [{"same": [9007199254740993], "also": [True], "too": [100.0]}]

    page.get_by_label("id", exact=True).fill("")
    assert "'id' is missing; expected an integer" in predict(page)


def test_what_is_linked_to_is_shown(open_page: OpenPage, service: str) -> None:
    page = open_page(f"{service}/docs/#/price@1")

    page.get_by_role("heading", name="price", level=1).wait_for()
    assert page.get_by_label("Version").input_value() == "1"


def test_documents_can_be_saved(open_page: OpenPage, service: str, tmp_path: Path) -> None:
    page = show(open_page(f"{service}/docs"), "penguins")

    with page.expect_download() as saved:
        page.get_by_role("button", name="OpenAPI document").click()
    saved.value.save_as(tmp_path / "openapi.json")

    assert json.loads((tmp_path / "openapi.json").read_text())["info"]["title"] == "penguins"
    assert saved.value.suggested_filename == "penguins-1.openapi.json"


def give_key(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Use this key").click()
