"""A model that takes a picture: it is chosen, dropped or pasted, seen, predicted, and sent by the copied calls."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.browser.copied_calls import RUNNERS, copied, run

from despliegue.models import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from playwright.sync_api import Browser, Page

    type OpenPage = Callable[..., Page]

# How much of a picture is white: version 1 calls it by what it sees, version 2 the other way round.
BRIGHTNESS = """
    g (uint8[N] image) => (string[1] label, float[1, 2] probabilities)
        <string[2] names = {"", ""}, float[1] white = {255}, float[1] one = {1}, int64[2] row = {1, 2}> {
        pixels = com.microsoft.extensions.DecodeImage(image)
        values = Cast<to = 1>(pixels)
        mean = ReduceMean<keepdims = 0>(values)
        light = Div(mean, white)
        dark = Sub(one, light)
        both = Concat<axis = 0>(dark, light)
        probabilities = Reshape(both, row)
        best = ArgMax<axis = 1, keepdims = 0>(probabilities)
        label = Gather(names, best)
    }
"""
DRAW = """
    async ([type, width, height, colour]) => {
        const canvas = Object.assign(document.createElement("canvas"), {width, height});
        const context = canvas.getContext("2d");
        context.fillStyle = colour;
        context.fillRect(0, 0, width, height);
        const blob = await new Promise((resolve) => canvas.toBlob(resolve, type));
        const bytes = new Uint8Array(await blob.arrayBuffer());
        return btoa(String.fromCharCode(...bytes));
    }
"""
GIVE = """
    ([content, name, kind]) => {
        const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], name, {type: "image/png"}));
        const init = {bubbles: true, cancelable: true};
        const event = kind === "paste" ? new ClipboardEvent("paste", {...init, clipboardData: data})
            : new DragEvent("drop", {...init, dataTransfer: data});
        document.querySelector("h1").dispatchEvent(event);
    }
