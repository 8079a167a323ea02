"""The figures in the documentation are those that the benchmarks left."""

from pathlib import Path

import pytest
from benchmarks.tables import DOCUMENTS, blocks, result


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_shows_what_was_measured(root: Path, name: str) -> None:
    text = (root / name).read_text()

    assert "<!-- benchmarks: " in text
    assert blocks(text) == text, f"{name} is not as the results are: python -m benchmarks.tables"


def test_what_is_shown_changes_with_what_was_measured() -> None:
    text = "<!-- benchmarks: http -->\nold\n<!-- end -->"

    shown = blocks(text)

    assert "old" not in shown
    assert "despliegue" in shown
    assert f"{result('http')['targets'][0]['measured']:.2f}" in shown
