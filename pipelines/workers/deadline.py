"""An end for work that finds none by itself."""

import contextlib
import faulthandler
import os
import threading
import time
from collections.abc import Callable, Iterator

GRACE = 0.05
"""What an item may get beyond its time, as a part of it; so the watch need not be set anew for every quick one."""

_nowhere = os.open(os.devnull, os.O_WRONLY)
_ends: dict[int, float] = {}
"""When each thread's item is to have ended, on the monotonic clock."""
_lock = threading.Lock()


@contextlib.contextmanager
def deadline(seconds: float | None) -> Iterator[Callable[[], None]]:
    """End this process if an item of work in the block takes longer; None waits for ever.

    No exception could do it: a decoder that hangs never comes back to Python. The watch is a thread of the interpreter
    that needs no lock; there is one for all threads of a process, set to the earliest of their ends.

    Returns:
        A function to be called as each item begins.
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
    """Note when this thread's item is to have ended, and set the watch."""
    with _lock:
        _ends.pop(thread, None)
        if end is not None:
            _ends[thread] = end
        if _ends:
            left = max(min(_ends.values()) - time.monotonic(), 1e-3)
            faulthandler.dump_traceback_later(left, exit=True, file=_nowhere)
        else:
            faulthandler.cancel_dump_traceback_later()
