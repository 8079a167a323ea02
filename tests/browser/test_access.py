"""Keys, stages and what stands between: the page says in plain words what is wrong, and keeps no key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page, Route

    type OpenPage = Callable[..., Page]

KEY = "only-for-this-test"


def give_key(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Use this key").click()


def notice(page: Page, text: str) -> str:
    found = page.get_by_role("alert").filter(has_text=text)
    found.wait_for()
    return found.inner_text()


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
@pytest.mark.parametrize("which", ["keyed_service", "staged_service"])
def test_the_page_is_open_and_everything_else_wants_the_key(
    open_page: OpenPage, request: pytest.FixtureRequest, which: str, path: str
) -> None:
    page = open_page(request.getfixturevalue(which) + path)

    assert "x-api-key" in notice(page, "The service wants a key")
    assert page.get_by_label("API key").evaluate("field => field === document.activeElement")
    assert "penguins" not in page.content()

    give_key(page, "wrong")
    assert "No valid API key came" in notice(page, "The key was not accepted")

    give_key(page, KEY)
    page.get_by_role("link", name="penguins").click()
    page.get_by_role("heading", name="penguins", level=1).wait_for()
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator(".bars").wait_for()
    assert notice_is_empty(page)


def test_the_key_is_kept_in_memory_alone(open_page: OpenPage, keyed_service: str) -> None:
    page = open_page(f"{keyed_service}/docs")
    give_key(page, KEY)
    page.get_by_role("heading", level=1).wait_for()

    stored = page.evaluate("[{...localStorage}, {...sessionStorage}, document.cookie]")
    assert page.evaluate("indexedDB.databases()") == []
    assert stored == [{}, {}, ""]
    assert KEY not in page.url
    assert KEY not in page.content()

    page.reload()
    notice(page, "The service wants a key")
    assert page.get_by_label("API key").input_value() == ""


def test_what_no_header_can_hold_is_no_key(open_page: OpenPage, keyed_service: str) -> None:
    page = open_page(f"{keyed_service}/docs")
    give_key(page, "two words")

    notice(page, "That is no API key")


def test_a_service_that_wants_signatures_says_how_the_page_can_be_used(open_page: OpenPage, service: str) -> None:
    page = open_page(f"{service}/docs")
    answer(page, 403, '{"error": "no credentials came: expected a request signed with AWS Signature Version 4"}')
    page.reload()

    assert "despliegue console --stack" in notice(page, "signed requests")


@pytest.mark.parametrize(
    ("status", "body", "headers", "said"),
    [
        (429, '{"error": "too many requests at once: wait"}', {"retry-after": "7"}, "tried again in 7 seconds"),
        (502, "<html><b>Bad gateway</b></html>", {}, "something between here and the service"),
        (200, "<html>Sign in to the Wi-Fi</html>", {}, "It is not JSON"),
        (500, '{"error": "internal error; request id 5"}', {}, "Internal error; request id 5"),
        (413, '{"error": "the request is too large"}', {}, "It is too large (413)"),
        (503, "", {}, "It begins: nothing"),
    ],
)
def test_other_answers_are_put_in_plain_words(
    open_page: OpenPage, service: str, status: int, body: str, headers: dict[str, str], said: str
) -> None:
    page = open_page(f"{service}/docs")
    page.get_by_role("heading", level=1).wait_for()
    answer(page, status, body, headers)

    page.get_by_role("button", name="Predict", exact=True).click()

    page.locator("#result .problem", has_text=said).wait_for()


def test_offline_is_told_from_a_service_that_is_gone(open_page: OpenPage, service: str) -> None:
    page = open_page(f"{service}/docs")
    page.get_by_role("heading", level=1).wait_for()
    page.context.set_offline(True)
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#result .problem", has_text="You are offline").wait_for()

    page.context.set_offline(False)
    page.route("**/v1/**", lambda route: route.abort())
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#result .problem", has_text=f"Nothing answered at {service}/").wait_for()

    page.unroute("**/v1/**")
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#result .bars").wait_for()


def test_what_failed_at_the_start_can_be_tried_again(open_page: OpenPage, service: str) -> None:
    page = open_page(f"{service}/docs#/price@9")
    assert "has no version '9'" in notice(page, "It is not there (404)")
    answer(page, 429, '{"error": "too many requests at once: wait"}')
    page.reload()
    notice(page, "Too many requests")

    page.unroute(re.compile(r"/v[12]/"))
    page.get_by_role("button", name="Try again").click()
    assert "has no version '9'" in notice(page, "It is not there (404)")
    page.get_by_role("link", name="price").click()

    page.get_by_role("heading", name="price", level=1).wait_for()
    assert notice_is_empty(page)


def test_a_link_to_no_model_says_so_and_shows_another(open_page: OpenPage, service: str) -> None:
    page = open_page(f"{service}/docs#/100%25owls")

    assert "100%25owls is not among the models" in notice(page, "There is no such model")
    page.get_by_role("heading", name="breast-cancer", level=1).wait_for()


def test_an_answer_that_comes_late_does_not_replace_a_newer_one(open_page: OpenPage, service: str) -> None:
    page = open_page(f"{service}/docs#/penguins")
    page.get_by_role("heading", name="penguins", level=1).wait_for()
    held: list[Route] = []
    page.route("**/v2/models/breast-cancer", lambda route: held.append(route))
    page.get_by_role("link", name="breast-cancer").click()
    page.get_by_role("link", name="price").click()
    page.get_by_role("heading", name="price", level=1).wait_for()

    with page.expect_response("**/v2/models/breast-cancer"):
        held[0].continue_()
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#result .answer", has_text="146").wait_for()

    assert page.get_by_role("heading", level=1).inner_text() == "price"


def answer(page: Page, status: int, body: str, headers: dict[str, str] | None = None) -> None:
    """Whatever is asked of the API is answered so, as if something stood between."""

    def fulfil(route: Route) -> None:
        kind = "text/html" if body.startswith("<") else "application/json"
        route.fulfill(status=status, body=body, headers={"content-type": kind, **(headers or {})})

    page.route(re.compile(r"/v[12]/"), fulfil)


def notice_is_empty(page: Page) -> bool:
    return page.get_by_role("alert").inner_text() == ""
