"""Return free memory of the allocator to the system from time to time."""

import ctypes
import functools
import time
from collections.abc import Callable

EVERY_S = 10.0
"""Seconds between two trims. Allocating the returned memory again costs a fraction of a second."""


class Trim:
    """Return the allocator's free memory to the system, at most once in `EVERY_S` seconds.

    The large buffers of models are allocated between small ones that live until a clip is done. The gaps they leave
    rarely fit the next buffers, so without trimming the memory of the process grows with the length of the clip.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self) -> None:
        """Trim if the last trim was more than `EVERY_S` seconds ago."""
        if time.monotonic() - self._last > EVERY_S:
            _malloc_trim()(0)
            self._last = time.monotonic()


@functools.cache
def _malloc_trim() -> Callable[[int], object]:
    """Return `malloc_trim` of glibc; with another C library, a function that does nothing."""
    trim: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim or (lambda _: None)
