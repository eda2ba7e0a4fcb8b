"""Work on media in processes of their own, which end when their time is over or the server stops."""

import multiprocessing
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hfv_builder.records import ClipError
from hfv_builder.storage.sockets import shorten_sockets

DEADLINE_S = 300
"""Seconds that one file may take."""

# Forked from a process without threads that has imported what the work needs, so that a start takes milliseconds.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["__main__", "review_ui.proxies"])

Work = Callable[[Path, Path], None]


class Workshop:
    """Runs work in processes; any number of threads may ask for it."""

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        """Start nothing yet."""
        shorten_sockets()
        self._deadline_s = deadline_s
        self._running: set[Any] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(self, work: Work, source: Path, target: Path) -> None:
        """Do the work in a process and wait for it.

        Args:
            work: a function of a module; it makes the file `target` from the file `source`.

        Raises:
            ClipError: the work raises one, takes too long, ends its process, or the server stops.
            Exception: what else the work raises.
        """
        ours, theirs = _context.Pipe(duplex=False)
        process = _context.Process(target=_do, args=(theirs, work, source, target), daemon=True)
        with self._lock:
            if self._closed:
                raise ClipError("the server is stopping")
            process.start()
            self._running.add(process)
        theirs.close()
        error: Any = None
        try:
            if ours.poll(self._deadline_s):
                error = ours.recv()
            else:
                error = ClipError(
                    f"making it ready took more than {self._deadline_s:g} s; shorten it, or scale it down"
                )
        except EOFError:
            error = ClipError("the server is stopping" if self._closed else "its decoder crashed or ran out of memory")
        finally:
            ours.close()
            with self._lock:
                self._running.discard(process)
            if error is not None:
                process.kill()
            process.join()
            process.close()
        if error is not None:
            raise error

    def close(self) -> None:
        """End all work that runs and refuse more."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.kill()


def _do(answers: Any, work: Work, source: Path, target: Path) -> None:
    """Send None if the work is done, else its exception."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a key in the terminal reaches all processes; the server decides
    error: Exception | None = None
    try:
        work(source, target)
    except (ClipError, OSError) as raised:
        error = raised
    except Exception as raised:  # it may hold what cannot travel
        error = RuntimeError(f"{type(raised).__name__}: {raised}")
    with suppress(BrokenPipeError):
        answers.send(error)
