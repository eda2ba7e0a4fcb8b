"""Ctrl-C, which reaches every process of a terminal, and which only the driver is to answer."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def interrupts(handler: Any) -> Iterator[None]:
    """Answer Ctrl-C in this way during the block, where it is ours to answer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def leave_interrupts_to_the_driver() -> Any:
    """A plugin for workers of this terminal: Ctrl-C reaches them too, and only the driver is to answer it."""
    from distributed import WorkerPlugin

    class LeaveInterrupts(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return LeaveInterrupts()
