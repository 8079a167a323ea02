"""Images: their format and size are read off their heads, and refused, before a decoder unpacks them.

Sources: the PNG specification, 11.2.2 IHDR; ITU-T T.81 (JPEG), B.2.2 frame header. What is not seen here, such as data
that is cut short or made to mislead, is for the process that decodes it.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from despliegue.errors import InvalidRequest

if TYPE_CHECKING:
    from despliegue.models.model import Array

MAX_PIXELS: Final = 25_000_000
"""Width times height: what today's phones take, and 75 MB once unpacked."""
PNG: Final = b"\x89PNG\r\n\x1a\n"
JPEG: Final = b"\xff\xd8"
_OTHERS: Final = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"RIFF": "WebP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"%PDF": "PDF",
    b"<svg": "SVG",
}
_AVIF: Final = slice(4, 12)
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a frame header, SOF0 to SOF15; the three left out are tables."""
_SCAN: Final = 0xDA
_END: Final = b"\xff\xd9"
_ALONE: Final = (0x01, *range(0xD0, 0xD9))
"""Markers without a length: TEM, RST0 to RST7 and SOI."""
_MAX_SEGMENTS: Final = 1_000
"""Looked at before the frame header: colour profiles and the like, of 64 kB at most."""


def check_image(data: Array) -> None:
    """Make sure that bytes look like an image that is decoded.

    Args:
        data: uint8 [n].

    Raises:
        InvalidRequest: they are no JPEG or PNG, cut short, or of too many pixels.
    """
    body = data.tobytes()
    if body.startswith(PNG):
        width, height = _png_size(body)
    elif body.startswith(JPEG):
        width, height = _jpeg_size(body)
    else:
        raise InvalidRequest(f"the image is {_described(body)}; expected a JPEG or a PNG")
    if not width or not height:
        raise InvalidRequest(f"the image is of {width:,} × {height:,} pixels")
    if width * height > MAX_PIXELS:
        raise InvalidRequest(
            f"the image is of {width:,} × {height:,} pixels; expected at most {MAX_PIXELS:,} in all: send a smaller one"
        )


def black_image(side: int = 64) -> Array:
    """A black PNG of `side` × `side` pixels: uint8 [n], about a hundred bytes."""
    return np.frombuffer(png(np.zeros((side, side, 3), np.uint8)), np.uint8)


def png(pixels: Array) -> bytes:
    """A PNG file.

    Args:
        pixels: uint8 [height, width, 3], red, green and blue.
    """
    height, width, _ = pixels.shape
    lines = np.insert(pixels.reshape(height, -1), 0, 0, axis=1)  # each begins with its filter: none
    header = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\0\0\0"
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return PNG + b"".join(
        len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4) for kind, data in parts
    )


def _described(body: bytes) -> str:
    if not body:
        return "empty"
    if body[_AVIF] in (b"ftypavif", b"ftypheic", b"ftypmif1"):
        return "AVIF or HEIC"
    found = next((name for start, name in _OTHERS.items() if body.startswith(start)), "")
    return found or f"no image that is known, its first bytes being {body[:4].hex(' ')}"


def _png_size(body: bytes) -> tuple[int, int]:
    if len(body) < 33 or body[8:16] != b"\0\0\0\x0dIHDR":
        raise InvalidRequest("the image is a PNG without a header: it is cut short or damaged")
    return int.from_bytes(body[16:20]), int.from_bytes(body[20:24])


def _jpeg_size(body: bytes) -> tuple[int, int]:
    at = len(JPEG)
    for _ in range(_MAX_SEGMENTS):
        at = body.find(b"\xff", at)
        marker = body[at + 1] if 0 <= at < len(body) - 1 else None
        if marker is None or marker == _SCAN:
            break
        if marker in _FRAMES:
            frame = body[at + 4 : at + 9]
            # Where it is not there, the decoder waits for it for ever.
            if body.find(_END, at) < 0 or len(frame) < 5:
                break
            return int.from_bytes(frame[3:5]), int.from_bytes(frame[1:3])
        if marker == 0xFF:
            at += 1
        elif marker == 0x00 or marker in _ALONE:
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(body[at + 2 : at + 4]))
    raise InvalidRequest("the image is a JPEG without a frame header or an end: it is cut short or damaged")
