"""For everyone: by keyboard, by screen reader, on a phone, in the dark; and markup in a model's names is inert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    type OpenPage = Callable[..., Page]

MODELS = ("breast-cancer", "flat", "hostile", "hundred", "needs", "penguins", "price", "review", "tensors", "unnamed")
RATIO = """
    ([text, ground]) => {
        const light = (colour) => {
            const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((value) => value / 255)
                .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const [one, other] = [light(text), light(ground)].sort((a, b) => b - a);
        return (one + 0.05) / (other + 0.05);
    }
"""


def show(page: Page, name: str) -> Page:
    page.get_by_role("heading", name=name, level=1, exact=True).wait_for()
    return page


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_wider_than_the_screen(open_page: OpenPage, service: str, model: str, width: int) -> None:
    page = show(open_page(f"{service}/docs#/{model}", viewport={"width": width, "height": 740}), model)
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#result[aria-busy]").wait_for(state="detached")

    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("model", MODELS)
def test_every_control_has_a_name_and_every_id_is_one(open_page: OpenPage, service: str, model: str) -> None:
    page = show(open_page(f"{service}/docs#/{model}"), model)
    tree = page.locator("body").aria_snapshot()

    nameless = [line for line in tree.splitlines() if line.strip() in NAMELESS]
    assert nameless == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))
    levels = [
        int(level) for level in page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((h) => h.tagName[1])")
    ]
    assert levels.count(1) == 1
    for landmark in ("banner", "navigation", "main"):
        assert page.get_by_role(landmark).count() == 1, landmark


NAMELESS = {
    f"- {role}" + end for role in ("button", "textbox", "checkbox", "radio", "combobox", "link") for end in ("", ":")
}


def test_what_happens_is_announced(open_page: OpenPage, service: str) -> None:
    page = show(open_page(f"{service}/docs#/penguins"), "penguins")
    page.get_by_role("button", name="Predict", exact=True).click()

    page.get_by_role("status", name="Prediction").get_by_text("Adelie", exact=True).first.wait_for()
    assert page.get_by_role("list", name="Probability of each class").get_by_role("listitem").count() == 3


def test_the_keyboard_alone_is_enough(open_page: OpenPage, service: str) -> None:
    page = show(open_page(f"{service}/docs"), "breast-cancer")
    reached: list[str] = []

    def tab_to(selector: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        pytest.fail(f"{selector} is not reached: {reached}")

    tab_to(".skip")
    tab_to("nav a[href='#/penguins']")
    page.keyboard.press("Enter")
    show(page, "penguins")
    tab_to("#version")
    tab_to("#feature-4")
    page.keyboard.press("Control+a")
    page.keyboard.type("heavy")
    page.keyboard.press("Enter")
    page.locator("#result .problem").wait_for()
    assert page.evaluate("document.activeElement.id") == "feature-4"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.get_by_label("body_mass_g is missing").is_checked()
    tab_to("#predict")
    page.keyboard.press("Enter")
    page.locator("#result .bars").wait_for()
    tab_to("#languages input")
    page.keyboard.press("ArrowRight")
    page.locator("#call", has_text="requests.post").wait_for()
    tab_to("#copy")
    tab_to("#file")


def test_a_field_in_focus_is_outlined(open_page: OpenPage, service: str) -> None:
    page = show(open_page(f"{service}/docs#/penguins"), "penguins")
    page.get_by_label("island", exact=True).focus()
    page.keyboard.press("Tab")

    style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_their_ground(open_page: OpenPage, service: str, scheme: str) -> None:
    """WCAG 2.2, 1.4.3 and 1.4.11: 4.5 to one for text, three for the edges of controls."""
    page = show(open_page(f"{service}/docs#/penguins", color_scheme=scheme), "penguins")

    def colour(name: str) -> str:
        made: Any = page.evaluate(
            """name => {
                const probe = document.body.appendChild(document.createElement("i"));
                probe.style.color = `var(${name})`;
                const found = getComputedStyle(probe).color;
                probe.remove();
                return found;
            }""",
            name,
        )
        return str(made)

    def ratio(text: str, ground: str) -> float:
        return float(page.evaluate(RATIO, [colour(text), colour(ground)]))

    for ground in ("--ground", "--surface", "--sunken"):
        assert ratio("--text", ground) > 7
        assert ratio("--muted", ground) >= 4.5
        assert ratio("--edge", ground) >= 3
    assert ratio("--wrong", "--wrong-ground") >= 4.5
    assert ratio("--text", "--warn-ground") >= 4.5
    assert ratio("--on-accent", "--accent") >= 4.5
    assert ratio("--accent", "--surface") >= 3


def test_the_dark_is_dark_and_motion_can_be_done_without(open_page: OpenPage, service: str) -> None:
    page = show(open_page(f"{service}/docs#/penguins", color_scheme="dark", reduced_motion="reduce"), "penguins")
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#result .bars").wait_for()

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 27)"
    assert page.evaluate("getComputedStyle(document.querySelector('.filled')).transitionProperty") == "none"


def test_markup_in_a_models_words_is_text(open_page: OpenPage, service: str, tmp_path: Path) -> None:
    """In the description, a feature's name, a label, a value, an error and a file, on each way to the page."""
    script, image = "<script>document.title = 'owned'</script>", "<img src=x onerror=\"document.title='owned'\">"
    page = show(open_page(f"{service}/docs#/hostile"), "hostile")
    first, second = page.locator("#fields input[type=text]").all()
    assert first.evaluate("field => field.labels[0].textContent") == script
    first.fill("1")
    second.fill("2")
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#result .bars").wait_for()
    assert page.locator("#result .answer").text_content() in (script, image)

    first.fill(image)
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#result .problem").wait_for()
    assert "<img src=x" in page.locator("#result").inner_text()
    content = f'"{script}",x\n{image},1\n'.encode()
    page.get_by_label("A CSV file").set_input_files({"name": f"{image}.csv", "mimeType": "text/csv", "buffer": content})
    page.locator("#file-result .problem").wait_for()
    page.goto(f"{service}/docs#/{script}")
    page.reload()
    page.get_by_role("heading", level=1).wait_for()

    assert page.locator("main img, main script, nav script, nav img").count() == 0
    assert page.title().endswith(" – Despliegue")


def test_no_way_to_markup_is_left_open(browser: Browser, service: str) -> None:
    page = browser.new_page()
    page.goto(f"{service}/docs#/penguins")
    attempt = """() => {
        try { document.createElement("p").innerHTML = "<b>"; } catch (error) { return error.name; }
    }"""

    assert page.evaluate(attempt) == "TypeError"
    page.close()
