"""gzip and zstd around a file, both ways, without ever holding more of it than a block."""

import gzip
import zlib
from typing import BinaryIO, Final, Protocol, cast

from backports import zstd

from despliegue.errors import UnscorableFile

BOM: Final = b"\xef\xbb\xbf"
"""What some programs, Excel among them, begin a text in UTF-8 with; it is kept."""
_MAGIC: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
SUFFIXES: Final = {"gzip": ".gz", "zstd": ".zst", "": ""}
MAX_RATIO: Final = 200
"""A compressed file may unpack to so many times its size; a bomb reaches 1,000. As with compressed requests."""
FREE_BYTES: Final = 64 * 1024 * 1024
"""What may be unpacked whatever the ratio."""
_GZIP_LEVEL: Final = 1
"""Scoring waits for it: level 6 takes six times as long for a seventh less."""


class Source(Protocol):
    """What a file is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""


class Sink(Protocol):
    """What a file is written to."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""


class Rewound:
    """A source whose first bytes were read already."""

    def __init__(self, head: bytes, source: Source) -> None:
        self._head = head
        self._source = source

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes."""
        if not self._head:
            return self._source.read(size)
        taken = self._head if size < 0 else self._head[:size]
        self._head = self._head[len(taken) :]
        return taken


class _Counted:
    """A source that knows how many bytes were taken, and what it raised: decompressors wrap neither."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.taken += len(data)
        return data


class Decompressed:
    """What a compressed source unpacks to."""

    def __init__(self, source: Source, compression: str) -> None:
        self._counted = _Counted(source)
        self._name = compression
        opened = (
            gzip.GzipFile(fileobj=cast("BinaryIO", self._counted))
            if compression == "gzip"
            else zstd.ZstdFile(cast("BinaryIO", self._counted))
        )
        self._read = opened.read
        self._given = 0

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes.

        Raises:
            UnscorableFile: the compressed data is damaged or cut short, or unpacks to far more than its size.
        """
        try:
            data: bytes = self._read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError) as error:
            after = f"after {self._given:,} unpacked bytes" if self._given else "from its beginning"
            raise UnscorableFile(f"the {self._name} data is damaged or cut short {after}: {error}") from error
        self._given += len(data)
        if self._given > FREE_BYTES + MAX_RATIO * self._counted.taken:
            raise UnscorableFile(
                f"the {self._name} data unpacks to more than {MAX_RATIO} times its size: {self._given:,} bytes came of"
                f" the first {self._counted.taken:,}"
            )
        return data


def found_in(head: bytes) -> str:
    """The compression that a file begins with: `gzip`, `zstd` or none, ''."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


class Compressed:
    """A sink that compresses; the same bytes in give the same bytes out. Close it to write what it still holds."""

    def __init__(self, sink: Sink, compression: str) -> None:
        file = cast("BinaryIO", sink)
        # No name and no time, which would make each run's bytes its own.
        self._file: gzip.GzipFile | zstd.ZstdFile = (
            gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) if compression == "gzip" else zstd.ZstdFile(file, "wb")
        )

    def write(self, data: bytes) -> None:
        """Compress `data`."""
        self._file.write(data)

    def close(self) -> None:
        """Write what is left; the sink stays open."""
        self._file.close()
