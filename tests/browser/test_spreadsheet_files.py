"""The page takes those of a spreadsheet's CSV files that docs/calling-from-a-spreadsheet.md says it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.spreadsheet_table import FILES, taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page


@pytest.mark.parametrize("written", FILES)
def test_the_page_takes_what_the_guide_says(open_page: Callable[..., Page], service: str, written: str) -> None:
    page = open_page(f"{service}/docs#/penguins")
    page.get_by_role("heading", name="penguins", level=1).wait_for()

    page.get_by_label("A CSV file").set_input_files(
        {"name": "birds.csv", "mimeType": "text/csv", "buffer": FILES[written].encode()}
    )
    page.locator("#file-result :is(.problem, table)").first.wait_for()

    said = page.locator("#file-result").inner_text()
    if taken()[written].page == "no":
        assert "feature 'bill_length_mm' is '39,1'; expected a number" in said
    else:
        assert "1 row scored" in said
