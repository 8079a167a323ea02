"""Texts of any kind in GitHub Flavored Markdown: none is taken for markup, for an address or for a table's cell's end.

GitHub itself still links an e-mail address, whose `@` no escape hides.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

_MARKUP: Final = re.compile(r"[\\`*_{}\[\]<>#&~]")
_LEADING: Final = re.compile(r"^\d*(?=[-+=.)])")
"""A list's bullet or number, or a line that makes another a heading."""
_ADDRESS: Final = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
_RUN: Final = re.compile(r"`+")


def escaped(text: str) -> str:
    """`text` as a line of prose, or in one, without the spaces around it."""
    return _LEADING.sub(r"\g<0>\\", _ADDRESS.sub(r"\\\g<0>", _MARKUP.sub(r"\\\g<0>", _line(text).strip())))


def code(text: str) -> str:
    """`text` as code in a line."""
    line = _line(text) or " "
    if "\\" in line and "|" in line:
        return escaped(line)  # code in a cell has no way to write a backslash before a bar
    fence = "`" * (_longest_run(line) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def fenced(text: str, language: str) -> str:
    """`text` as a block of code."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.rstrip('\n')}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells, each a line of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |" for cells in lines)


def _line(text: str) -> str:
    """Line breaks and control characters as spaces."""
    return "".join(character if character.isprintable() else " " for character in text)


def _longest_run(text: str) -> int:
    return max(map(len, _RUN.findall(text)), default=0)