"""


class Pictures(NamedTuple):
    """Pictures as a browser writes them."""

    white_png: bytes
    grey_jpeg: bytes
    webp: bytes


@pytest.fixture(scope="module")
def pictures(browser: Browser) -> Pictures:
    page = browser.new_page()

    def draw(*settings: str | int) -> bytes:
        return base64.b64decode(page.evaluate(DRAW, settings))

    drawn = Pictures(
        draw("image/png", 8, 6, "white"), draw("image/jpeg", 640, 480, "#ccc"), draw("image/webp", 8, 8, "white")
    )
    page.close()
    return drawn


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory,
    add_graph: Callable[..., None],
    serve_models: Callable[..., AbstractContextManager[str]],
) -> Iterator[str]:
    """`despliegue serve` of a model that takes a picture, in two versions, and of one that takes none."""
    models = tmp_path_factory.mktemp("pictures") / "models"
    shutil.copytree(Path(__file__).parents[2] / "layers" / "models" / "penguins", models / "penguins")
    for version, names in (("1", ["dark", "light"]), ("2", ["night", "day"])):
        manifest = Manifest(description="How light a picture is", labels=tuple(names))
        add_graph(models, "brightness", version, BRIGHTNESS, manifest, names)
    with serve_models(models) as url:
        yield url


@pytest.fixture
def page(open_page: OpenPage, service: str) -> Page:
    page = open_page(f"{service}/docs#/brightness", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("heading", name="brightness", level=1).wait_for()
    return page


def choose(page: Page, content: bytes, name: str, media_type: str = "") -> str:
    """What the page says of the picture."""
    page.get_by_label("A JPEG or PNG picture").set_input_files(
        {"name": name, "mimeType": media_type, "buffer": content}
    )
    page.locator("#fields :is(figcaption, .problem)").wait_for()
    return page.locator("#fields").inner_text()


def predict(page: Page) -> str:
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#result[aria-busy]").wait_for(state="detached")
    return page.locator("#result").inner_text()


def test_a_picture_is_seen_before_it_is_sent_and_named(page: Page, pictures: Pictures) -> None:
    assert "photo.png, 8 × 6 pixels" in choose(page, pictures.white_png, "photo.png")
    image = page.get_by_role("img", name="The picture to be sent, photo.png")
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [8, 6]

    assert re.match(r"day\s+day\s+100\.000 %\s+night\s+0\.000 %", predict(page))
    assert page.get_by_role("list", name="Probability of each class").get_by_role("listitem").count() == 2


@pytest.mark.parametrize("language", RUNNERS)
@pytest.mark.parametrize("name", ["photo.png", "my 'holiday' $HOME \"photo\".jpg"])
def test_the_copied_call_sends_the_picture(
    page: Page, pictures: Pictures, language: str, name: str, tmp_path: Path, require: Callable[[bool, str], None]
) -> None:
    require(shutil.which(RUNNERS[language][0]) is not None, f"there is no {RUNNERS[language][0]}")
    content = pictures.white_png if name.endswith(".png") else pictures.grey_jpeg
    (tmp_path / name).write_bytes(content)
    choose(page, content, name)
    shown = predict(page)
    assert page.get_by_text(f"Run it where {name} lies.").is_visible()

    [prediction] = run(copied(page, language), language, tmp_path)["predictions"]

    assert shown.startswith(prediction["label"])
    digits = 3 if name == "photo.png" else 1
    assert f"{100 * prediction['probabilities']['day']:.{digits}f} %" in shown


def test_a_call_can_be_copied_before_a_picture_is_chosen(page: Page) -> None:
    call = copied(page, "R")

    assert 'req_body_raw(readBin("photo.png", "raw", file.size("photo.png")), "image/png")' in call
    assert "/models/brightness/invocations" in call


def test_the_copied_call_in_r_sends_the_picture(
    page: Page, pictures: Pictures, tmp_path: Path, require: Callable[[bool, str], None]
) -> None:
    require(shutil.which("Rscript") is not None, "there is no Rscript (Debian's r-base-core and r-cran-httr2)")
    (tmp_path / "photo.png").write_bytes(pictures.white_png)
    choose(page, pictures.white_png, "photo.png")

    done = subprocess.run(
        ["Rscript", "-"], input=copied(page, "R"), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert '[1] "day"' in done.stdout, "R prints what it makes of the reply"


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_can_be_dropped_or_pasted_anywhere(page: Page, pictures: Pictures, way: str) -> None:
    page.evaluate(GIVE, [base64.b64encode(pictures.grey_jpeg).decode(), "photo.jpg", way])

    page.get_by_text("photo.jpg, 640 × 480 pixels").wait_for()
    assert re.match(r"day\s+day\s+80\.\d %", predict(page))
    assert "-H 'Content-Type: image/jpeg'" in copied(page, "curl"), "by what it holds, whatever it calls itself"


def test_a_chosen_version_sees_the_picture(page: Page, pictures: Pictures) -> None:
    page.get_by_label("Version").select_option("1")
    page.locator("#call", has_text="/models/brightness/versions/1/invocations").wait_for()
    choose(page, pictures.white_png, "photo.png")

    assert predict(page).startswith("light")


def test_what_is_no_picture_is_refused_before_it_is_sent(page: Page, pictures: Pictures, tmp_path: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    said = page.get_by_role("status", name="The picture").get_by_text
    large = tmp_path / "large.png"
    large.write_bytes(pictures.white_png + bytes(12_345_678))

    shown = choose(page, pictures.webp, "photo.png", "image/webp")
    assert "That is no JPEG or PNG picture" in shown
    assert "photo.png holds something else (it calls itself image/webp)." in shown
    choose(page, b"", "empty.png")
    said("empty.png holds nothing.").wait_for()
    page.get_by_label("A JPEG or PNG picture").set_input_files(large)
    said("large.png has 12.3 MB; a request carries about 4.5 MB. Make the picture smaller").wait_for()

    assert "There is no picture yet" in predict(page)
    field = page.get_by_label("A JPEG or PNG picture")
    assert field.get_attribute("aria-invalid") == "true"
    assert field.evaluate("field => field === document.activeElement")
    assert asked == []


def test_a_damaged_picture_is_refused_in_plain_words_and_the_next_one_is_seen(page: Page, pictures: Pictures) -> None:
    said = choose(page, pictures.white_png[:40], "photo.png")
    assert "This browser cannot show photo.png: it may be damaged." in said
    assert "The service refused it (400)" in predict(page)

    choose(page, pictures.white_png, "mended.png")
    page.get_by_role("img", name="The picture to be sent, mended.png").wait_for()
    assert predict(page).startswith("day")


def test_another_picture_marks_the_prediction_until_the_next_one(page: Page, pictures: Pictures) -> None:
    mark = page.locator("#earlier")
    choose(page, pictures.white_png, "first.png")
    predict(page)
    assert mark.inner_text() == ""

    choose(page, pictures.grey_jpeg, "second.jpg")
    page.get_by_text("second.jpg, 640 × 480 pixels").wait_for()
    assert mark.inner_text() == "This is of the earlier inputs: Predict gives the new one."

    predict(page)
    assert mark.inner_text() == ""


def test_a_model_of_another_kind_has_its_form_back(page: Page, pictures: Pictures) -> None:
    choose(page, pictures.white_png, "photo.png")
    assert page.get_by_role("heading", name="Score a file").is_hidden()

    page.get_by_role("link", name="penguins").click()
    page.get_by_role("heading", name="penguins", level=1).wait_for()

    page.evaluate(GIVE, [base64.b64encode(pictures.white_png).decode(), "photo.png", "paste"])
    assert page.locator("#file-result").inner_text() == "", "cells of a spreadsheet come with a picture of them"
    assert predict(page).startswith("Adelie")


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(open_page: OpenPage, service: str, pictures: Pictures, width: int) -> None:
    page = open_page(f"{service}/docs#/brightness", viewport={"width": width, "height": 740})
    choose(page, pictures.grey_jpeg, f"{'photo' * 20}.jpg")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
