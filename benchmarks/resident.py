"""The resident memory of this process over time, and its processor time."""

import os
import resource
import threading
from pathlib import Path


class Resident:
    """Measures the memory twice a second while its block runs."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        """GiB."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.seen.append(pages * resource.getpagesize() / 2**30)

    def tenths(self) -> list[float]:
        """Return the highest value in each tenth of the time."""
        count = len(self.seen)
        return [max(self.seen[count * n // 10 : count * (n + 1) // 10] or [0]) for n in range(10)]

    def __enter__(self) -> "Resident":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def processor_s() -> float:
    """Return the processor seconds of this process and of its children that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
