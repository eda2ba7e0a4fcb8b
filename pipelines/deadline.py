"""An end for work that finds none by itself."""

import contextlib
import faulthandler
import os
import time
from collections.abc import Callable, Iterator

GRACE = 0.05
"""What an item may get beyond its time, as a part of it; so the watch need not be set anew for every quick one."""


@contextlib.contextmanager
def deadline(seconds: float | None) -> Iterator[Callable[[], None]]:
    """End this process if an item of work in the block takes longer; None waits for ever.

    No exception could do it: a decoder that hangs never comes back to Python. The watch is a thread of the interpreter
    that needs no lock. Of a process there can be one at a time.

    Returns:
        A function to be called as each item begins.
    """
    if seconds is None:
        yield lambda: None
        return
    set_at = -seconds
    with open(os.devnull, "w") as nowhere:

        def begin() -> None:
            nonlocal set_at
            now = time.monotonic()
            if now - set_at > GRACE * seconds:
                faulthandler.dump_traceback_later((1 + GRACE) * seconds, exit=True, file=nowhere)
                set_at = now

        begin()
        try:
            yield begin
        finally:
            faulthandler.cancel_dump_traceback_later()
