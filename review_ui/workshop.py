"""Run work on media in separate processes, which are killed at a deadline or when the server stops."""

import multiprocessing
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hfv_builder.records import ClipError
from hfv_builder.storage.part_file import part_path
from hfv_builder.storage.sockets import shorten_sockets

DEADLINE_S = 300
"""Largest number of seconds for one file."""

# Forked from a server process without threads that has imported all modules, so that a start takes milliseconds.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["__main__", "review_ui.proxies"])


class Unfinished(ClipError):
    """A job was ended before it was done. Another attempt, on a less busy machine, may succeed."""


Work = Callable[[Path, Path], None]


class Workshop:
    """Run jobs in processes. Thread-safe."""

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        """Start without any process."""
        shorten_sockets()
        self._deadline_s = deadline_s
        self._running: set[Any] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(self, work: Work, source: Path, target: Path) -> None:
        """Run a job in a process and wait for it.

        Args:
            work: a module-level function that makes the file `target` from the file `source`.
            source: the file to read.
            target: the file to write.

        Raises:
            Unfinished: the job exceeds the deadline or crashes, or the server stops.
            ClipError: the job raises it.
            OSError, RuntimeError: the job raises another exception.
        """
        ours, theirs = _context.Pipe(duplex=False)
        process = _context.Process(target=_do, args=(theirs, work, source, target), daemon=True)
        with self._lock:
            if self._closed:
                raise Unfinished("the server is stopping")
            process.start()
            self._running.add(process)
        theirs.close()
        error: Any = None
        try:
            if ours.poll(self._deadline_s):
                error = ours.recv()
            else:
                error = Unfinished(
                    f"making it ready took more than {self._deadline_s:g} s; shorten it, or scale it down"
                )
        except EOFError:
            stopping = self._closed
            error = Unfinished("the server is stopping" if stopping else "its decoder crashed or ran out of memory")
        finally:
            ours.close()
            with self._lock:
                self._running.discard(process)
            if error is not None:
                process.kill()
            process.join()
            with suppress(OSError):  # of a killed process; it may fill the disk if every attempt leaves one
                part_path(target, process.pid or 0).unlink(missing_ok=True)
            process.close()
        if error is not None:
            raise error

    def close(self) -> None:
        """Kill all running jobs and reject new ones."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.kill()


def _do(answers: Any, work: Work, source: Path, target: Path) -> None:
    """Run the job, then send None, or the exception that it raised."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; only the server handles it
    error: Exception | None = None
    try:
        work(source, target)
    except (ClipError, OSError) as raised:
        error = raised
    except Exception as raised:  # it may not be picklable
        error = RuntimeError(f"{type(raised).__name__}: {raised}")
    with suppress(BrokenPipeError):
        answers.send(error)
