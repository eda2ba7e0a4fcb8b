"""Work on clips in advance: one thread, in the order of the queues, the latest request first."""

import threading
import time
from collections.abc import Callable, Iterable
from itertools import islice

MOST = 512
"""Largest number of clips that wait. The last ones are forgotten, and asked for again when their turn is near."""
AGAIN_S = 600.0
"""Seconds for which a clip that was worked on is left alone. Its files may be deleted later, or come back."""


class Ahead:
    """A thread that works on the rows of clips that reviewers will get next."""

    def __init__(self, work: Callable[[int], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the thread.

        Args:
            work: does what is needed for a row; it must not raise.
            clock: returns the time in seconds.
        """
        self._work = work
        self._clock = clock
        self._waiting: dict[int, None] = {}
        self._done: dict[int, float] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="media-ahead", daemon=True)
        self._thread.start()

    def want(self, rows: Iterable[int]) -> None:
        """Put these rows before all others, in their order."""
        with self._changed:
            now = self._clock()
            first = dict.fromkeys(row for row in rows if now - self._done.get(row, -AGAIN_S) >= AGAIN_S)
            if not first:
                return
            self._waiting = dict(islice((first | self._waiting).items(), MOST))
            self._changed.notify()

    def close(self) -> None:
        """Forget what waits, and wait for the current work."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                row = next(iter(self._waiting))
                del self._waiting[row]
                self._done[row] = self._clock()
            self._work(row)
