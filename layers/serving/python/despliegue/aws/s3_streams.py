"""Objects as files: one read by ranges, one written in parts. Neither is ever held whole."""

import io
from base64 import b64encode
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any, Final, Self
from zlib import crc32

from botocore.exceptions import BotoCoreError, ClientError

from despliegue.aws.clients import Client, status_of

WINDOW: Final = 2 * 1024 * 1024
"""Bytes of one ranged GET where a file is read in order; one is held, and the next one is fetched meanwhile."""
SMALL_WINDOW: Final = 256 * 1024
SMALL_WINDOWS: Final = 64
"""Bytes of one GET, and how many are held, where it is not: Parquet is read page by page of every column in turn."""
_CHUNK: Final = 64 * 1024
PART: Final = 5 * 1024 * 1024
"""Bytes of one part of an upload, the least S3 takes. The parts make an object's ETag: another size, another ETag."""


class Superseded(Exception):
    """The object is no longer what the event was about; the event of the newer one does the work."""


class ObjectGone(Exception):
    """The object was deleted."""


class RangedReader(io.RawIOBase):
    """An object as a raw file that can seek; it is taken to be read in order until it does.

    Errors of the network go through: what is read cannot be known to be right, and a retry may help.

    Args:
        s3: the client.
        bucket: the object's bucket.
        key: its key.
        etag: what the object must still have with every GET.
        size: its bytes.
    """

    def __init__(self, s3: Client, bucket: str, key: str, etag: str, size: int) -> None:
        super().__init__()
        self._s3 = s3
        self._object = {"Bucket": bucket, "Key": key, "IfMatch": f'"{etag}"'}
        self._size = size
        self._position = 0
        self._window_size = WINDOW
        self._windows: OrderedDict[int, bytearray] = OrderedDict()
        self._ahead: Future[bytearray] | None = None
        # Buffers are used again: freeing and asking for megabytes again and again leaves holes that nothing fits into.
        self._free: list[bytearray] = []
        self._thread = ThreadPoolExecutor(1, "read-ahead")

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; nothing is fetched before something is read."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        position = max(0, start + offset)
        if position != self._position and self._window_size == WINDOW:
            self._forget()
            self._window_size = SMALL_WINDOW
        self._position = position
        return position

    def read(self, size: int = -1) -> bytes:
        """All of the next `size` bytes, or what is left.

        Raises:
            Superseded: the object was overwritten.
            ObjectGone: it was deleted.
        """
        end = self._size if size is None or size < 0 else min(self._size, self._position + size)
        pieces = []
        while self._position < end:
            index, start = divmod(self._position, self._window_size)
            last = min(self._window_size, start + end - self._position)
            pieces.append(bytes(memoryview(self._window(index))[start:last]))
            self._position += last - start
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as there are bytes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Wait for what is being fetched, and let go."""
        self._forget()
        self._thread.shutdown()
        super().close()

    def _forget(self) -> None:
        if self._ahead:
            self._ahead.exception()
        self._ahead = None
        self._windows.clear()
        self._free.clear()

    def _window(self, index: int) -> bytearray:
        if index in self._windows:
            self._windows.move_to_end(index)
        elif self._window_size == WINDOW:
            self._free += self._windows.values()
            self._windows.clear()
            self._windows[index] = self._ahead.result() if self._ahead else self._fetch(index, self._buffer())
            more = (index + 1) * WINDOW < self._size
            self._ahead = self._thread.submit(self._fetch, index + 1, self._buffer()) if more else None
        else:
            if len(self._windows) == SMALL_WINDOWS:
                self._free.append(self._windows.popitem(last=False)[1])
            self._windows[index] = self._fetch(index, self._buffer())
        return self._windows[index]

    def _buffer(self) -> bytearray:
        return self._free.pop() if self._free else bytearray(self._window_size)

    def _fetch(self, index: int, buffer: bytearray) -> bytearray:
        first, last = index * len(buffer), min((index + 1) * len(buffer), self._size) - 1
        try:
            reply = self._s3.get_object(**self._object, Range=f"bytes={first}-{last}")
        except ClientError as error:
            if status_of(error) == 412:
                raise Superseded from error
            if status_of(error) == 404:
                raise ObjectGone from error
            raise
        filled = 0
        with closing(reply["Body"]) as body:
            for chunk in body.iter_chunks(_CHUNK):
                buffer[filled : filled + len(chunk)] = chunk
                filled += len(chunk)
        if filled != last - first + 1:
            raise OSError(f"S3 sent {filled:,} bytes of a range of {last - first + 1:,}")
        return buffer


class MultipartWriter:
    """Bytes → an object, uploaded by a thread while the next part fills: at most two parts are held.

    The parts depend on the bytes alone and not on how they were written, so that the same bytes have the same ETag. A
    whole of at most one part is put in one call. Nothing can be seen under the key before `finish`, and what is left
    without it is aborted.

    Args:
        s3: the client.
        bucket: the object's bucket.
        key: its key.
        content_type: as the object will say.
    """

    def __init__(self, s3: Client, bucket: str, key: str, content_type: str) -> None:
        self._s3 = s3
        self._object = {"Bucket": bucket, "Key": key}
        self._content_type = content_type
        self._buffer = bytearray()
        self._filled = 0
        self._upload: dict[str, str] = {}
        self._parts: list[dict[str, Any]] = []
        self._thread = ThreadPoolExecutor(1, "upload")
        self._sending: tuple[Future[dict[str, Any]], bytearray] | None = None
        self._finished = False
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if not self._finished:
            self._abort()

    def write(self, data: bytes) -> int:
        """Take `data`; raises what the upload of an earlier part raised."""
        rest = memoryview(data)
        while len(rest):
            taken = rest[: PART - self._filled]
            self._buffer[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            rest = rest[len(taken) :]
            # A full part is sent only with the first byte after it: a whole of exactly one part is one call.
            if len(rest):
                self._send()
        self.size += len(data)
        return len(data)

    def finish(self) -> str:
        """Make the object; its ETag, without quotes."""
        if not self._upload:
            reply = self._s3.put_object(**self._object, ContentType=self._content_type, **_checked(self._body()))
        else:
            self._send()
            self._collect()
            reply = self._s3.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": self._parts})
        self._finished = True
        self._release()
        return str(reply["ETag"]).strip('"')

    def _abort(self) -> None:
        if self._sending is not None:
            self._sending[0].exception()
        if self._upload:
            # As far as S3 lets us: whoever does the job again, or gives it up, aborts what is left.
            with suppress(ClientError, BotoCoreError):
                self._s3.abort_multipart_upload(**self._upload)
        self._release()

    def _send(self) -> None:
        if not self._upload:
            made = self._s3.create_multipart_upload(
                **self._object, ContentType=self._content_type, ChecksumAlgorithm="CRC32"
            )
            self._upload = {**self._object, "UploadId": made["UploadId"]}
        spare = self._collect()
        body = self._body()
        self._sending = self._thread.submit(self._put_part, len(self._parts) + 1, body), body
        self._buffer, self._filled = spare, 0

    def _body(self) -> bytearray:
        del self._buffer[self._filled :]  # what a buffer that is used again still has of its last part
        return self._buffer

    def _collect(self) -> bytearray:
        if self._sending is None:
            return bytearray()
        (sending, body), self._sending = self._sending, None
        self._parts.append(sending.result())
        return body

    def _put_part(self, number: int, body: bytearray) -> dict[str, Any]:
        reply = self._s3.upload_part(**self._upload, PartNumber=number, **_checked(body))
        return part(number, reply)

    def _release(self) -> None:
        self._buffer = bytearray()
        self._thread.shutdown()


def part(number: int, reply: dict[str, Any]) -> dict[str, Any]:
    """A part as CompleteMultipartUpload lists it, by what S3 answered to its upload or copy."""
    return {"PartNumber": number} | {name: reply[name] for name in ("ETag", "ChecksumCRC32") if name in reply}


def _checked(body: bytearray) -> dict[str, Any]:
    # With its checksum, S3 refuses what was damaged on the way; left to compute it, botocore would copy the body.
    return {"Body": body, "ChecksumCRC32": b64encode(crc32(body).to_bytes(4)).decode()}
