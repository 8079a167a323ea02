"""Compressed bodies, both ways. Source: RFC 9110, content codings."""

import zlib
from typing import Final

from despliegue.errors import InvalidRequest, PayloadTooLarge, UnsupportedContentType, shorten
from despliegue.http.messages import Request, Response

MAX_INFLATED: Final = 100 * 1024 * 1024
"""Most bytes that a body may have once it is unpacked."""
MAX_RATIO: Final = 200
"""Most times its size that a body may unpack to, beyond the first MiB. JSON of ones and zeros reaches about 100."""
WORTH_COMPRESSING: Final = 32 * 1024
"""Replies below this many bytes are sent as they are."""

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


def inflate(request: Request) -> None:
    """Unpack the request's body in place, if it is packed.

    Raises:
        UnsupportedContentType: in a coding that is not read.
        InvalidRequest: the body is not what its coding says.
        PayloadTooLarge: it would unpack to more than is read.
    """
    if "content-encoding" not in request.headers:
        return
    coding = request.headers["content-encoding"].strip().lower()
    if coding in ("", "identity"):
        return
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise UnsupportedContentType(f"content encoding is {shorten(coding)}; expected gzip or deflate")
    limit = min(MAX_INFLATED, max(1024 * 1024, MAX_RATIO * len(request.body)))
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        unpacked = unpacker.decompress(request.body, limit + 1)
    except zlib.error as error:
        raise InvalidRequest(f"the body is not valid {coding}: {error}") from error
    if len(unpacked) > limit:
        raise PayloadTooLarge(
            f"the body unpacks to more than the {limit:,} bytes allowed: {MAX_RATIO} times its size, at most"
            f" {MAX_INFLATED:,}; send fewer rows in a request"
        )
    if not unpacker.eof:
        raise InvalidRequest(f"the body is not valid {coding}: it is cut short")
    if unpacker.unused_data:
        raise InvalidRequest(f"the body is not valid {coding}: {len(unpacker.unused_data):,} bytes follow its end")
    request.body = unpacked


def deflate(request: Request, response: Response) -> None:
    """Pack the response's body in place, if the caller asked for it and it is worth the time."""
    if len(response.body) < WORTH_COMPRESSING or not _accepts_gzip(request.headers.get("accept-encoding", "")):
        return
    packer = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    response.body = packer.compress(response.body) + packer.flush()
    response.headers |= {"content-encoding": "gzip", "vary": "accept-encoding"}
    if tag := response.headers.get("etag"):
        response.headers["etag"] = packed_tag(tag)


def packed_tag(tag: str) -> str:
    """The entity tag of a packed body: a strong one stands for the very bytes, which are others than those of `tag`."""
    return tag.removesuffix('"') + '-gzip"'


def _accepts_gzip(header: str) -> bool:
    for item in header.lower().split(","):
        coding, _, quality = item.partition(";")
        if coding.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
