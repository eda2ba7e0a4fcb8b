"""Kill the worker process when an item exceeds its deadline."""

import contextlib
import faulthandler
import os
import threading
import time
from collections.abc import Callable, Iterator

GRACE = 0.05
"""Tolerance as a fraction of the deadline, so that the timer is not reset for every short item."""

_nowhere = os.open(os.devnull, os.O_WRONLY)
_ends: dict[int, float] = {}
"""Deadline of the current item by thread, in seconds of the monotonic clock."""
_lock = threading.Lock()


@contextlib.contextmanager
def deadline(seconds: float | None) -> Iterator[Callable[[], None]]:
    """Kill this process if an item in the block takes longer; None sets no deadline.

    An exception would not help: a decoder that hangs never returns to Python. The timer is a thread of `faulthandler`,
    which needs no interpreter lock. All threads of a process share it; it is set to their earliest deadline.

    Args:
        seconds: the time for one item.

    Yields:
        A function to call at the start of every item.
    """
    if seconds is None:
        yield lambda: None
        return
    thread = threading.get_ident()

    def begin() -> None:
        end = time.monotonic() + (1 + GRACE) * seconds
        if end - _ends.get(thread, 0) > GRACE * seconds:
            _set(thread, end)

    begin()
    try:
        yield begin
    finally:
        _set(thread, None)


def _set(thread: int, end: float | None) -> None:
    """Store the deadline of this thread, or remove it if None, and reset the timer."""
    with _lock:
        _ends.pop(thread, None)
        if end is not None:
            _ends[thread] = end
        if _ends:
            left = max(min(_ends.values()) - time.monotonic(), 1e-3)
            faulthandler.dump_traceback_later(left, exit=True, file=_nowhere)
        else:
            faulthandler.cancel_dump_traceback_later()
