"""Handle Ctrl-C in the driver only, although it reaches every process of the terminal."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def interrupts(handler: Any) -> Iterator[None]:
    """Handle SIGINT with `handler` during the block. Does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def leave_interrupts_to_the_driver() -> Any:
    """Return a plugin that makes workers ignore Ctrl-C, which also reaches them if they share the terminal."""
    from distributed import WorkerPlugin

    class LeaveInterrupts(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return LeaveInterrupts()
