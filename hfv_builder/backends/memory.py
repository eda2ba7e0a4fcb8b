"""Memory that is free goes back to the system now and then."""

import ctypes
import functools
import time
from collections.abc import Callable

EVERY_S = 10.0
"""How often: what is given back must be fetched again, which costs a fraction of a second."""


class Trim:
    """Called over and over, gives the allocator's free memory back every few seconds.

    The large buffers of models come and go between small ones that stay until a clip is done, so that the holes they
    leave do not fit the next ones and the process would grow with the length of the clip.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self) -> None:
        """Give memory back, if it is time."""
        if time.monotonic() - self._last > EVERY_S:
            _malloc_trim()(0)
            self._last = time.monotonic()


@functools.cache
def _malloc_trim() -> Callable[[int], object]:
    """Glibc's function; elsewhere one that does nothing."""
    found: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found or (lambda _: None)
