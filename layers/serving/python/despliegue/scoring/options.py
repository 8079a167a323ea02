"""How a file is read and what is written: said by whoever sends it, else by the model's manifest, else found."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import msgspec

from despliegue.errors import UnscorableFile, shorten

_DELIMITERS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "\\t": "\t", "space": " "}
_YES: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Options(msgspec.Struct, frozen=True):
    """The options of one file.

    Attributes:
        delimiter: between the fields of CSV; None to find it.
        header: whether the first record of CSV names the columns; None to find out.
        id: write this column (by name; by number from 1 where there is no header) before the predictions, not all.
        join: write all input columns before the predictions; else the predictions alone.
        reject_threshold: the share of rows, 0 to 1, that may be rejected before the file fails.
    """

    delimiter: str | None = None
    header: bool | None = None
    id: str | None = None
    join: bool = True
    reject_threshold: float = 1.0

    @classmethod
    def read(cls, *sources: Mapping[str, str]) -> Self:
        """The options in `sources`, as text: `delimiter`, `header`, `id`, `join`, `reject-threshold`.

        Args:
            sources: the first that names an option decides it.

        Raises:
            UnscorableFile: an option is unknown or has a value that it does not take.
        """
        given: dict[str, Any] = {}
        for source in reversed(sources):
            for name, text in source.items():
                if name not in _READERS:
                    raise UnscorableFile(f"unknown option {shorten(name)}; expected {', '.join(_READERS)}")
                field, expected, reader = _READERS[name]
                try:
                    given[field] = reader(text.strip(" "))
                except (KeyError, ValueError):
                    raise UnscorableFile(f"option {name} is {shorten(text)}; expected {expected}") from None
        return cls(**given)

    def canonical(self) -> str:
        """The options as one text, the same for the same options."""
        return msgspec.json.encode(self, order="deterministic").decode()


def _delimiter(text: str) -> str:
    delimiter = _DELIMITERS.get(text.lower(), text)
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in "\"'\r\n.+-" or delimiter.isalnum():
        raise ValueError(text)
    return delimiter


def _share(text: str) -> float:
    share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


def _name(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


_READERS: Final[dict[str, tuple[str, str, Callable[[str], Any]]]] = {
    "delimiter": ("delimiter", "one character, or comma, semicolon, tab or pipe", _delimiter),
    "header": ("header", "true or false", lambda text: _YES[text.lower()]),
    "id": ("id", "the name of a column, or its number from 1 where there is no header", _name),
    "join": ("join", "true or false", lambda text: _YES[text.lower()]),
    "reject-threshold": ("reject_threshold", "a share of the rows, such as 0.05 or 5%", _share),
}
