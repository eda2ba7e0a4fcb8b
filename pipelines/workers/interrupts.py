"""Handle Ctrl-C in the driver only, although it reaches every process of the terminal."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

ENDS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals other than SIGINT that end a command: of a batch system at a time limit, of a terminal that is closed."""


@contextlib.contextmanager
def interrupts(handler: Any, *, ends: bool = False) -> Iterator[None]:
    """Handle SIGINT with `handler` during the block. Does nothing outside the main thread.

    Args:
        handler: as for `signal.signal`.
        ends: handle the signals in `ENDS` too, except those that are ignored, such as after `nohup`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = [number for number in ENDS if ends and signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, *heeded)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def leave_interrupts_to_the_driver() -> Any:
    """Return a plugin that makes workers ignore Ctrl-C, which also reaches them if they share the terminal."""
    from distributed import WorkerPlugin

    class LeaveInterrupts(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return LeaveInterrupts()
