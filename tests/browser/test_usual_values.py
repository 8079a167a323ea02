"""The form says what is usual: ranges of numbers, texts to choose from. It takes everything else too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.conftest import IMAGE, MARKUP

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page


@pytest.fixture
def page(open_page: Callable[..., Page], service: str) -> Page:
    """The form of `flat`, with its example."""
    page = open_page(f"{service}/docs#/flat")
    page.get_by_role("heading", name="flat", level=1, exact=True).wait_for()
    return page


def sent(page: Page) -> dict[str, Any]:
    """The record that the call to copy has."""
    page.get_by_label("JavaScript", exact=True).check()
    text = page.locator("#call").inner_text()
    found: dict[str, Any] = json.loads(text[text.index('{"instances"') : text.rindex("]}") + 2])["instances"][0]
    return found


def predicted(page: Page) -> Any:
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#raw:not([hidden])").wait_for()
    return json.loads(page.locator("#reply").text_content() or "")["predictions"][0]


def said_of(page: Page, name: str) -> str:
    """What a screen reader says after a field's name."""
    ids = (page.get_by_label(name, exact=True).get_attribute("aria-describedby") or "").split()
    return " ".join(page.locator(f"#{each}").inner_text() for each in ids).strip()


def test_a_category_is_chosen_from_all_that_are_usual(page: Page) -> None:
    field = page.get_by_role("combobox", name="district", exact=True)
    assert field.locator("option").all_inner_texts() == [MARKUP, IMAGE, "Norte", "another…", "another…"]
    assert field.input_value() == "Norte"

    field.select_option(index=0)

    assert predicted(page)["there"] == [MARKUP]
    assert sent(page)["district"] == MARKUP
    assert page.locator("main script, main img").count() == 0
    assert page.title() == "flat – Despliegue"


def test_another_text_is_taken_although_a_choice_is_called_so(page: Page) -> None:
    field, other = page.get_by_label("district", exact=True), page.get_by_label("district, another")
    assert other.is_hidden()

    field.select_option(index=3)
    assert other.is_hidden()
    assert sent(page)["district"] == "another…"

    field.select_option(index=4)
    other.fill("Sur")
    assert predicted(page)["there"] == ["Sur"]
    assert sent(page)["district"] == "Sur"


def test_another_text_is_written_by_keyboard_alone(page: Page) -> None:
    page.get_by_label("district", exact=True).focus()
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    page.keyboard.type("Sur")
    page.keyboard.press("Enter")

    page.locator("#raw:not([hidden])").wait_for()
    assert json.loads(page.locator("#reply").text_content() or "")["predictions"][0]["there"] == ["Sur"]


def test_an_example_that_is_no_choice_stands_in_the_field_for_another(page: Page) -> None:
    assert page.get_by_label("heating, another").input_value() == "coal"
    assert sent(page)["heating"] == "coal"

    page.get_by_label("heating", exact=True).select_option("gas")
    assert page.get_by_label("heating, another").is_hidden()
    page.get_by_role("button", name="Fill in the example").click()

    assert page.get_by_label("heating, another").input_value() == "coal"


def test_a_category_is_missing_where_it_may_be(page: Page) -> None:
    page.get_by_label("district is missing").check()

    assert page.get_by_label("district", exact=True).is_disabled()
    assert sent(page)["district"] is None
    assert page.get_by_label("heating is missing").count() == 0


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("33", ""),
        ("120.5", ""),
        ("32.9", "Lower than usual"),
        ("-1e3", "Lower than usual"),
        ("121", "Higher than usual"),
    ],
)
def test_a_number_outside_of_what_is_usual_is_marked_and_sent(page: Page, typed: str, said: str) -> None:
    assert said_of(page, "area") == "usually 33 to 120.5"

    page.get_by_label("area", exact=True).fill(typed)
    page.keyboard.press("Tab")

    assert said_of(page, "area") == f"usually 33 to 120.5\n{said}".strip()
    assert page.get_by_label("area", exact=True).get_attribute("aria-invalid") == "false"
    assert predicted(page)["same"] == [pytest.approx(float(typed))]


def test_a_mark_goes_with_what_it_was_of(page: Page) -> None:
    field = page.get_by_label("area", exact=True)
    field.fill("500")
    page.get_by_label("area is missing").check()
    assert said_of(page, "area") == "usually 33 to 120.5"
    page.get_by_label("area is missing").uncheck()
    assert said_of(page, "area").endswith("Higher than usual")

    page.get_by_role("button", name="Fill in the example").click()

    assert said_of(page, "area") == "usually 33 to 120.5"


def test_what_is_no_number_is_refused_by_the_service_not_called_unusual(page: Page) -> None:
    page.get_by_label("area", exact=True).fill("large")
    page.get_by_role("button", name="Predict", exact=True).click()

    page.locator("#result .problem").wait_for()
    assert said_of(page, "area") == ("Feature 'area' is 'large'; expected a number or null. usually 33 to 120.5")
