"""README.es.md keeps in step with README.md: the same parts, and no section that changed since they were compared."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from pathlib import Path

EACH_OTHER = {"README.md", "README.es.md"}


class Section(NamedTuple):
    """A part of a README, from its heading to the next.

    Attributes:
        level: 1 for the title, 2 below it.
        title: its heading.
        text: what stands below the heading.
        compared: of the translation, the original's title and digest when they were compared; else empty.
    """

    level: int
    title: str
    text: str
    compared: tuple[str, str] | tuple[()]

    @property
    def digest(self) -> str:
        """Of its words: lines may be wrapped anew, and figures measured."""
        text = re.sub(r"(<!-- benchmarks: \S+ -->).*?(<!-- end -->)", r"\1\2", self.text, flags=re.DOTALL)
        words = " ".join([self.title, *text.split()])
        return hashlib.sha256(words.encode()).hexdigest()[:8]


NOTE = '<!-- README.md, "{title}", as of {digest} -->'
_NOTE = r'<!-- README\.md, "([^"]+)", as of (\w{8}) -->\n'


def sections(text: str) -> list[Section]:
    blocks = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
    hidden = blocks.sub(lambda block: re.sub("^", "\0", block[0], flags=re.MULTILINE), text)  # their # are no headings
    parts = re.split(rf"^((?:{_NOTE})?)(#+) (.+)\n", hidden, flags=re.MULTILINE)
    assert not parts[0].strip()
    found = []
    for _, title_then, digest_then, hashes, title, body in zip(*(parts[n::6] for n in range(1, 7)), strict=True):
        compared = (title_then, digest_then) if digest_then else ()
        found.append(Section(len(hashes), title, body.replace("\0", ""), compared))
    return found


def code(text: str) -> list[str]:
    """The blocks, without what may be translated in them: comments, and the words of a diagram."""
    found = []
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if language == "mermaid":
            block = re.sub(r'"[^"\n]*"|\[[^\]\n]*\]', "…", block)
        elif language != "console":
            block = re.sub(r" +# .*", "", block)
        found.append(f"{language}\n{block}")
    return found


def links(text: str) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if link not in EACH_OTHER]


def tables(text: str) -> list[list[str]]:
    """The rows: the number of cells, and the first one where it is code."""
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [[str(len(row)), row[0].strip() if "`" in row[0] else ""] for row in rows]


@pytest.fixture(scope="module")
def english(root: Path) -> list[Section]:
    return sections((root / "README.md").read_text())


@pytest.fixture(scope="module")
def spanish(root: Path) -> list[Section]:
    return sections((root / "README.es.md").read_text())


def test_both_have_the_same_sections(english: list[Section], spanish: list[Section]) -> None:
    assert len(english) > 5
    assert [section.level for section in spanish] == [section.level for section in english]
    assert [section.compared[0] for section in spanish if section.compared] == [section.title for section in english]


def test_each_links_the_other_in_its_first_lines(english: list[Section], spanish: list[Section]) -> None:
    assert english[0].text.strip().startswith("[Español](README.es.md)")
    assert spanish[0].text.strip().startswith("[English](README.md)")


def test_sections_have_the_same_code_links_and_tables(english: list[Section], spanish: list[Section]) -> None:
    assert sum(len(code(section.text)) for section in english) > 15
    for original, translated in zip(english, spanish, strict=True):
        for part in (code, links, tables):
            assert part(translated.text) == part(original.text), f"{part.__name__} of '{translated.title}'"


def test_no_section_changed_since_the_translation_was_compared_with_it(
    english: list[Section], spanish: list[Section]
) -> None:
    for original, translated in zip(english, spanish, strict=True):
        assert translated.compared == (original.title, original.digest), (
            f"README.md's section '{original.title}' is not the one that README.es.md was compared with: bring"
            f" '{translated.title}' there up to date, and then write above its heading\n"
            + NOTE.format(title=original.title, digest=original.digest)
        )


def test_a_changed_word_changes_the_digest_and_a_new_wrapping_does_not() -> None:
    before, wrapped, changed = (
        sections(f"# Title\n\n{text}\n")[0].digest for text in ("one two three", "one two\nthree", "one two four")
    )

    assert before == wrapped
    assert before != changed
