"""Files for arro3, which raises exceptions of its own in place of what Python raised beneath it: that is kept here."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from despliegue.errors import UnscorableFile
from despliegue.scoring.compression import Sink


class Guard:
    """Keeps what Python raised beneath arro3, which raises exceptions of its own instead."""

    def __init__(self) -> None:
        self._kept: BaseException | None = None

    def keep(self, error: BaseException) -> None:
        """Keep what was raised, if nothing was before."""
        self._kept = self._kept or error

    def check(self) -> None:
        """Raise what was kept, if anything was."""
        if self._kept is not None:
            raise self._kept

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep what is raised within."""
        try:
            yield
        except GeneratorExit:
            raise
        except BaseException as error:
            self.keep(error)
            raise

    @contextmanager
    def around(self, trouble: str) -> Iterator[None]:
        """Raise what was kept; what arro3 itself finds wrong is the file's fault, where `trouble` names it."""
        try:
            yield
            self.check()
        except BaseException as error:
            if self._kept is not None:
                raise self._kept from None
            # arro3 raises Exception itself, and a panic of Rust, which a damaged file can cause, is not even one.
            if trouble and (isinstance(error, Exception) or type(error).__name__ == "PanicException"):
                reason = re.sub(r"^called `Result::unwrap\(\)` on an `Err` value: ", "", str(error))
                raise UnscorableFile(f"{trouble}: {reason}") from error
            raise


class GuardedSource:
    """A source that arro3 reads."""

    def __init__(self, source: BinaryIO, guard: Guard) -> None:
        self._source, self._guard = source, guard

    def read(self, size: int = -1) -> bytes:
        """As the source."""
        with self._guard.keeping():
            return self._source.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As the source."""
        with self._guard.keeping():
            return self._source.seek(offset, whence)

    def tell(self) -> int:
        """As the source."""
        return self._source.tell()


class GuardedSink:
    """A sink that arro3 writes: only ever forwards, though it wants to know where it is.

    It panics where a write fails, and says so on standard error. To it none does: whoever gives it rows asks the guard.
    """

    def __init__(self, sink: Sink, guard: Guard) -> None:
        self._sink, self._guard = sink, guard
        self._at, self._has_failed = 0, False

    def write(self, data: bytes) -> int:
        """Pass `data` on, or keep why that is not possible."""
        if not self._has_failed:
            try:
                self._sink.write(data)
            except BaseException as error:  # raised by the guard
                self._has_failed = True
                self._guard.keep(error)
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Stay."""
        return self._at

    def tell(self) -> int:
        """Bytes written so far."""
        return self._at

    def flush(self) -> None:
        """Do nothing: nothing is held."""
