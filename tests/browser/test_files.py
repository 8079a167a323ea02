"""A CSV file is scored on the page, or it is said why not."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    type OpenPage = Callable[..., Page]

EXAMPLE = Path(__file__).parents[2] / "examples" / "birds.csv"
HEADER = "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex"
ROWS = ["Torgersen,39.1,18.7,181,3750,male", "Biscoe,,,217,,"]


@pytest.fixture
def page(open_page: OpenPage, service: str) -> Page:
    page = open_page(f"{service}/docs#/penguins")
    page.get_by_role("heading", name="penguins", level=1).wait_for()
    return page


def choose(page: Page, content: bytes, name: str = "birds.csv") -> str:
    """What the page says of the file."""
    page.get_by_label("A CSV file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})
    page.locator("#file-result :is(.problem, table)").first.wait_for()
    return page.locator("#file-result").inner_text()


def saved(page: Page, tmp_path: Path) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save birds.scored.csv").click()
    download.value.save_as(tmp_path / "saved.csv")
    return list(csv.DictReader(io.StringIO((tmp_path / "saved.csv").read_text(), newline="")))


def test_a_file_comes_back_with_its_columns_and_the_predictions(page: Page, tmp_path: Path) -> None:
    content = f'id,note,{HEADER}\r\n1,"a ""quoted"", note",{ROWS[0]}\r\n2,"two\nlines",{ROWS[1]}\r\n'

    said = choose(page, content.encode("utf-8-sig"))

    assert "2 rows scored" in said
    rows = saved(page, tmp_path)
    assert list(rows[0]) == ["id", "note", *HEADER.split(","), "label", *map("probability_{}".format, CLASSES)]
    assert [row["label"] for row in rows] == ["Adelie", "Gentoo"]
    assert [row["note"] for row in rows] == ['a "quoted", note', "two\nlines"]
    assert float(rows[0]["probability_Adelie"]) == pytest.approx(0.99944997)


CLASSES = ("Adelie", "Chinstrap", "Gentoo")


def test_columns_in_another_order_between_semicolons_are_read(page: Page, tmp_path: Path) -> None:
    choose(page, b"sex;island;flipper_length_mm\nmale;Torgersen;181\n;Biscoe;217\n")

    assert [row["label"] for row in saved(page, tmp_path)] == ["Adelie", "Gentoo"]


def test_a_feature_without_a_column_is_named(page: Page) -> None:
    said = choose(page, b"island,bill.length.mm\nDream,40\n")

    assert "no column for bill_length_mm, bill_depth_mm, flipper_length_mm, body_mass_g, sex" in said


def test_a_file_without_a_header_is_scored_by_position(page: Page, tmp_path: Path) -> None:
    choose(page, "\n".join(ROWS).encode())

    rows = saved(page, tmp_path)
    assert [row["label"] for row in rows] == ["Adelie", "Gentoo"]
    assert rows[0]["island"] == "Torgersen"


def test_names_that_the_file_has_already_are_not_taken(page: Page, tmp_path: Path) -> None:
    choose(page, f"label,{HEADER}\nmine,{ROWS[0]}\n".encode())

    [row] = saved(page, tmp_path)
    assert (row["label"], row["predicted_label"]) == ("mine", "Adelie")
    assert "predicted_probability_Adelie" in row


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b,c\n1,2,3\n", "the first line is a header only if it names the features"),
        (f"{HEADER}\n{ROWS[0]}\nDream,long,18,190,3700,male\n".encode(), "row 2: feature 'bill_length_mm' is 'long'"),
        (f"{HEADER}\nDream,40\n".encode(), "Row 1 of birds.csv has 2 fields; its first line has 6"),
        (b"", "birds.csv holds nothing"),
        (b"\n\n", "birds.csv has nothing but empty lines"),
        (b"island,sex\nBisco\xe9,male\n", "not text in UTF-8"),
        (b'island,sex\n"Biscoe,male\n', "a quote that does not end"),
        (b"PK\x03\x04\x00\x00 a spreadsheet", "This is no CSV"),
    ],
    ids=["other-columns", "value", "ragged", "empty", "blank", "latin-1", "quote", "binary"],
)
def test_what_cannot_be_scored_is_refused_with_its_reason(page: Page, content: bytes, said: str) -> None:
    shown = choose(page, content)

    assert page.locator("#file-result .problem").count() == 1
    assert said.lower() in shown.lower()


def test_of_a_row_that_is_refused_it_is_said_what_can_be_done(page: Page) -> None:
    said = choose(page, EXAMPLE.read_bytes())

    assert "Row 11: feature 'body_mass_g' is 'heavy'; expected a number" in said
    assert "Mend that row or leave it out, or score the file with despliegue score --model penguins@1 INPUT" in said
    assert said.endswith("that scores the others, and lists such rows.")

    rows = EXAMPLE.read_text().splitlines(keepends=True)
    page.locator("#file-result").evaluate("place => place.replaceChildren()")
    assert "11 rows scored" in choose(page, "".join(rows[:11] + rows[12:]).encode()), "without the row"


def test_a_spreadsheets_own_file_is_called_no_csv(page: Page) -> None:
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", f"<worksheet>{HEADER}</worksheet>")

    said = choose(page, book.getvalue(), "birds.xlsx")

    assert said.startswith("This is no CSV")
    assert "birds.xlsx holds something else than text in UTF-8" in said
    assert 'Save it there as "CSV UTF-8".' in said


def test_twenty_megabytes_are_refused_before_they_are_sent(page: Page, tmp_path: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    path = tmp_path / "birds.csv"
    path.write_bytes(f"{HEADER}\n".encode() + f"{ROWS[0]}\n".encode() * (20_000_000 // (len(ROWS[0]) + 1)))
    page.get_by_label("A CSV file").set_input_files(path)

    page.locator("#file-result .problem").wait_for()

    said = page.locator("#file-result").inner_text()
    assert "birds.csv has 20.0 MB; a request carries about 4.5 MB" in said
    assert "despliegue score --model penguins@1 INPUT OUTPUT" in said
    assert asked == []


def test_as_many_rows_as_a_request_carries_are_scored(page: Page, tmp_path: Path) -> None:
    rows = 4_400_000 // (len(ROWS[0]) + 1)

    said = choose(page, f"{HEADER}\n".encode() + f"{ROWS[0]}\n".encode() * rows)

    assert f"{rows:,} rows scored" in said
    assert len(saved(page, tmp_path)) == rows


def drop(page: Page) -> None:
    page.evaluate(
        """text => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([text], "birds.csv", {type: "text/csv"}));
            const init = {dataTransfer, bubbles: true, cancelable: true};
            for (const kind of ["dragover", "drop"])
                document.querySelector("h1").dispatchEvent(new DragEvent(kind, init));
        }""",
        f"{HEADER}\n{ROWS[0]}\n",
    )


def test_a_file_can_be_dropped_anywhere(page: Page) -> None:
    drop(page)

    page.get_by_text("1 row scored").wait_for()


def test_a_file_that_is_dropped_where_none_is_scored_is_left_alone(open_page: OpenPage, service: str) -> None:
    page = open_page(f"{service}/docs#/tensors")
    page.get_by_role("heading", name="tensors", level=1).wait_for()

    drop(page)

    assert page.locator("#file-result").text_content() == ""


def test_a_chosen_version_scores_the_file_and_says_what_is_wrong_with_it(
    open_page: OpenPage, service: str, tmp_path: Path
) -> None:
    page = open_page(f"{service}/docs#/price@1")
    page.get_by_role("heading", name="price", level=1).wait_for()
    page.get_by_text("scored with version 1").wait_for()

    choose(page, b"rooms,area\n3,70\n")
    assert saved(page, tmp_path) == [{"rooms": "3", "area": "70", "prediction": "73"}], "version 2 says 146"

    page.locator("#file-result").evaluate("place => place.replaceChildren()")
    assert "Row 1: feature 'rooms' is 'many'" in choose(page, b"rooms,area\nmany,70\n")


def test_a_regressors_column_is_called_prediction(open_page: OpenPage, service: str, tmp_path: Path) -> None:
    page = open_page(f"{service}/docs#/price")
    page.get_by_role("heading", name="price", level=1).wait_for()

    choose(page, b"rooms,area\n3,70\n")

    assert saved(page, tmp_path) == [{"rooms": "3", "area": "70", "prediction": "146"}]
