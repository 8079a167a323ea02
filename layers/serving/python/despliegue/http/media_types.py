"""Which format a body has, and which of those on offer a caller wants. Source: RFC 9110, content negotiation."""

from collections.abc import Sequence

from despliegue.errors import UnsupportedContentType, shorten


def read_content_type(header: str) -> tuple[str, dict[str, str]]:
    """A content type and its parameters, both in lower case."""
    name, *options = (part.strip() for part in header.lower().split(";"))
    pairs = (option.partition("=") for option in options if option)
    return name, {key.strip(): value.strip().strip('"') for key, _, value in pairs}


def choose(accept: str, offered: Sequence[str]) -> str:
    """The first of the offered types that the caller likes best; the first of all where nothing is said.

    Raises:
        UnsupportedContentType: none of them is accepted.
    """
    if not accept.strip():
        return offered[0]
    likings = [_liking(accept, name) for name in offered]
    if not (best := max(likings)):
        raise UnsupportedContentType(f"accept is {shorten(accept)}; the reply can be {', '.join(offered)}")
    return offered[likings.index(best)]


def _liking(accept: str, name: str) -> float:
    """The quality that `accept` gives a type, by the closest of its ranges; 0 where it is not accepted."""
    ranges = ("*/*", f"{name.partition('/')[0]}/*", name)
    closest, quality = -1, 0.0
    for item in accept.split(","):
        wanted, options = read_content_type(item)
        if wanted in ranges and ranges.index(wanted) > closest:
            closest, quality = ranges.index(wanted), _quality(options.get("q", "1"))
    return quality


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 1.0
