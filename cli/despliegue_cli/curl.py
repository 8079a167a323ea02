"""A call of a model as a line for a shell, safe to show in a terminal."""

import re
import shlex
from typing import Final

_UNPRINTABLE: Final = re.compile(r"[^ -~]")


def curl(url: str, body: bytes, *, keyed: bool = False) -> str:
    """The line that posts a JSON body.

    Args:
        url: of characters that a shell leaves alone.
        body: JSON, UTF-8.
        keyed: whether to send the key in `$KEY`.
    """
    # A name in it may hold what moves a terminal's cursor or turns the direction of the text round.
    shown = _UNPRINTABLE.sub(_printable, body.decode())
    return f"curl -s {url}{_key(keyed=keyed)} -H 'Content-Type: application/json' -d {shlex.quote(shown)}"


def curl_image(url: str, *, keyed: bool = False) -> str:
    """The line that posts an image of one's own."""
    return f"curl -s {url}{_key(keyed=keyed)} -H 'Content-Type: image/png' --data-binary @photo.png"


def _key(*, keyed: bool) -> str:
    return ' -H "x-api-key: $KEY"' if keyed else ""


def _printable(found: re.Match[str]) -> str:
    """A character as it is, or as JSON's escapes, two for one beyond 16 bits."""
    character = found[0]
    if character.isprintable():
        return character
    return re.sub("....", r"\\u\g<0>", character.encode("utf-16-be").hex())
