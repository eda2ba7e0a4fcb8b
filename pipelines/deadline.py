"""An end for work that finds none by itself."""

import contextlib
import faulthandler
import os
from collections.abc import Iterator


@contextlib.contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """End this process if the block takes longer; None waits for ever.

    No exception could do it: a decoder that hangs never comes back to Python. The watch is a thread of the interpreter
    that needs no lock. Of a process there can be one deadline at a time.
    """
    if seconds is None:
        yield
        return
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
