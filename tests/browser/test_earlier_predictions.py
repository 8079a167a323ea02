"""A prediction of other inputs than the page shows now is marked as such, until the next one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page, Route

    type OpenPage = Callable[..., Page]

WORDS = "This is of the earlier inputs: Predict gives the new one."
LISTEN = """
    () => {
        window.said = [];
        const place = document.querySelector("#earlier");
        new MutationObserver(() => window.said.push(place.textContent)).observe(place, {childList: true});
    }
"""
CHANGES: dict[str, Callable[[Page], object]] = {
    "value": lambda page: page.get_by_label("body_mass_g", exact=True).fill("5000"),
    "choice": lambda page: page.get_by_label("island", exact=True).select_option("Biscoe"),
    "missing": lambda page: page.get_by_label("sex is missing").check(),
}


def show(open_page: OpenPage, service: str, name: str) -> Page:
    page = open_page(f"{service}/docs#/{name}")
    page.get_by_role("heading", name=name, level=1, exact=True).wait_for()
    return page


def predict(page: Page) -> None:
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#result[aria-busy]").wait_for(state="detached")


def mark(page: Page) -> str:
    return page.locator("#earlier").inner_text()


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_input_marks_the_prediction_until_the_next_one(
    open_page: OpenPage, service: str, change: str
) -> None:
    page = show(open_page, service, "penguins")
    CHANGES[change](page)
    assert mark(page) == "", "there is no prediction yet"
    page.get_by_role("button", name="Fill in the example").click()
    predict(page)
    assert mark(page) == ""
    shown = page.locator("#result").inner_text()
    colour = "getComputedStyle(document.querySelector('#result .answer')).color"
    usual = page.evaluate(colour)

    CHANGES[change](page)

    assert mark(page) == WORDS
    assert page.locator("#result").inner_text() == shown
    assert page.evaluate(colour) != usual
    assert page.evaluate("getComputedStyle(document.querySelector('#result')).filter") == "grayscale(1)"

    predict(page)

    assert mark(page) == ""
    assert page.evaluate(colour) == usual


def test_it_is_said_once_however_much_is_typed_and_not_of_the_same_inputs(open_page: OpenPage, service: str) -> None:
    page = show(open_page, service, "penguins")
    predict(page)
    assert page.locator("#earlier").get_attribute("role") == "status", "it is read out, politely"
    page.evaluate(LISTEN)

    page.get_by_label("body_mass_g", exact=True).fill("")
    page.get_by_label("body_mass_g", exact=True).press_sequentially("4321")
    page.get_by_label("island", exact=True).select_option("Dream")
    page.get_by_label("R", exact=True).check()
    assert page.evaluate("window.said") == [WORDS]

    page.get_by_role("button", name="Fill in the example").click()
    assert page.evaluate("window.said") == [WORDS, ""]


def test_a_changed_request_in_json_marks_the_prediction(open_page: OpenPage, service: str) -> None:
    page = show(open_page, service, "tensors")
    editor = page.get_by_label("The request, in JSON")
    predict(page)
    assert mark(page) == ""

    request = json.loads(editor.input_value())
    editor.fill(json.dumps(request))
    assert mark(page) == WORDS

    predict(page)
    assert mark(page) == ""

    editor.fill("{")
    predict(page)
    editor.fill("")
    assert mark(page) == "", "an error is no prediction"


def test_a_prediction_that_comes_after_a_change_is_marked_at_once(open_page: OpenPage, service: str) -> None:
    page = show(open_page, service, "price")

    def change_meanwhile(route: Route) -> None:
        response = route.fetch()
        page.get_by_label("rooms", exact=True).fill("4")
        route.fulfill(response=response)

    page.route("**/*:predict", change_meanwhile)
    predict(page)

    assert page.locator("#result").inner_text() == "146"
    assert mark(page) == WORDS


def test_another_model_starts_unmarked(open_page: OpenPage, service: str) -> None:
    page = show(open_page, service, "penguins")
    predict(page)
    page.get_by_label("body_mass_g", exact=True).fill("5000")
    assert mark(page) == WORDS

    page.get_by_role("link", name="price").click()
    page.get_by_role("heading", name="price", level=1).wait_for()

    assert mark(page) == ""
