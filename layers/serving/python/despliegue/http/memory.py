"""Memory of large requests that is used again for the next one."""

import ctypes
import sys
from typing import Final

KEPT_BYTES: Final = 64 * 1024 * 1024
"""Most free memory at the heap's end that the process keeps; ten thousand rows of JSON take 25 MB."""
_LARGEST_BLOCK: Final = 32 * 1024 * 1024
"""glibc's own limit (DEFAULT_MMAP_THRESHOLD_MAX)."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Tell glibc (mallopt(3)) not to give large blocks back to the system with each request; elsewhere do nothing.

    The system clears each page anew for the next request, which takes a request of ten thousand rows as long as all the
    rest of it.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
